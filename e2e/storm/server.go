package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// server is one nats-server on loopback.
type server struct {
	bin, dir      string
	port, monitor int
	cmd           *exec.Cmd
	exited        chan struct{}
}

func newServer(ctx context.Context, bin, dir string) (*server, error) {
	s := &server{bin: bin, dir: dir}
	var err error
	if s.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if s.monitor, err = freePort(ctx); err != nil {
		return nil, err
	}
	// What deploy/nats/fleet.conf says, without TLS and users.
	conf := fmt.Sprintf(`host: 127.0.0.1
port: %d
http: "127.0.0.1:%d"
max_payload: 4MB
max_pending: 128MB
write_deadline: "10s"
ping_interval: "30s"
authorization { timeout: 10 }
lame_duck_duration: "30s"
lame_duck_grace_period: "5s"
jetstream { store_dir: %q, sync_interval: always, max_file_store: 8GB, max_buffered_size: 512MB }
`, s.port, s.monitor, filepath.Join(dir, "jetstream"))
	return s, os.WriteFile(s.config(), []byte(conf), 0o600)
}

func (s *server) config() string { return filepath.Join(s.dir, "nats.conf") }
func (s *server) url() string    { return fmt.Sprint("nats://127.0.0.1:", s.port) }

// start runs it, again on the same data, and returns when it is healthy.
func (s *server) start(ctx context.Context) error {
	s.cmd = exec.CommandContext(ctx, s.bin, "-c", s.config())
	out, err := os.OpenFile(filepath.Join(s.dir, "nats.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // killed
		close(s.exited)
	}()
	return until(ctx, time.Minute, "nats-server is healthy", func() (bool, error) {
		var health struct {
			Status string `json:"status"`
		}
		err := s.ask(ctx, "/healthz", &health)
		return err == nil && health.Status == "ok", nil
	})
}

// lastWords is the end of its log.
func (s *server) lastWords() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "nats.log"))
	return string(b[max(0, len(b)-2000):])
}

// kill is a crash.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
}

func (s *server) pid() string { return strconv.Itoa(s.cmd.Process.Pid) }

// ask reads a page of the server's monitoring.
func (s *server) ask(ctx context.Context, page string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.monitor, page), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// streams runs fn with a JetStream context.
func (s *server) streams(ctx context.Context, fn func(jetstream.JetStream) error) error {
	c := broker.DefaultConfig()
	c.Servers, c.Delay = []string{s.url()}, broker.Delay{Step: 50 * time.Millisecond, Max: 500 * time.Millisecond}
	nc, err := broker.Connect(ctx, c, broker.Options{Name: "storm"})
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return fn(js)
}

func (s *server) setUp(ctx context.Context) error {
	return s.streams(ctx, func(js jetstream.JetStream) error {
		st := broker.DefaultStreams()
		st.MaxBytes = 512 << 20
		st.Duplicates = 10 * time.Minute // longer than a storm
		r, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: broker.DefaultConfig().Shards, Streams: st})
		return errors.Join(err, r.Err())
	})
}

// count reads every message and gives how often each batch is there.
func (s *server) count(ctx context.Context) (map[string]int, error) {
	ids := map[string]int{}
	return ids, s.streams(ctx, func(js jetstream.JetStream) error {
		for i := range broker.DefaultConfig().Shards {
			st, err := js.Stream(ctx, wire.StreamName(i))
			if err != nil {
				return err
			}
			info := st.CachedInfo().State
			for seq := info.FirstSeq; seq <= info.LastSeq && info.Msgs > 0; seq++ {
				m, err := st.GetMsg(ctx, seq)
				if err != nil {
					return fmt.Errorf("read %s: %w", wire.StreamName(i), err)
				}
				ids[m.Header.Get(wire.HeaderMsgID)]++
			}
		}
		return nil
	})
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no TCP address")
	}
	return addr.Port, nil
}

// tcpExt reads counters of the kernel: overflows of the accept queue and such.
func tcpExt() map[string]int64 {
	b, _ := os.ReadFile("/proc/net/netstat")
	lines := strings.Split(string(b), "\n")
	m := map[string]int64{}
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for k := range min(len(names), len(values)) {
			if v, err := strconv.ParseInt(values[k], 10, 64); err == nil && names[0] == "TcpExt:" {
				m[names[k]] = v
			}
		}
	}
	return m
}
