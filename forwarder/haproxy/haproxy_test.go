package haproxy

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestWhatHAProxyDropsIsDeclared(t *testing.T) {
	d := startDropper(t)
	dropped := d.drop(100) // before anybody watches
	n := watch(t, nil, d.stats)
	n.poll()
	id, run := n.only()
	if run.From != 0 || run.To != dropped || dropped < 50 {
		t.Fatalf("%+v, HAProxy counts %d", run, dropped)
	}
	account := n.ledger.Account("haproxy:" + d.stats)
	if got := account.Lost(wire.HAProxyDropped).Lines.Load(); got != dropped || n.w.Stats().Dropped.Load() != dropped {
		t.Errorf("the ledger says %d", got)
	}
	n.poll()
	if all := n.read(); len(all) != 0 {
		t.Errorf("nothing happened: %+v", all)
	}
	more := d.drop(20)
	n.poll()
	if again, run := n.only(); again != id || run.From != dropped || run.To != more {
		t.Errorf("%+v of %s, HAProxy counts %d", run, again, more)
	}

	// A forwarder that was started again goes on from there.
	if !n.w.Dirty() || n.w.Dirty() {
		t.Error("the position changed once")
	}
	known := n.w.Streams()
	if len(known) != 1 || known[0] != (Stream{id, "haproxy:" + d.stats, more}) {
		t.Fatalf("%+v", known)
	}
	third := d.drop(10)
	n = watch(t, known, d.stats)
	if got := n.w.Streams(); fmt.Sprint(got) != fmt.Sprint(known) {
		t.Errorf("%+v before the first answer", got)
	}
	n.poll()
	if again, run := n.only(); again != id || run.From != more || run.To != third {
		t.Errorf("%+v of %s, HAProxy counts %d", run, again, third)
	}
	// One that lost its state says the same again, under the same identity.
	n = watch(t, nil, d.stats)
	n.poll()
	if again, run := n.only(); again != id || run.From != 0 || run.To != third {
		t.Errorf("%+v of %s, HAProxy counts %d", run, again, third)
	}

	// HAProxy is killed, and another one starts.
	d.proc.Kill()
	n.poll()
	n.poll()
	if n.w.Problem() == nil || n.log.Count("HAProxy does not answer") != 1 {
		t.Errorf("%v, said %d times", n.w.Problem(), n.log.Count("HAProxy does not answer"))
	}
	if len(n.w.Streams()) != 1 {
		t.Errorf("the position is forgotten while HAProxy is away")
	}
	d.start()
	fourth := d.drop(30)
	n.poll()
	if other, run := n.only(); other == id || run.From != 0 || run.To != fourth {
		t.Errorf("%+v of %s, HAProxy counts %d", run, other, fourth)
	}
	if n.w.Problem() != nil || n.log.Count("HAProxy answers again") != 1 {
		t.Error(n.w.Problem())
	}
	n.poll()
	if got := n.w.Streams(); len(got) != 1 || got[0].ID == id {
		t.Errorf("%+v: the process that ended is remembered", got)
	}
}

// TestWorkersOfAMaster reloads while a request keeps the old worker alive.
func TestWorkersOfAMaster(t *testing.T) {
	master := filepath.Join(t.TempDir(), "master")
	d := startDropper(t, "-W", "-S", master)
	first := d.drop(60)
	answers := func(workers int) func() bool { // not while it executes itself anew
		return func() bool {
			reply, err := talk(t.Context(), master, "show proc")
			return err == nil && len(parseWorkers(reply)) == workers
		}
	}
	testenv.Eventually(t, limit, "the master answers", answers(1))
	n := watch(t, nil, master)
	n.poll()
	old, run := n.only()
	if run.From != 0 || run.To != first {
		t.Fatalf("%+v, the worker counts %d", run, first)
	}

	hold, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	fmt.Fprint(hold, "GET / HTTP/1.1\r\n") // the old worker waits for the rest
	d.proc.Signal(syscall.SIGUSR2)
	testenv.Eventually(t, limit, "there are two workers", answers(2))
	d.up()
	second := d.drop(40)
	n.poll()
	// The old worker could not send that it stops, either.
	at := map[string]int64{old: first}
	follow := func() {
		t.Helper()
		for id, run := range n.read() {
			if run.From != at[id] {
				t.Fatalf("%+v of %s, want it to begin at %d", run, id, at[id])
			}
			at[id] = run.To
		}
	}
	follow()
	if len(at) != 2 || len(n.w.Streams()) != 2 {
		t.Fatalf("%v", at)
	}
	for id, got := range at {
		if id != old && got != second {
			t.Errorf("%d lines of the new worker, it counts %d", got, second)
		}
	}
	hold.Close()
	testenv.Eventually(t, limit, "the old worker is gone", func() bool {
		n.poll()
		follow()
		return n.w.Stats().Processes.Load() == 1
	})
	if got := n.w.Streams(); len(got) != 1 || got[0].ID == old {
		t.Errorf("%+v", got)
	}
}

// fake answers every connection on a socket with the same text, or not at all.
func fake(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stats")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var open []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if text == "" {
				open = append(open, c)
				continue
			}
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range open {
			c.Close()
		}
	})
	return path
}

func TestSocketsThatDoNotCount(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		socket, says string
		fails        bool
	}{
		"HAProxy 1.8":   {fake(t, "Name: HAProxy\nVersion: 1.8.31\nPid: 7\nUptime_sec: 5\n\n"), "version 1.9 and later do", false},
		"garbage":       {fake(t, "\x00\xff nonsense\n\n"), "neither a stats socket", true},
		"empty":         {fake(t, "\n\n"), "neither a stats socket", true},
		"no answer":     {fake(t, ""), "no whole answer", true},
		"no socket":     {filepath.Join(t.TempDir(), "none"), "HAProxy does not run, or has no `stats socket", true},
		"a file":        {file, "nobody listens on it", true},
		"a closed port": {"127.0.0.1:" + strconv.Itoa(testenv.FreePort(t)), "nobody listens on it", true},
	} {
		t.Run(name, func(t *testing.T) {
			n := watch(t, nil, tc.socket)
			n.w.cfg.Timeout = 200 * time.Millisecond
			n.poll()
			n.poll()
			if got := n.log.Count("level=WARN"); got != 1 || n.log.Count(tc.says) != 1 {
				t.Errorf("%d warnings: %s", got, n.log.String())
			}
			if (n.w.Problem() != nil) != tc.fails || len(n.read()) != 0 {
				t.Errorf("%v", n.w.Problem())
			}
		})
	}
	if err := explain("/s", &os.SyscallError{Syscall: "connect", Err: syscall.EACCES}); !strings.Contains(err.Error(), "let user "+strconv.Itoa(os.Geteuid())+" write") {
		t.Error(err)
	}
}

// TestSeveralSockets asks all of them, and one that hangs keeps none back for ever.
func TestSeveralSockets(t *testing.T) {
	info := func(pid, dropped int) string {
		return fmt.Sprintf("Name: HAProxy\nVersion: 3.2\nPid: %d\nUptime_sec: 5\nStart_time_sec: 1795657813\nDroppedLogs: %d\n\n", pid, dropped)
	}
	a, b := fake(t, info(7, 11)), fake(t, info(7, 5))
	n := watch(t, nil, a, fake(t, ""), b)
	n.w.cfg.Timeout = 200 * time.Millisecond
	n.poll()
	all := n.read()
	if len(all) != 2 || n.w.Stats().Processes.Load() != 2 || n.w.Stats().Failures.Load() != 1 {
		t.Errorf("%+v", all)
	}
	var lines int64
	for _, run := range all {
		lines += run.LostLines
	}
	if lines != 16 {
		t.Errorf("%d lines", lines)
	}
}

func TestAPollThatRunsEndsWithClose(t *testing.T) {
	n := watch(t, nil, fake(t, ""))
	n.w.cfg.Timeout = time.Hour
	n.w.Step(n.now)
	if at := n.w.NextStep(true); at.Sub(n.now) != patience {
		t.Errorf("the next step is in %v", at.Sub(n.now))
	}
	n.w.Close()
}

// TestAgeInsteadOfAStart finds a process of HAProxy before 2.4 again, whose age
// is rounded to seconds.
func TestAgeInsteadOfAStart(t *testing.T) {
	reply := "Name: HAProxy\nVersion: 2.2.9\nPid: 7\nUptime_sec: %d\nDroppedLogs: 3\n\n"
	now := time.Unix(1_795_657_813, 0)
	i, ok := parseInfo(fmt.Appendf(nil, reply, 100), now)
	if !ok || i.exact {
		t.Fatal(i)
	}
	n := watch(t, nil, "/s")
	s := n.w.sockets[0]
	p := s.meet(n.w, &i)
	s.processes = []*process{p}
	for _, skew := range []int64{-2, -1, 1, 2} {
		i, _ := parseInfo(fmt.Appendf(nil, reply, 150), now.Add(time.Duration(50+skew)*time.Second))
		if s.find("node-1", &i) != p {
			t.Errorf("not found %d seconds off", skew)
		}
		fresh := &socket{name: "/s", known: map[string]int64{p.id: 3}}
		if got := fresh.meet(n.w, &i); got.id != p.id || got.acked != 3 {
			t.Errorf("not known %d seconds off", skew)
		}
	}
	i, _ = parseInfo(fmt.Appendf(nil, reply, 1), now.Add(time.Hour))
	if s.find("node-1", &i) != nil {
		t.Error("another process is taken for it")
	}
}

func TestTheCounterWraps(t *testing.T) {
	p := &process{total: 1<<32 - 5, read: 1<<32 - 5}
	for _, tc := range []struct {
		counter uint32
		want    int64
	}{{1<<32 - 2, 3}, {1<<32 - 2, 0}, {3, 5}, {2, 0}, {3, 0}, {1000, 997}} {
		if got := p.counted(tc.counter); got != tc.want {
			t.Errorf("%d: grew by %d, want %d", tc.counter, got, tc.want)
		}
	}
	if p.total != 1<<32+1000 {
		t.Errorf("%d", p.total)
	}
}

func TestConfigurations(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"want an absolute path or host:port": func(c *Config) { c.Sockets = []string{"run/haproxy.sock"} },
		"is named twice":                     func(c *Config) { c.Sockets = []string{"/a", "/a"} },
		"want at least 1s and 10ms":          func(c *Config) { c.Every = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if _, err := New(c, nil, ledger.New(), slog.Default()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
