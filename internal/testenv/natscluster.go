package testenv

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// NATSPorts are what a server listens on.
type NATSPorts struct{ Client, Monitor, Cluster int }

// FreeNATSPorts gives ports for n servers.
func FreeNATSPorts(t testing.TB, n int) []NATSPorts {
	t.Helper()
	seen := map[int]bool{}
	port := func() int {
		for {
			if p := FreePort(t); !seen[p] {
				seen[p] = true
				return p
			}
		}
	}
	l := make([]NATSPorts, n)
	for i := range l {
		l[i] = NATSPorts{port(), port(), port()}
	}
	return l
}

// NATSWith starts a nats-server with config and nothing else. It must listen
// on these ports of loopback. NATSServer.Ready waits for it.
func NATSWith(t testing.TB, dir, config string, p NATSPorts) *NATSServer {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	s := &NATSServer{
		URL: fmt.Sprintf("nats://127.0.0.1:%d", p.Client), Dir: dir, t: t,
		monitor: fmt.Sprintf("http://127.0.0.1:%d", p.Monitor),
	}
	if err := os.WriteFile(s.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.spawn()
	t.Cleanup(s.Kill)
	return s
}

// NATSCluster starts n servers that form a cluster, with JetStream that syncs
// to disk before every ack, and returns when it has a leader that knows all. more is added to
// the configuration of each.
func NATSCluster(t testing.TB, dir string, n int, more string) []*NATSServer {
	t.Helper()
	ports := FreeNATSPorts(t, n)
	var routes []string
	for _, p := range ports {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", p.Cluster))
	}
	var l []*NATSServer
	for i, p := range ports {
		d := filepath.Join(dir, strconv.Itoa(i))
		l = append(l, NATSWith(t, d, fmt.Sprintf(`server_name: n%d
host: 127.0.0.1
port: %d
http: "127.0.0.1:%d"
max_payload: 8MB
cluster { name: test, listen: "127.0.0.1:%d", routes: [%s] }
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 8GB, sync_interval: always }
%s
`, i, p.Client, p.Monitor, p.Cluster, strings.Join(routes, ", "), filepath.Join(d, "jetstream"), more), p))
	}
	for _, s := range l {
		s.Ready()
	}
	Eventually(t, Patience, "a leader that knows all servers", func() bool { return slices.ContainsFunc(l, (*NATSServer).leads) })
	return l
}

// leads reports whether the server leads its cluster and knows of no other one
// that is away: it refuses to place streams there.
func (s *NATSServer) leads() bool {
	_, body := fetch(s.monitor + "/jsz")
	var answer struct {
		Meta struct {
			Size     int `json:"cluster_size"`
			Replicas []struct {
				Current, Offline bool
			} `json:"replicas"`
		} `json:"meta_cluster"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Meta.Replicas) == 0 || len(answer.Meta.Replicas) != answer.Meta.Size-1 {
		return false // only the leader lists the others
	}
	for _, r := range answer.Meta.Replicas {
		if r.Offline || !r.Current {
			return false
		}
	}
	return true
}

// Ready waits until the server is healthy: its streams are recovered, and in a
// cluster there is a leader.
func (s *NATSServer) Ready() {
	s.t.Helper()
	s.proc.ready(natsStartLimit, func() bool { return status(s.monitor+"/healthz") == 200 })
}

// Signal sends sig to the server: SIGUSR2 is what `--signal ldm` sends, SIGHUP
// `--signal reload`.
func (s *NATSServer) Signal(sig syscall.Signal) { s.proc.Signal(sig) }

// Exited is closed when the server has ended.
func (s *NATSServer) Exited() <-chan struct{} { return s.proc.Exited() }
