package aggregator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a real broker in process with its streams, and a client to publish.
type rig struct {
	t       *testing.T
	server  *embedded.Server
	dir     string
	nc      *nats.Conn
	js      jetstream.JetStream
	shards  int
	streams broker.Streams
}

func newRig(t *testing.T, shards int, change func(*broker.Streams)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), shards: shards, streams: broker.DefaultStreams()}
	r.streams.MaxBytes = 256 << 20
	if change != nil {
		change(&r.streams)
	}
	r.start()
	r.setup()
	return r
}

func (r *rig) start() {
	r.t.Helper()
	s, err := embedded.Start(r.dir, embedded.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = s
	r.t.Cleanup(s.Stop)
	r.nc, err = broker.Connect(r.t.Context(), broker.DefaultConfig(), broker.Options{Name: "test", InProcess: s})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.nc.Close)
	if r.js, err = jetstream.New(r.nc); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) setup() {
	r.t.Helper()
	rep, err := broker.Setup(r.t.Context(), r.js, broker.SetupConfig{Shards: r.shards, Streams: r.streams})
	if err := errors.Join(err, rep.Err()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) status() broker.Report {
	r.t.Helper()
	rep, err := broker.Status(r.t.Context(), r.js, broker.SetupConfig{Shards: r.shards, Streams: r.streams})
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

// messages counts what the streams hold.
func (r *rig) messages() (n int) {
	r.t.Helper()
	for _, s := range r.status().Shards {
		n += int(s.Messages)
	}
	return n
}

func (r *rig) redelivered() (n int) {
	r.t.Helper()
	for _, s := range r.status().Shards {
		n += s.Redelivered
	}
	return n
}

// batch is one batch of lines as a forwarder makes it.
func batch(node string, from int64, raw string) (wire.Header, []byte) {
	id := sha256.Sum256([]byte(node))
	h := wire.Header{
		Source: wire.Source{ID: hex.EncodeToString(id[:12]), Node: node, Path: "/var/log/haproxy.log"},
		From:   from, To: from + int64(len(raw)),
		Records: wire.CountRecords([]byte(raw)), CRC: wire.Checksum([]byte(raw)),
		ReadAt: time.UnixMilli(1_763_900_000_000),
	}
	var b bytes.Buffer
	w := s2.NewWriter(&b)
	_, _ = w.Write([]byte(raw))
	_ = w.Close()
	return h, b.Bytes()
}

func (r *rig) publish(node string, header map[string][]string, payload []byte) {
	r.t.Helper()
	m := &nats.Msg{Subject: wire.Subject(node, r.shards), Header: header, Data: payload}
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

// sent publishes count batches of each node and gives all lines.
func (r *rig) send(nodes []string, count, linesPerBatch int) []string {
	r.t.Helper()
	var all []string
	for _, node := range nodes {
		var from int64
		for b := range count {
			var raw strings.Builder
			for l := range linesPerBatch {
				line := fmt.Sprintf("%s: batch %d, line %d", node, b, l)
				if l%3 > 0 {
					line = fmt.Sprintf(`10.0.%d.%d:%d [22/Nov/2026:10:11:12.%03d] fe be/%s 0/0/1/2/3 200 %d - - ---- 1/1/0/0/0 0/0 "GET /%d/%d HTTP/1.1"`,
						b%250, l%250, 1024+l, l%1000, node, l, b, l)
				}
				all = append(all, line)
				raw.WriteString(line + "\n")
			}
			h, payload := batch(node, from, raw.String())
			from = h.To
			r.publish(node, h.Encode(), payload)
		}
	}
	slices.Sort(all)
	return all
}

// config closes windows when told, or at 100,000 lines.
func (r *rig) config(name string) aggregator.Config {
	c := aggregator.DefaultConfig()
	c.Name, c.Broker.Shards = name, r.shards
	c.Broker.Delay = broker.Delay{}
	c.Formats = []string{"httplog"}
	c.Window.Age = 200 * time.Millisecond
	return c
}

// running is an aggregator at work.
type running struct {
	*aggregator.Aggregator
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func (r *rig) run(c aggregator.Config, d aggregator.Deps) *running {
	r.t.Helper()
	if d.Broker.InProcess == nil {
		d.Broker.InProcess = r.server
	}
	if d.Retry == (sinks.RetryPolicy{}) {
		d.Retry = sinks.RetryPolicy{First: time.Millisecond, Max: 10 * time.Millisecond, Permanent: 10 * time.Millisecond}
	}
	a, err := aggregator.New(c, d)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.runs(a)
}

// runs runs an aggregator that was made.
func (r *rig) runs(a *aggregator.Aggregator) *running {
	ctx, cancel := context.WithCancel(r.t.Context())
	x := &running{Aggregator: a, t: r.t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		x.err = a.Run(ctx)
	}()
	r.t.Cleanup(x.stop)
	return x
}

// stop ends it as SIGTERM does.
func (x *running) stop() {
	x.cancel()
	<-x.done
	if x.err != nil {
		x.t.Errorf("Run: %v", x.err)
	}
}

// store is a Durable in memory that fails, waits or looks around on request.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	// before is called for each Write; its error is returned.
	before func(context.Context, *sinks.Group) error
}

func (s *store) Write(ctx context.Context, g *sinks.Group) error {
	if s.before != nil {
		if err := s.before(ctx, g); err != nil {
			return err
		}
	}
	if sha256.Sum256(g.Body) != g.SHA256 {
		return sinks.ErrCorrupt
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	if old, ok := s.objects[g.Key]; ok && !bytes.Equal(old, g.Body) {
		return sinks.ErrConflict
	}
	s.objects[g.Key] = bytes.Clone(g.Body)
	return nil
}

func (s *store) keys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []string
	for _, k := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(k, prefix) {
			l = append(l, k)
		}
	}
	return l
}

// lines gives the lines of all objects, once each by identity, and how many
// there were in all.
func (s *store) lines(t *testing.T) (once []string, all int) {
	t.Helper()
	seen := map[string]bool{}
	for _, k := range s.keys("dt=") {
		r, err := archive.Open(bytes.NewReader(s.objects[k]), int64(len(s.objects[k])))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Rows(func(row *archive.Row) error {
			all++
			id := fmt.Sprintf("%s:%d", row.Source.ID, row.Offset)
			if !seen[id] {
				seen[id] = true
				once = append(once, string(row.Raw))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(once)
	return once, all
}

// same fails unless exactly the sent lines are archived, by identity.
func (s *store) same(t *testing.T, sent []string) {
	t.Helper()
	got, _ := s.lines(t)
	sent = slices.Sorted(slices.Values(sent))
	if !slices.Equal(got, sent) {
		t.Errorf("%d lines are archived, %d were sent, or they differ", len(got), len(sent))
	}
}

// index records what is offered.
type index struct {
	mu      sync.Mutex
	keys    []string
	refuse  bool
	offered func(*sinks.Group)
}

func (x *index) Offer(g *sinks.Group) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.keys = append(x.keys, g.Key)
	if x.offered != nil {
		x.offered(g)
	}
	return !x.refuse
}

// cuttable hands out connections that a test can break for good.
type cuttable struct {
	server *embedded.Server
	mu     sync.Mutex
	cut    bool
	conns  []net.Conn
}

func (c *cuttable) InProcessConn() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errors.New("cut by the test")
	}
	nc, err := c.server.InProcessConn()
	c.conns = append(c.conns, nc)
	return nc, err
}

func (c *cuttable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, nc := range c.conns {
		_ = nc.Close()
	}
}

// log is a logger whose text a test can read.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, testenv.Patience, what, ok)
}
