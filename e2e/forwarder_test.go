package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	forwarding "github.com/loghaul/loghaul/forwarder/daemon"
	"github.com/loghaul/loghaul/internal/testenv"
)

// snapshot is what `status` says.
func (c *cluster) snapshot() (s forwarding.Snapshot, ok bool) {
	c.t.Helper()
	out, _, code := command(c.t, nil, "loghaul-forwarder", "status", "--config", filepath.Join(c.dir, "forwarder.yaml"), "--output", "json")
	return s, code == 0 && json.Unmarshal([]byte(out), &s) == nil
}

// TestStatus asks a forwarder that works, one that can't reach its broker, and
// none.
func TestStatus(t *testing.T) {
	c := newCluster(t, settings{})
	config := filepath.Join(c.dir, "forwarder.yaml")
	if _, stderr, code := command(t, nil, "loghaul-forwarder", "status", "--config", config); code != 1 || !strings.Contains(stderr, "no forwarder answers") {
		t.Errorf("without a forwarder: exit code %d, %s", code, stderr)
	}
	c.forwarder.Start()
	c.forwarder.AwaitReady()
	l := startLoad(t, c.input, fullRate)
	testenv.Eventually(t, testenv.Patience, "lines acknowledged", func() bool {
		s, ok := c.snapshot()
		return ok && s.Connected && len(s.Paths) == 1 && s.Paths[0].AckedLines > 0
	})
	l.Stop()
	testenv.Eventually(t, testenv.Patience, "everything acknowledged", func() bool {
		s, ok := c.snapshot()
		return ok && len(s.Sources) == 1 && s.Sources[0].Acked == l.Bytes() && s.Sources[0].Size == l.Bytes() && s.Sources[0].OldestUnacked == 0 &&
			s.Paths[0].ReadBytes == l.Bytes() && s.Paths[0].AckedBytes == l.Bytes() && s.Problem == ""
	})
	c.nats.Kill()
	testenv.Eventually(t, testenv.Patience, "it says that the broker is away", func() bool {
		s, ok := c.snapshot()
		return ok && !s.Connected && s.Problem != ""
	})
	out, _, code := command(t, nil, "loghaul", "forward", "status", "--config", config)
	for _, want := range []string{"edge-1", "NOT CONNECTED", "PROBLEM: ", c.input, "live"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, out)
		}
	}
	c.nats.Start()
}

// TestReloadBySIGHUP adds an input and labels to a running forwarder. A
// configuration that is wrong changes nothing.
func TestReloadBySIGHUP(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	config := c.forwarderConfig(c.forwarder.http, settings{})
	c.write("forwarder.yaml", strings.Replace(config, "inputs:", "inputz:", 1))
	c.forwarder.proc.Signal(syscall.SIGHUP)
	testenv.Eventually(t, testenv.Patience, "it names the mistake", func() bool {
		return strings.Contains(c.forwarder.proc.Output(), `did you mean \"inputs\"?`)
	})
	second := filepath.Join(c.dir, "second.log")
	c.write("forwarder.yaml", strings.Replace(config, "inputs:\n", "labels: {zone: eu-1a}\ninputs:\n  - file: "+second+"\n", 1))
	c.forwarder.proc.Signal(syscall.SIGHUP)
	testenv.Eventually(t, testenv.Patience, "it is reloaded", func() bool {
		return strings.Contains(c.forwarder.proc.Output(), "the configuration is reloaded")
	})
	more := startLoad(t, second, 1000)
	pause(t, time.Second)
	if n := more.Stop(); n == 0 {
		t.Fatal("nothing was written")
	}
	bytes := more.Bytes()
	n := l.Stop()
	c.awaitArchived(l.Bytes()+bytes, arrivalLimit)
	c.stop()
	list, _ := c.sources()
	if len(list) != 2 {
		t.Errorf("%d sources are archived, want 2", len(list))
	}
	for _, s := range list {
		if s.Path == c.input {
			got := 0
			c.catSource(s.Source, func([]byte) { got++ })
			if got != n {
				t.Errorf("%d of the %d lines of the first file", got, n)
			}
		}
	}
}

// TestWhatHAProxyDropsIsInTheArchive: a target that takes nothing makes a real
// HAProxy drop lines. Their number, as HAProxy counts it, is declared.
func TestWhatHAProxyDropsIsInTheArchive(t *testing.T) {
	dir := workDir(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	t.Cleanup(origin.Close)
	deaf, stats := filepath.Join(dir, "deaf.sock"), filepath.Join(dir, "stats.sock")
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "unixgram", deaf) // and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := newCluster(t, settings{inputs: fmt.Sprintf("haproxy: {stats: %s, every: 1s}\n", stats)})
	c.start()
	w := way{name: "deaf", log: "log " + deaf + " format rfc3164 local0"}
	ways := []way{w}
	proxy := startHAProxy(t, dir, stats, origin.Listener.Addr().String(), testenv.FreePort(t), testenv.FreePort(t), ways, filepath.Join(dir, "haproxy.out"))
	for k := range 1000 {
		get(t, fmt.Sprintf("http://127.0.0.1:%d%s%d", ways[0].port, w.mark(), k))
	}
	dropped := haproxyInfo(t, stats, "DroppedLogs")
	if dropped == 0 {
		t.Fatal("HAProxy has dropped nothing")
	}
	testenv.Eventually(t, arrivalLimit, fmt.Sprintf("%d lines declared as lost", dropped), func() bool {
		list, _ := c.sources()
		for _, s := range list {
			if s.Path == "haproxy:"+stats && len(s.Lost) > 0 {
				lines := int64(0)
				for _, l := range s.Lost {
					if l.Reason != "haproxy_dropped" {
						t.Fatalf("the reason is %q", l.Reason)
					}
					lines += l.Lines
				}
				return lines == dropped
			}
		}
		return false
	})
	if got := c.forwarder.metric("loghaul_forwarder_lost_lines_total", `reason="haproxy_dropped"`); int64(got) != dropped {
		t.Errorf("the metric says %v, HAProxy %d", got, dropped)
	}
	proxy.Stop()
	c.stop()
}

// haproxyInfo gives a number of `show info`.
func haproxyInfo(t *testing.T, stats, name string) (n int64) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "unix", stats)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "show info"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	var all strings.Builder
	for {
		k, err := conn.Read(buf)
		all.Write(buf[:k])
		if err != nil {
			break
		}
	}
	for line := range strings.Lines(all.String()) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && k == name {
			if _, err := fmt.Sscan(v, &n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// TestPriorities: every thread of the process has the configured ones.
func TestPriorities(t *testing.T) {
	c := newCluster(t, settings{inputs: "process: {nice: 7, io: idle, cpus: 1, memory: 32MiB}\n"})
	c.forwarder.Start()
	c.forwarder.AwaitReady()
	l := startLoad(t, c.input, fullRate)
	testenv.Eventually(t, testenv.Patience, "lines acknowledged", func() bool {
		return c.forwarder.metric("loghaul_forwarder_acked_lines_total") > 0
	})
	l.Stop()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.forwarder.proc.PID()))
	if err != nil || len(tasks) < 3 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		// getpriority(2) gives 20 - nice.
		if p, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil && p != 20-7 {
			t.Errorf("thread %d has nice %d, want 7", tid, 20-p)
		}
		const whoProcess, classIdle, classShift = 1, 3, 13 // ioprio_get(2)
		if p, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(tid), 0); errno == 0 && p>>classShift != classIdle {
			t.Errorf("thread %d has the class %d for its disk accesses, want %d", tid, p>>classShift, classIdle)
		}
	}
}
