package gapkeeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// bucket is the archive of a test, a real folder, in which a process can lose its
// way to the ledger.
type bucket struct {
	objectstore.Store
	t      *testing.T
	ledger *gaps.Ledger
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	s, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &bucket{s, t, gaps.New(backfill.LedgerStore{Store: s}, "logs-haproxy.log-test")}
}

func (b *bucket) survey() *gaps.Survey {
	b.t.Helper()
	s, err := b.ledger.Survey(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// entries gives all that the ledger says.
func (b *bucket) entries() (all []gaps.Entry) {
	b.t.Helper()
	for _, f := range b.survey().Files {
		e, err := b.ledger.Read(b.t.Context(), f)
		if errors.Is(err, gaps.ErrGone) {
			return b.entries()
		}
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, e...)
	}
	return all
}

// archive stores an object of n lines.
func (b *bucket) archive(writer string, sealed time.Time, n int) *sinks.Group {
	b.t.Helper()
	raw := strings.Repeat("no request\n", n)
	g := archivetest.Group(b.t, archive.Options{Formats: archivetest.Formats(b.t, "httplog"), Writer: writer}, sealed, archive.Batch{Raw: []byte(raw), Header: wire.Header{
		Source: wire.Source{ID: fmt.Sprintf("%024x", sealed.UnixNano()), Node: "web-1", Path: "/var/log/haproxy.log"},
		To:     int64(len(raw)), Records: n, ReadAt: sealed,
	}})
	if err := b.Write(b.t.Context(), g); err != nil {
		b.t.Fatal(err)
	}
	return g
}

// way is a process's way to the ledger, which can be closed.
type way struct {
	gaps.Store
	mu           sync.Mutex
	puts, delets error
	files        error // of gap files alone
}

func (w *way) set(puts, deletes error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts, w.delets = puts, deletes
}

func (w *way) Put(ctx context.Context, key string, body []byte) error {
	w.mu.Lock()
	err := w.puts
	if err == nil && strings.HasSuffix(key, ".zst") {
		err = w.files
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.Store.Put(ctx, key, body)
}

func (w *way) Delete(ctx context.Context, key string) error {
	w.mu.Lock()
	err := w.delets
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.Store.Delete(ctx, key)
}

// process is a Keeper at work.
type process struct {
	*gapkeeper.Keeper
	t    *testing.T
	way  *way
	log  bytes.Buffer // to be read when it is over
	reg  *metrics.Registry
	stop func()
}

func (b *bucket) start(name string) *process {
	b.t.Helper()
	p := &process{t: b.t, way: &way{Store: backfill.LedgerStore{Store: b.Store}}, reg: metrics.New(gapkeeper.Metrics()...)}
	p.Keeper = gapkeeper.New(gapkeeper.Deps{
		Ledger: gaps.New(p.way, b.ledger.Stream()), Name: name, Logger: slog.New(slog.NewTextHandler(&p.log, nil)), Metrics: p.reg,
		Timing: gapkeeper.Timing{
			Flush: 20 * time.Millisecond, Beat: 30 * time.Millisecond, Look: 40 * time.Millisecond, Dead: 700 * time.Millisecond,
			First: 5 * time.Millisecond, Max: 20 * time.Millisecond,
		},
	})
	p.Start(b.t.Context())
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	p.stop = sync.OnceFunc(func() { cancel(); <-done })
	b.t.Cleanup(p.stop)
	return p
}

// kill ends it as SIGKILL does: nothing is written any more.
func (p *process) kill() {
	p.way.set(errors.New("killed"), errors.New("killed"))
	p.stop()
}

// finish ends it as SIGTERM does.
func (p *process) finish() {
	p.stop()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	p.Finish(ctx)
}

// offer tells of an object that is archived and offered.
func (p *process) offer(g *sinks.Group, sealed time.Time) {
	w := p.Open(sealed)
	w.Storing(g.Key)
	w.Close()
}

func (p *process) drop(g *sinks.Group, reason string) {
	p.Gap(gaps.Gap{Key: g.Key, Rows: gaps.Span{First: 0, Last: g.Lines - 1}, Lines: g.Lines, Reason: reason})
	p.Settled(g.Key)
}

func (p *process) eventually(what string, ok func() bool) {
	p.t.Helper()
	testenv.Eventually(p.t, patience, what, ok)
}

// TestDropsAreWritten: within seconds, in few files, and the end leaves no heartbeat.
func TestDropsAreWritten(t *testing.T) {
	b := newBucket(t)
	p := b.start("agg-1")
	now := time.Now()
	lines := 0
	for i := range 40 {
		g := b.archive("agg-1", now.Add(time.Duration(i)*time.Millisecond), i+1)
		p.offer(g, now)
		p.drop(g, "queue_full")
		lines += i + 1
		p.eventually("gaps to be written", func() bool { s := b.survey(); return i%4 > 0 || s.Lines == int64(lines) })
	}
	p.eventually("merged files", func() bool { return len(b.survey().Files) < 12 })
	if all, refused := p.Lines(); all != int64(lines) || refused != 0 {
		t.Errorf("%d lines, %d rejected; want %d", all, refused, lines)
	}
	p.finish()
	s := b.survey()
	if s.Lines != int64(lines) || len(s.Beats) != 0 || len(s.Foreign) != 0 {
		t.Errorf("%+v, want %d lines and no heartbeat", s, lines)
	}
	if n := len(b.entries()); n != 40 {
		t.Errorf("%d entries, want one for each object", n)
	}
}

// TestKilledLosesNoGap: what a killed process had archived and not settled, or knew
// to be missing and had not written, is in the ledger after its next start, or when
// another one notices.
func TestKilledLosesNoGap(t *testing.T) {
	for _, by := range []string{"agg-1", "agg-2"} {
		t.Run(by, func(t *testing.T) {
			b := newBucket(t)
			p := b.start("agg-1")
			other := b.start("agg-3") // lives, and looks
			start := time.Now()
			ago := func(minutes int) time.Time { return start.Add(-time.Duration(minutes) * time.Minute) }
			settled := b.archive("agg-1", ago(50), 5)
			p.offer(settled, ago(50))
			p.Settled(settled.Key)
			queued := b.archive("agg-1", ago(20), 7) // long in the queue
			if by == "agg-1" {
				p.offer(queued, ago(20))
			}
			unwritten := b.archive("agg-1", ago(10), 3)
			p.way.mu.Lock()
			p.way.files = errors.New("no gap files")
			p.way.mu.Unlock()
			p.offer(unwritten, ago(10))
			p.drop(unwritten, "queue_full")
			told := time.Now()
			p.eventually("a heartbeat that knows of that", func() bool {
				for _, x := range b.survey().Beats {
					if x.Writer == "agg-1" && x.At.After(told) {
						return true
					}
				}
				return false
			})
			p.way.set(errors.New("cut off"), errors.New("cut off"))
			dropped := b.archive("agg-1", start.Add(2*time.Millisecond), 11)
			p.offer(dropped, start)
			p.drop(dropped, "unreachable")
			last := b.archive("agg-1", time.Now(), 13)
			p.offer(last, time.Now())
			p.kill()
			// A machine that is busy makes others take it for dead earlier, which does
			// no harm.
			if by == "agg-1" {
				b.start(by)
			}
			missing := []*sinks.Group{unwritten, dropped, last}
			if by == "agg-1" {
				missing = append(missing, queued)
			}
			for _, g := range missing {
				other.eventually("a gap that covers "+g.Key, func() bool { return covers(t, b.entries(), g.Key) })
			}
			if covers(t, b.entries(), settled.Key) {
				t.Errorf("%s was settled long before", settled.Key)
			}
			if covers(t, b.entries(), settled.Key) {
				t.Errorf("%s was settled long before", settled.Key)
			}
		})
	}
}

// covers reports whether entries say that an object is missing.
func covers(t *testing.T, entries []gaps.Entry, key string) bool {
	t.Helper()
	k, err := archive.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ms := k.Sealed.UnixMilli()
	for _, e := range entries {
		if e.Key == key || e.Key == "" && e.From <= ms && ms < e.To {
			return true
		}
	}
	return false
}

// TestLedgerThatCannotBeWritten: it is said once, with what to do; gaps wait in
// memory, and are written when it works again. Without the right to delete nothing
// piles up.
func TestLedgerThatCannotBeWritten(t *testing.T) {
	b := newBucket(t)
	p := b.start("agg-1")
	denied := errors.New("access denied")
	p.way.set(denied, nil)
	now := time.Now()
	lines := 0
	for i := range 20 {
		g := b.archive("agg-1", now.Add(time.Duration(i)*time.Millisecond), 3)
		p.offer(g, now)
		p.drop(g, "queue_full")
		lines += 3
	}
	p.eventually("failures", func() bool { return b.failures(p) > 3 })
	if all, _ := p.Lines(); all != int64(lines) || b.survey().Lines != 0 {
		t.Errorf("%d lines wait, %d are written; want %d and none", all, b.survey().Lines, lines)
	}
	p.way.set(nil, denied)
	p.eventually("gaps to be written", func() bool { return b.survey().Lines == int64(lines) })
	before := b.failures(p)
	p.eventually("more failures", func() bool { return b.failures(p) > before+10 })
	if s := b.survey(); len(s.Beats) > 2 || len(s.Files) > 3 {
		t.Errorf("%d heartbeats and %d files have piled up", len(s.Beats), len(s.Files))
	}
	p.way.set(nil, nil)
	p.eventually("one heartbeat", func() bool { return len(b.survey().Beats) == 1 })
	p.finish()
	if n := strings.Count(p.log.String(), "cannot be kept"); n < 1 || n > 3 || !strings.Contains(p.log.String(), "deploy/s3/writer-policy.json") {
		t.Errorf("said %d times:\n%s", n, &p.log)
	}
	if s := b.survey(); s.Lines != int64(lines) || len(s.Beats) > 0 {
		t.Errorf("%+v", s)
	}
}

// failures reads the metric.
func (b *bucket) failures(p *process) (n int) {
	b.t.Helper()
	var text bytes.Buffer
	if err := p.reg.WritePrometheus(&text); err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Sscanf(line, "loghaul_index_ledger_failures_total %d", &n); err == nil {
			return n
		}
	}
	b.t.Fatal("no metric")
	return 0
}

// TestUnsettledAtTheEnd: what the index said nothing about until the end is a gap if
// it is there.
func TestUnsettledAtTheEnd(t *testing.T) {
	b := newBucket(t)
	p := b.start("agg-1")
	now := time.Now()
	g := b.archive("agg-1", now, 9)
	p.offer(g, now)
	p.finish()
	if !covers(t, b.entries(), g.Key) || len(b.survey().Beats) != 0 {
		t.Errorf("%+v, %+v", b.entries(), b.survey().Beats)
	}
}

// TestWithoutIndex: a Keeper that is nil does nothing.
func TestWithoutIndex(t *testing.T) {
	var k *gapkeeper.Keeper
	k.Start(t.Context())
	w := k.Open(time.Now())
	w.Storing("key")
	w.Close()
	k.Gap(gaps.Gap{})
	k.Settled("key")
	k.Look()
	k.Run(t.Context())
	k.Finish(t.Context())
}
