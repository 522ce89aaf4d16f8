package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, testenv.Patience, what, ok)
}

func serve(t *testing.T) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// options read lines as an aggregator does by default.
func options(t testing.TB) archive.Options {
	t.Helper()
	var formats []*parser.Format
	for _, name := range parser.WellKnown() {
		f, err := parser.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	return archive.Options{Formats: formats, Wrapper: wrapper.Auto}
}

// object stands for the JSON object of a line.
func object() func([]byte, *archive.Row) []byte {
	return func(dst []byte, r *archive.Row) []byte {
		return fmt.Appendf(dst, "{\"offset\":%d,\"format\":%q}\n", r.Offset, r.Format)
	}
}

// newView makes a View; change may be nil.
func newView(t testing.TB, name string, cfg Config, change func(*View)) (*View, *metrics.Registry) {
	t.Helper()
	reg := metrics.New(Metrics()...)
	v, err := New(cfg, Deps{Name: name, Options: options(t), Render: object, Logger: slog.New(slog.DiscardHandler), Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(v)
	}
	return v, reg
}

// running runs a View until the test ends.
func running(t testing.TB, s *embedded.Server, v *View) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx, broker.DefaultConfig(), broker.Options{InProcess: s}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func connected(t testing.TB, s *embedded.Server) *nats.Conn {
	t.Helper()
	nc, err := broker.Connect(t.Context(), broker.DefaultConfig(), broker.Options{Name: "reader", InProcess: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// reading is a Client at work.
type reading struct {
	*Client
	nc   *nats.Conn
	mu   sync.Mutex
	raw  []string
	json []string
	hold chan struct{} // if not nil, taking a line waits for it
	stop func() error
}

func (r *reading) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}

func read(t testing.TB, s *embedded.Server, ask Ask, hold chan struct{}) *reading {
	t.Helper()
	r := &reading{nc: connected(t, s), hold: hold}
	r.Client = NewClient(r.nc, ask)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- r.Run(ctx, func(l *Line) error {
			if r.hold != nil {
				<-r.hold
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.raw, r.json = append(r.raw, string(l.Raw)), append(r.json, string(l.JSON))
			return nil
		}, func() error { return nil })
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil && !r.nc.IsClosed() {
			t.Errorf("reading: %v", err)
		}
	})
	return r
}

func (r *reading) serving(n int) func() bool {
	return func() bool { return len(r.Report().Serving) == n }
}

// message is a batch as it comes from the broker.
func message(node string, from int64, raw string) (map[string][]string, []byte) {
	id := sha256.Sum256([]byte(node))
	h := wire.Header{
		Source: wire.Source{ID: hex.EncodeToString(id[:12]), Node: node, Path: "/var/log/haproxy.log"},
		From:   from, To: from + int64(len(raw)), Records: wire.CountRecords([]byte(raw)), CRC: wire.Checksum([]byte(raw)),
		ReadAt: time.UnixMilli(1_763_900_000_000),
	}
	var b bytes.Buffer
	w := s2.NewWriter(&b)
	_, _ = w.Write([]byte(raw))
	_ = w.Close()
	return h.Encode(), b.Bytes()
}

// access is a line of httplog.
func access(status, n int) string {
	return fmt.Sprintf("10.0.%d.%d:4711 [22/Nov/2026:10:11:12.%03d] fe be/s1 0/0/1/2/3 %d 7 - - ---- 1/1/0/0/0 0/0 \"GET /%d HTTP/1.1\"\n", n>>8&255, n&255, n%1000, status, n)
}

// accesses gives n lines, every tenth of which is an error.
func accesses(n int) (all string, errs []string) {
	var b strings.Builder
	for i := range n {
		line := access(200, i)
		if i%10 == 0 {
			line = access(503, i)
			errs = append(errs, line)
		}
		b.WriteString(line)
	}
	return b.String(), errs
}

// TestTail: two aggregators serve three readers what passes their filters, in the
// form that they want.
func TestTail(t *testing.T) {
	s := serve(t)
	var views [2]*View
	for i := range views {
		views[i], _ = newView(t, fmt.Sprint("a", i), DefaultConfig(), nil)
		running(t, s, views[i])
	}
	all := read(t, s, Ask{Raw: true}, nil)
	errs := read(t, s, Ask{Raw: true, JSON: true, Filter: "ST>=500"}, nil)
	node := read(t, s, Ask{JSON: true, Filter: "(ST=200) and node=n1"}, nil)
	for _, r := range []*reading{all, errs, node} {
		eventually(t, "both serve", r.serving(2))
	}
	var sent, sentErrs []string
	for i, v := range views {
		raw, e := accesses(100 + i)
		raw += "no line\n"
		v.Offer(message(fmt.Sprint("n", i), 1000, raw))
		sent = append(sent, strings.SplitAfter(raw, "\n")...)
		sentErrs = append(sentErrs, e...)
	}
	sent = slices.DeleteFunc(sent, func(l string) bool { return l == "" })
	for _, c := range []struct {
		r    *reading
		want []string
	}{{all, sent}, {errs, sentErrs}} {
		slices.Sort(c.want)
		eventually(t, "all lines are there", func() bool { return len(c.r.lines()) >= len(c.want) })
		if got := slices.Sorted(slices.Values(c.r.lines())); !slices.Equal(got, c.want) {
			t.Errorf("%d lines, want %d", len(got), len(c.want))
		}
	}
	eventually(t, "the lines of a node are there", func() bool { return len(node.lines()) >= 90 })
	if node.json[0] != fmt.Sprintf("{\"offset\":%d,\"format\":\"httplog\"}\n", 1000+len(access(503, 0))) || node.raw[0] != "" || errs.json[0] == "" || all.json[0] != "" {
		t.Errorf("%q %q, %q, %q", node.json[0], node.raw[0], errs.json[0], all.json[0])
	}
	if r := all.Report(); r.Skipped+r.Unread+r.Lost != 0 || r.Trouble != nil || !slices.Equal(r.Serving, []string{"a0", "a1"}) {
		t.Errorf("%+v", r)
	}
}

// TestMissingFields: a reader hears that no line can have what he asks for, if no
// aggregator knows it.
func TestMissingFields(t *testing.T) {
	s := serve(t)
	v, _ := newView(t, "a", DefaultConfig(), nil)
	running(t, s, v)
	r := read(t, s, Ask{Raw: true, Filter: "req.x-id=1 or ST=200"}, nil)
	eventually(t, "it serves", r.serving(1))
	if got := r.Report().Missing; !slices.Equal(got, []string{"req.x-id"}) {
		t.Errorf("missing %v", got)
	}
}

// TestStalledReader: of the lines for a reader who takes none, as many wait as
// the bounds allow. Once he goes on he gets those, and knows how many he did not
// get. Another reader gets all.
func TestStalledReader(t *testing.T) {
	s := serve(t)
	cfg := DefaultConfig()
	cfg.CPUs, cfg.Queue = 1, 64<<20
	v, reg := newView(t, "a", cfg, nil)
	running(t, s, v)
	hold := make(chan struct{})
	stalled, other := read(t, s, Ask{Raw: true}, hold), read(t, s, Ask{Raw: true, Filter: "ST>=500"}, nil)
	eventually(t, "it serves", func() bool { return stalled.serving(1)() && other.serving(1)() })
	raw, errs := accesses(2000)
	const batches = 20
	for i := range int64(batches) {
		v.Offer(message("n", i*int64(len(raw)), raw))
	}
	eventually(t, "the other one has all", func() bool { return len(other.lines()) == batches*len(errs) })
	v.mu.Lock()
	for _, r := range v.readers {
		if r.bytes > maxPending || r.sent-r.taken > window+maxLines {
			t.Errorf("%d bytes wait, %d are on their way", r.bytes, r.sent-r.taken)
		}
	}
	v.mu.Unlock()
	if reg.Counter("loghaul_tail_lines_total", "skipped").Get() == 0 {
		t.Error("no line was skipped, though nobody takes any")
	}
	if got := len(stalled.lines()); got != 0 {
		t.Errorf("%d lines were taken", got)
	}
	close(hold)
	eventually(t, "every line was taken or counted", func() bool {
		return len(stalled.lines())+int(stalled.Report().Skipped) == batches*2000
	})
	if r := stalled.Report(); r.Unread+r.Lost != 0 || r.Skipped == 0 || other.Report().Skipped != 0 {
		t.Errorf("%+v, other %+v", r, other.Report())
	}
}

// TestNoTimeToLook: with next to no share of a core batches are left out at the
// door, which takes no time, and are counted.
func TestNoTimeToLook(t *testing.T) {
	s := serve(t)
	cfg := DefaultConfig()
	cfg.CPUs, cfg.Queue = 0.0001, 1<<20
	v, reg := newView(t, "a", cfg, nil)
	running(t, s, v)
	r := read(t, s, Ask{Raw: true, Filter: "ST=1"}, nil)
	eventually(t, "it serves", r.serving(1))
	raw, _ := accesses(2000)
	header, payload := message("n", 0, raw)
	n := 0
	for ; reg.Counter("loghaul_tail_lines_total", "unread").Get() == 0; n++ {
		v.Offer(header, payload)
	}
	if queued := v.queued.Load(); queued > int64(cfg.Queue) || n*len(payload) < int(cfg.Queue) {
		t.Errorf("%d bytes wait after %d batches", queued, n)
	}
	eventually(t, "the reader knows", func() bool { return r.Report().Unread >= 2000 })
}

// TestReaderVanishes: who neither repeats his question nor says goodbye is not
// served for longer than his lease, and then costs nothing.
func TestReaderVanishes(t *testing.T) {
	s := serve(t)
	v, reg := newView(t, "a", DefaultConfig(), func(v *View) { v.lease = 300 * time.Millisecond })
	running(t, s, v)
	gone := connected(t, s)
	eventually(t, "it serves", func() bool { // once it has subscribed
		if err := gone.Publish(askSubject+"abc", []byte(`{"v":1,"raw":true}`)); err != nil {
			t.Fatal(err)
		}
		return v.active.Load() == 1
	})
	raw, _ := accesses(10)
	v.Offer(message("n", 0, raw))
	gone.Close()
	eventually(t, "it serves nobody", func() bool { return v.active.Load() == 0 })
	eventually(t, "nothing waits", func() bool { return v.queued.Load() == 0 && len(v.queue) == 0 })
	header, payload := message("n", 0, raw)
	if got := testing.AllocsPerRun(100, func() { v.Offer(header, payload) }); got != 0 || len(v.queue) != 0 {
		t.Errorf("without a reader an offer allocates %v times, %d wait", got, len(v.queue))
	}
	var b strings.Builder
	if err := reg.WritePrometheus(&b); err != nil || !strings.Contains(b.String(), "\nloghaul_tail_readers 0\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestReaderEnds: who says goodbye is served no longer at once.
func TestReaderEnds(t *testing.T) {
	s := serve(t)
	v, _ := newView(t, "a", DefaultConfig(), func(v *View) { v.lease = time.Hour })
	running(t, s, v)
	r := read(t, s, Ask{Raw: true}, nil)
	eventually(t, "it serves", r.serving(1))
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "it serves nobody", func() bool { return v.active.Load() == 0 })
}

// TestRefusals: whoever is not served is told why.
func TestRefusals(t *testing.T) {
	s := serve(t)
	cfg := DefaultConfig()
	cfg.Readers = 1
	v, _ := newView(t, "a", cfg, func(v *View) { v.worker.render = nil })
	running(t, s, v)
	first := read(t, s, Ask{Raw: true}, nil)
	eventually(t, "it serves", first.serving(1))
	nc := connected(t, s)
	for text, want := range map[string]string{
		`{"v":1,"raw":true}`:                   "serves 1 readers already",
		`{"v":1,"raw":true,"filter":"STT>=5"}`: "does not understand the filter",
		`{"v":1,"json":true}`:                  "has only the bytes of lines",
		`{"v":2,"raw":true}`:                   "speaks version 1, the reader 2",
		`raw`:                                  "no question",
		`{"v":1,"x":"` + strings.Repeat("x", maxAsk) + `"}`: "too many",
	} {
		id := "q" + hex.EncodeToString([]byte(want[:5]))
		sub, err := nc.SubscribeSync(linesSubject + id)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish(askSubject+id, []byte(text)); err != nil {
			t.Fatal(err)
		}
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatalf("%.40s: %v", text, err)
		}
		if st, _, err := readMessage(m.Data); err != nil || !strings.Contains(st.Refused, want) {
			t.Errorf("%.40s: refused for %q, want %q, %v", text, st.Refused, want, err)
		}
	}
	second := read(t, s, Ask{Raw: true}, nil)
	eventually(t, "the reader knows", func() bool { return strings.Contains(second.Report().Refused["a"], "already") })
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "there is room", second.serving(1))
}

// TestForeignSubjects: nobody has an aggregator publish anywhere but below
// tail.lines.
func TestForeignSubjects(t *testing.T) {
	s := serve(t)
	v, _ := newView(t, "a", DefaultConfig(), nil)
	running(t, s, v)
	r := read(t, s, Ask{Raw: true}, nil)
	eventually(t, "it serves", r.serving(1))
	nc := connected(t, s)
	heard := atomic.Int32{}
	if _, err := nc.Subscribe(">", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Subject, "tail.") && !strings.HasPrefix(m.Subject, "$") {
			heard.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a-b", strings.Repeat("a", 33), "é"} {
		m := nats.NewMsg(askSubject + id)
		m.Reply, m.Data = "raw.00.n", []byte(`{"v":1,"raw":true}`)
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	raw, _ := accesses(10)
	v.Offer(message("n", 0, raw))
	eventually(t, "lines are there", func() bool { return len(r.lines()) == 10 })
	if n := heard.Load(); n != 0 || v.active.Load() != 1 {
		t.Errorf("%d messages elsewhere, %d readers", n, v.active.Load())
	}
}

// TestStopsAtAnError: the function's error ends reading and comes back.
func TestStopsAtAnError(t *testing.T) {
	s := serve(t)
	v, _ := newView(t, "a", DefaultConfig(), nil)
	running(t, s, v)
	enough, n := errors.New("enough"), 0
	c := NewClient(connected(t, s), Ask{Raw: true})
	done := make(chan error, 1)
	go func() {
		done <- c.Run(t.Context(), func(*Line) error {
			if n++; n == 3 {
				return enough
			}
			return nil
		}, func() error { return nil })
	}()
	eventually(t, "it serves", func() bool { return len(c.Report().Serving) == 1 })
	raw, _ := accesses(10)
	v.Offer(message("n", 0, raw))
	if err := <-done; !errors.Is(err, enough) || n != 3 {
		t.Errorf("%v after %d lines", err, n)
	}
}

func TestConfig(t *testing.T) {
	for text, change := range map[string]func(*Config){
		"readers": func(c *Config) { c.Readers = -1 },
		"cpus":    func(c *Config) { c.CPUs = 1.5 },
		"queue":   func(c *Config) { c.Queue = 1 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c := DefaultConfig()
	c.Readers = 0
	v, err := New(c, Deps{})
	if v != nil || err != nil {
		t.Errorf("%v %v", v, err)
	}
	v.Offer(nil, nil)
	if err := v.Run(t.Context(), broker.DefaultConfig(), broker.Options{}); err != nil {
		t.Error(err)
	}
}

// TestPace: over a second no more than the share is worked.
func TestPace(t *testing.T) {
	for _, share := range []float64{0.01, 0.1, 0.5} {
		p, at, worked := pace{share: share}, time.Unix(0, 0), time.Duration(0)
		for end := at.Add(time.Second); at.Before(end); {
			start := at
			at = at.Add(300 * time.Microsecond)
			worked += 300 * time.Microsecond
			at = at.Add(p.worked(start, at))
		}
		want := time.Duration(share * float64(time.Second))
		if worked > want+2*atOnce || worked < want/2 {
			t.Errorf("a share of %v: %v worked, want %v", share, worked, want)
		}
	}
}
