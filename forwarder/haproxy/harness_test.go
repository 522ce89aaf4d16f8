package haproxy

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

const limit = testenv.Patience

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a Watcher with a clock of its own.
type node struct {
	t      *testing.T
	w      *Watcher
	log    *testenv.Log
	ledger *ledger.Ledger
	now    time.Time
}

func watch(t *testing.T, known []Stream, sockets ...string) *node {
	t.Helper()
	n := &node{t: t, log: &testenv.Log{}, ledger: ledger.New(), now: time.Now()}
	cfg := DefaultConfig()
	cfg.Node, cfg.Sockets, cfg.Timeout = "node-1", sockets, 2*time.Second
	w, err := New(cfg, known, n.ledger, slog.New(slog.NewTextHandler(n.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	n.w = w
	t.Cleanup(w.Close)
	return n
}

// poll asks once and waits for the answers.
func (n *node) poll() {
	n.t.Helper()
	n.now = n.now.Add(n.w.cfg.Every)
	polls := n.w.stats.Polls.Load()
	n.w.Step(n.now)
	testenv.Eventually(n.t, limit, "the answers", func() bool {
		n.w.Step(n.now.Add(time.Second))
		return n.w.stats.Polls.Load() > polls
	})
}

// read takes everything that is due. The key is the id of the source.
func (n *node) read() map[string]source.Run {
	n.t.Helper()
	all := map[string]source.Run{}
	for src := n.w.Next(n.now); src != nil; src = n.w.Next(n.now) {
		run, err := src.Read(nil, 1<<20, nil)
		if err != nil || run.Empty() || run.Lost != wire.HAProxyDropped || run.LostLines != run.To-run.From {
			n.t.Fatalf("%+v %v", run, err)
		}
		all[src.Name().ID] = run
		src.Confirm(run.To)
	}
	return all
}

// only gives the single run that is due.
func (n *node) only() (id string, run source.Run) {
	n.t.Helper()
	all := n.read()
	if len(all) != 1 {
		n.t.Fatalf("%d sources have losses: %+v; %v\n%s", len(all), all, n.w.Problem(), n.log.String())
	}
	for id, run = range all {
	}
	return id, run
}

// dropper is a HAProxy whose lines go where nobody reads.
type dropper struct {
	t     *testing.T
	url   string
	stats string
	proc  *testenv.Process
	port  int
	conf  string
}

// startDropper starts HAProxy with args. It drops every line but the first few.
func startDropper(t *testing.T, args ...string) *dropper {
	t.Helper()
	dir := t.TempDir()
	sink, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "sink"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(origin.Close)
	d := &dropper{t: t, stats: filepath.Join(dir, "stats"), port: testenv.FreePort(t), conf: filepath.Join(dir, "haproxy.cfg")}
	d.url = fmt.Sprintf("http://127.0.0.1:%d", d.port)
	config := fmt.Sprintf(`global
  log %s/sink local0
  stats socket %s mode 600 level user
  nbthread 1
  maxconn 500
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind 127.0.0.1:%d
  default_backend app
backend app
  server origin %s
`, dir, d.stats, d.port, origin.Listener.Addr())
	if err := os.WriteFile(d.conf, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(args...)
	return d
}

func (d *dropper) start(args ...string) {
	d.t.Helper()
	d.proc = testenv.Start(d.t, "haproxy", exec.Command("/usr/sbin/haproxy", append([]string{"-db", "-f", d.conf}, args...)...))
	d.up()
}

func (d *dropper) up() {
	d.t.Helper()
	testenv.Eventually(d.t, limit, "HAProxy answers", func() bool {
		c, err := net.Dial("unix", d.stats)
		return err == nil && c.Close() == nil
	})
}

// drop makes so many requests and returns HAProxy's own counter behind them.
func (d *dropper) drop(requests int) int64 {
	d.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range requests {
		r, err := client.Get(d.url)
		if err != nil {
			d.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	var n int64
	testenv.Eventually(d.t, limit, "the last line is dropped", func() bool {
		before := n
		n = d.counter()
		return n == before && n > 0 // the line is written a little after the response
	})
	return n
}

// counter asks HAProxy, in a way of its own.
func (d *dropper) counter() int64 {
	d.t.Helper()
	c, err := net.Dial("unix", d.stats)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "show info")
	for s := bufio.NewScanner(c); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "DroppedLogs: "); ok {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return n
		}
	}
	d.t.Fatal("no DroppedLogs")
	return 0
}
