package aggregator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
)

// render stands for the JSON objects of lines: all texts of fields.
func render() func([]byte, *archive.Row) []byte {
	return func(dst []byte, r *archive.Row) []byte {
		dst = fmt.Appendf(dst, "%s %s", r.Source.Node, r.Format)
		if r.Record != nil {
			for i := range r.Record.Values {
				dst = fmt.Appendf(dst, " %s", r.Record.Values[i].Text)
			}
		}
		return append(dst, '\n')
	}
}

// tailing is a reader at work.
type tailing struct {
	*live.Client
	mu    sync.Mutex
	lines []string // raw and object of each
	raw   []string
}

// tail reads until the test ends. take may be nil; it is called for each line.
func tail(t *testing.T, nc *nats.Conn, ask live.Ask, take func()) *tailing {
	t.Helper()
	r := &tailing{Client: live.NewClient(nc, ask)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- r.Run(ctx, func(l *live.Line) error {
			if take != nil {
				take()
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines = append(r.lines, string(l.Raw)+string(l.JSON))
			r.raw = append(r.raw, strings.TrimSuffix(string(l.Raw), "\n"))
			return nil
		}, func() error { return nil })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("reading: %v", err)
		}
	})
	return r
}

func (r *tailing) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.raw))
}

func (r *tailing) serving(t *testing.T, names ...string) {
	t.Helper()
	eventually(t, "aggregators show their lines", func() bool { return slices.Equal(r.Report().Serving, names) })
}

// TestTailShowsWhatIsArchived: a reader sees the lines of two aggregators that
// pass his filter, and the archive has all.
func TestTailShowsWhatIsArchived(t *testing.T) {
	r := newRig(t, 2, nil)
	s := &store{}
	for _, name := range []string{"a1", "a2"} {
		r.run(r.config(name), aggregator.Deps{Archive: s, Render: render})
	}
	all := tail(t, r.nc, live.Ask{Raw: true}, nil)
	some := tail(t, r.nc, live.Ask{Raw: true, Filter: "b=be s=a,b HU~/1/"}, nil)
	all.serving(t, "a1", "a2")
	some.serving(t, "a1", "a2")
	sent := r.send([]string{"a", "b", "c"}, 5, 30)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	eventually(t, "everything is shown", func() bool { return len(all.got()) >= len(sent) })
	if !slices.Equal(all.got(), sent) {
		t.Errorf("%d lines are shown, %d were sent, or they differ", len(all.got()), len(sent))
	}
	want := slices.DeleteFunc(slices.Clone(sent), func(l string) bool {
		return !strings.Contains(l, " be/a ") && !strings.Contains(l, " be/b ") || !strings.Contains(l, "GET /1/")
	})
	eventually(t, "what passes is shown", func() bool { return len(some.got()) >= len(want) })
	if !slices.Equal(some.got(), want) || len(want) != 40 {
		t.Errorf("%d lines pass, want %d", len(some.got()), len(want))
	}
	s.same(t, sent)
}

// stuck hands out connections that block for ever, once they are to pass on lines
// for a reader.
type stuck struct {
	inner broker.Options
	free  chan struct{}
	mu    sync.Mutex
	held  int
}

func (s *stuck) InProcessConn() (net.Conn, error) {
	c, err := s.inner.InProcess.InProcessConn()
	return &stuckConn{c, s}, err
}

type stuckConn struct {
	net.Conn
	s *stuck
}

func (c *stuckConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("PUB tail.lines.")) {
		c.s.mu.Lock()
		c.s.held++
		c.s.mu.Unlock()
		<-c.s.free
	}
	return c.Conn.Write(b)
}

// sendNoise publishes batches of lines that do not compress well, and gives all
// lines.
func (r *rig) sendNoise(batches, lines, size int) (all []string) {
	r.t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, size*3/4)
	var from int64
	for range batches {
		var raw strings.Builder
		for range lines {
			_, _ = random.Read(noise) // never fails
			line := base64.StdEncoding.EncodeToString(noise)
			all = append(all, line)
			raw.WriteString(line + "\n")
		}
		h, payload := batch("noise", from, raw.String())
		from = h.To
		r.publish("noise", h.Encode(), payload)
	}
	return all
}

// TestTailHoldsNothingUp: one reader takes nothing, and then the whole live view
// is stuck in its connection. Everything is archived and acknowledged all the
// same, nothing is delivered again, what waits is bounded, and what nobody looked
// at is counted.
func TestTailHoldsNothingUp(t *testing.T) {
	for name, stick := range map[string]bool{"reader": false, "connection": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			s, reg := &store{}, metrics.New(aggregator.Metrics()...)
			slow := &stuck{inner: broker.Options{InProcess: r.server}, free: make(chan struct{})}
			free := sync.OnceFunc(func() { close(slow.free) })
			d := aggregator.Deps{Archive: s, Metrics: reg, Render: render}
			if stick {
				d.Broker.InProcess = slow
			}
			c := r.config("a1")
			c.Tail.CPUs, c.Tail.Queue = 1, 64<<20
			if stick {
				c.Tail.Queue = 1 << 20
			}
			run := r.run(c, d)
			t.Cleanup(free) // before it is stopped
			hold := make(chan struct{})
			letGo := sync.OnceFunc(func() { close(hold) })
			reader := tail(t, r.nc, live.Ask{Raw: true}, func() { <-hold })
			t.Cleanup(letGo) // before it ends
			if stick {
				eventually(t, "the view is stuck", func() bool { slow.mu.Lock(); defer slow.mu.Unlock(); return slow.held > 0 })
			} else {
				reader.serving(t, "a1")
			}
			sent := r.sendNoise(6, 600, 1000)
			eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
			s.same(t, sent)
			if n := r.redelivered(); n > 0 {
				t.Errorf("%d messages were delivered again", n)
			}
			if stick {
				if reg.Counter("loghaul_tail_lines_total", "unread").Get() == 0 {
					t.Error("more waits for readers than may, or it was not counted")
				}
			} else {
				letGo()
				eventually(t, "each line was shown or counted", func() bool {
					p := reader.Report()
					return len(reader.got())+int(p.Skipped+p.Unread) == len(sent) && p.Skipped > 0 && p.Lost == 0
				})
			}
			free()
			run.stop()
		})
	}
}

// TestTailAfterAnAggregatorDied: what it had shown and not archived comes again,
// from another one, and is shown once.
func TestTailAfterAnAggregatorDied(t *testing.T) {
	r := newRig(t, 1, func(s *broker.Streams) { s.AckWait = time.Second })
	conn := &cuttable{server: r.server}
	never := &store{before: func(ctx context.Context, _ *sinks.Group) error { <-ctx.Done(); return ctx.Err() }}
	c := r.config("a1")
	c.DrainTimeout = 10 * time.Millisecond
	first := r.run(c, aggregator.Deps{Archive: never, Broker: broker.Options{InProcess: conn}, Render: render})
	reader := tail(t, r.nc, live.Ask{Raw: true}, nil)
	reader.serving(t, "a1")
	sent := r.send([]string{"a"}, 3, 30)
	eventually(t, "all is shown", func() bool { return len(reader.got()) == len(sent) })
	conn.Cut()
	first.cancel()

	s, reg := &store{}, metrics.New(aggregator.Metrics()...)
	r.run(r.config("a2"), aggregator.Deps{Archive: s, Metrics: reg, Render: render})
	eventually(t, "everything is archived by another one", func() bool { return r.messages() == 0 })
	s.same(t, sent)
	more := r.send([]string{"b"}, 1, 3)
	want := slices.Sorted(slices.Values(slices.Concat(sent, more)))
	eventually(t, "new lines are shown", func() bool { return len(reader.got()) >= len(want) })
	if got := reader.got(); !slices.Equal(got, want) {
		t.Errorf("%d lines are shown, want %d", len(got), len(want))
	}
}

// TestTailMasks: a reader sees of masked fields what the archive holds, and a
// filter finds nothing else.
func TestTailMasks(t *testing.T) {
	r := newRig(t, 1, nil)
	line := func(ci, cookie, query string) string {
		return ci + ":4711 [22/Nov/2026:10:11:12.123] fe be/s 0/0/1/2/3 200 7 " + cookie + ` - ---- 1/1/0/0/0 0/0 "GET /p?` + query + ` HTTP/1.1"`
	}
	c := r.config("a1")
	c.Mask.Fields = map[string]string{"ci": "truncate", "CC": "hash", "HQ": "hash"}
	c.Mask.Key, c.Mask.Unparsed = "0123456789abcdef", "blank"
	s := &store{}
	r.run(c, aggregator.Deps{Archive: s, Render: render})
	all := tail(t, r.nc, live.Ask{Raw: true, JSON: true}, nil)
	secret := tail(t, r.nc, live.Ask{Raw: true, Filter: "ci=203.0.113.77 or CC~topsecret or raw~hunter2 or raw~topsecret"}, nil)
	masked := tail(t, r.nc, live.Ask{Raw: true, Filter: "ci=203.0.113.0/24"}, nil)
	for _, x := range []*tailing{all, secret, masked} {
		x.serving(t, "a1")
	}
	raw := line("203.0.113.77", "SID=topsecret", "token=hunter22") + "\n" + line("198.51.100.7", "-", "q=hunter23") + "\nno line of topsecret\n"
	h, payload := batch("a", 0, raw)
	r.publish("a", h.Encode(), payload)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	eventually(t, "everything is shown", func() bool { return len(all.got()) == 3 && len(masked.got()) == 1 })
	archived, _ := s.lines(t)
	if got := all.got(); !slices.Equal(got, archived) {
		t.Errorf("shown:\n%s\narchived:\n%s", strings.Join(got, "\n"), strings.Join(archived, "\n"))
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, text := range all.lines {
		for _, word := range []string{"topsecret", "hunter2", "203.0.113.77", "198.51.100.7:"} {
			if strings.Contains(text, word) {
				t.Errorf("%s is shown: %s", word, text)
			}
		}
	}
	if got := secret.got(); len(got) > 0 {
		t.Errorf("a filter sees what is masked: %s", got)
	}
}

// users starts a real server with the users of deploy/nats, with their keys
// replaced and as change leaves the file. It gives a configuration for each, in
// the order of the file: web-1, aggregator-1, operator, reader.
func users(t *testing.T, change func(string) string) []broker.Config {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "deploy", "nats", "users.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var all []broker.Config
	conf := regexp.MustCompile(`nkey: U\w{55}`).ReplaceAllStringFunc(change(string(text)), func(string) string {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		c := broker.DefaultConfig()
		c.NKey, c.Shards, c.Delay = filepath.Join(dir, fmt.Sprint("user-", len(all))), 1, broker.Delay{}
		if err := os.WriteFile(c.NKey, append(seed, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		return "nkey: " + public
	})
	if err := os.WriteFile(filepath.Join(dir, "users.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	server := testenv.NATS(t, dir, "authorization {\n  include ./users.conf\n}")
	for i := range all {
		all[i].Servers = []string{server.URL}
	}
	if len(all) != 4 {
		t.Fatalf("users.conf has %d users", len(all))
	}
	return all
}

// as connects as a user.
func as(t *testing.T, c broker.Config, name string, onError func(error)) *nats.Conn {
	t.Helper()
	nc, err := broker.Connect(t.Context(), c, broker.Options{Name: name, OnError: onError})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestTailPermissions runs with the users of deploy/nats as they stand: a
// reader sees lines and may do nothing else. Where the aggregator's user has no
// right to show lines, that is said once, and everything is archived.
func TestTailPermissions(t *testing.T) {
	without := func(right string) func(string) string {
		return func(s string) string {
			if strings.Count(s, right) != 1 {
				t.Fatalf("users.conf has %q %d times", right, strings.Count(s, right))
			}
			return strings.Replace(s, right, "", 1)
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		shown  bool
	}{
		"as it stands":       {func(s string) string { return s }, true},
		"may not hear":       {without(`, "tail.ask.>"`), false},
		"may not send lines": {without("        \"tail.lines.*\"\n"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := users(t, c.change)
			r := &rig{t: t, shards: 1, streams: broker.DefaultStreams()}
			r.streams.MaxBytes = 64 << 20
			watch, err := jetstream.New(as(t, u[2], "operator", nil))
			if err != nil {
				t.Fatal(err)
			}
			r.js = watch
			r.setup()
			var l log
			s := &store{}
			cfg := r.config("aggregator-1")
			cfg.Broker = u[1]
			a, err := aggregator.New(cfg, aggregator.Deps{Archive: s, Logger: l.logger(), Render: render})
			if err != nil {
				t.Fatal(err)
			}
			run := r.runs(a)
			eventually(t, "it is ready", func() bool { return run.Ready() == nil })
			var mu sync.Mutex
			var refused []string
			reader := as(t, u[3], "reader", func(err error) {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, err.Error())
			})
			shown := tail(t, reader, live.Ask{Raw: true}, nil)
			const warning = "loghaul tail cannot be served"
			if c.shown {
				shown.serving(t, "aggregator-1")
			} else {
				eventually(t, "the log says what to grant", func() bool { return l.contains(warning) })
			}
			if r.js, err = jetstream.New(as(t, u[0], "web-1", nil)); err != nil {
				t.Fatal(err)
			}
			sent := r.send([]string{"web-1"}, 3, 10)
			r.js = watch
			eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
			s.same(t, sent)
			if !c.shown {
				if n := l.count(warning); n != 1 || len(shown.got()) > 0 || run.Ready() != nil || l.contains("the broker reports an error") {
					t.Errorf("said %d times, %d lines are shown, ready: %v", n, len(shown.got()), run.Ready())
				}
				return
			}
			eventually(t, "everything is shown", func() bool { return len(shown.got()) == len(sent) })
			mu.Lock()
			if len(refused) > 0 || l.contains(warning) {
				t.Errorf("refused: %v", refused)
			}
			mu.Unlock()
			for _, subject := range []string{"raw.00.web-1", "$JS.API.STREAM.INFO.RAW-00", "$JS.API.STREAM.DELETE.RAW-00", "$JS.ACK.x", "tail.lines.x", "_INBOX.aggregator-1.x"} {
				if err := reader.Publish(subject, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, subject := range []string{"raw.>", "tail.ask.>", ">"} {
				if _, err := reader.Subscribe(subject, func(*nats.Msg) {}); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "all of that is refused", func() bool { mu.Lock(); defer mu.Unlock(); return len(refused) == 9 })
		})
	}
}
