package ship

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lineLen is the length of every line of a stream.
const lineLen = 64

// stream is a source whose bytes follow from their offset. It outlives the
// Shippers that read it, as a file does.
type stream struct {
	id        string
	node      string
	written   atomic.Int64 // bytes that may be read
	confirmed atomic.Int64
	pos       int64
}

func (s *stream) write(lines int) { s.written.Add(int64(lines) * lineLen) }

func (s *stream) Name() wire.Source   { return wire.Source{ID: s.id, Node: s.node, Path: "/stream"} }
func (s *stream) Labels() wire.Labels { return nil }
func (s *stream) Confirm(to int64)    { s.confirmed.Store(to) }

func (s *stream) Read(_ []byte, limit int64, sink source.Sink) (source.Run, error) {
	from := s.pos
	for s.pos < s.written.Load() && s.pos-from+lineLen <= limit && sink.Room() >= lineLen {
		sink.Add(line(s.pos))
		s.pos += lineLen
	}
	return source.Run{From: from, To: s.pos}, nil
}

func line(off int64) []byte { return fmt.Appendf(nil, "%-*d\n", lineLen-1, off/lineLen) }

// rig runs a Shipper over one stream as a Forwarder does.
type rig struct {
	t     *testing.T
	s     *Shipper
	src   *stream
	log   testenv.Log
	calls chan func(now time.Time)
	stop  func() // like a crash: nothing is drained
}

func testConfig(node string, shards int, urls ...string) Config {
	c := Config{
		Node: node, Batch: 4 << 10, MaxMessage: 1 << 20, Encoding: wire.Plain, InFlight: 4,
		AckTimeout: 2 * time.Second, Broker: broker.DefaultConfig(),
	}
	c.Broker.Servers, c.Broker.Shards = urls, shards
	c.Broker.Delay = broker.Delay{First: 200 * time.Millisecond, Step: 50 * time.Millisecond, Max: 200 * time.Millisecond}
	return c
}

func newStream(node string) *stream {
	return &stream{id: "0123456789abcdef01234567", node: node}
}

// start begins where the stream is confirmed. change may be nil.
func start(t *testing.T, cfg Config, src *stream, change func(*Shipper)) *rig {
	t.Helper()
	r := &rig{t: t, src: src, calls: make(chan func(time.Time))}
	src.pos = src.confirmed.Load()
	r.s = New(cfg, broker.Options{}, r.log.Logger())
	if change != nil {
		change(r.s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.s.Start(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.loop(ctx)
		r.s.Stop()
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", cfg.Node, r.log.String())
		}
	})
	return r
}

func (r *rig) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		r.s.Tick(now)
		for r.s.Ready(now) && r.src.pos < r.src.written.Load() {
			if _, err := r.s.Ship(r.src, now); err != nil {
				r.t.Error(err)
				return
			}
		}
		wait := 5 * time.Millisecond // the stream grows without a word
		if at := r.s.NextTick(now); !at.IsZero() {
			wait = max(0, min(wait, at.Sub(now)))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case e := <-r.s.Events():
			r.s.Handle(e, time.Now())
		case fn := <-r.calls:
			fn(time.Now())
		case <-timer.C:
		}
	}
}

// do runs fn where the Shipper may be touched.
func (r *rig) do(fn func(now time.Time)) {
	done := make(chan struct{})
	r.calls <- func(now time.Time) { fn(now); close(done) }
	<-done
}

// awaitAll waits until the stream is confirmed to its end.
func (r *rig) awaitAll() {
	r.t.Helper()
	testenv.Eventually(r.t, testenv.Patience, "all lines are stored", func() bool { return r.src.confirmed.Load() == r.src.written.Load() })
}

// server gives the URL of the server that is connected.
func (r *rig) server() (url string) {
	r.do(func(time.Time) {
		if r.s.nc != nil {
			url = r.s.nc.ConnectedUrl()
		}
	})
	return url
}

// admin runs fn with a JetStream context.
func admin(t *testing.T, fn func(ctx context.Context, js jetstream.JetStream), urls ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	c := broker.DefaultConfig()
	c.Servers, c.Delay = urls, broker.Delay{Step: 50 * time.Millisecond, Max: 200 * time.Millisecond}
	nc, err := broker.Connect(ctx, c, broker.Options{Name: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	fn(ctx, js)
}

func setUp(t *testing.T, shards, replicas int, urls ...string) {
	t.Helper()
	admin(t, func(ctx context.Context, js jetstream.JetStream) {
		st := broker.DefaultStreams()
		st.MaxBytes, st.Replicas = 64<<20, replicas
		if r, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: shards, Streams: st}); err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
	}, urls...)
}

// stored is what the streams hold of one source.
type stored struct {
	messages map[string]int      // by shard
	ids      map[string]int      // how often each message id is there
	lines    map[int64]int       // by number: how often
	nodes    map[string]struct{} // of the headers
}

// read checks every message of all streams.
func read(t *testing.T, shards int, urls ...string) stored {
	t.Helper()
	st := stored{map[string]int{}, map[string]int{}, map[int64]int{}, map[string]struct{}{}}
	admin(t, func(ctx context.Context, js jetstream.JetStream) {
		for i := range shards {
			s, err := js.Stream(ctx, wire.StreamName(i))
			if err != nil {
				t.Fatal(err)
			}
			info := s.CachedInfo().State
			for seq := info.FirstSeq; seq <= info.LastSeq && info.Msgs > 0; seq++ {
				m, err := s.GetMsg(ctx, seq)
				if err != nil {
					t.Fatal(err)
				}
				h, err := wire.DecodeHeader(m.Header)
				if err != nil {
					t.Fatal(err)
				}
				st.messages[wire.StreamName(i)]++
				st.ids[h.Source.ID+h.MsgID()]++
				st.nodes[h.Source.Node] = struct{}{}
				off := h.From
				for l := range bytes.Lines(m.Data) {
					if !bytes.Equal(l, line(off)) {
						t.Fatalf("at %d of %s: %q", off, m.Subject, l)
					}
					st.lines[off/lineLen]++
					off += int64(len(l))
				}
				if off != h.To {
					t.Fatalf("a batch of %d to %d ends at %d", h.From, h.To, off)
				}
			}
		}
	}, urls...)
	return st
}

// exactly wants the lines 0 to n-1, each once, and each message once.
func (st stored) exactly(t *testing.T, n int) {
	t.Helper()
	st.all(t, n)
	for id, k := range st.ids {
		if k > 1 {
			t.Errorf("message %s is stored %d times", id, k)
		}
	}
	for i, k := range st.lines {
		if k > 1 {
			t.Fatalf("line %d is stored %d times", i, k)
		}
	}
}

// all wants the lines 0 to n-1.
func (st stored) all(t *testing.T, n int) {
	t.Helper()
	if len(st.lines) != n {
		t.Errorf("%d lines are stored, want %d", len(st.lines), n)
	}
	for i := range int64(n) {
		if st.lines[i] == 0 {
			t.Fatalf("line %d is lost", i)
		}
	}
}
