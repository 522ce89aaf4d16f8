// Package ship turns the bytes of sources into batches and has them stored by
// JetStream: read and compress in one burst, publish, wait for the broker's
// answer, and only then confirm to the source.
//
// A batch that is refused, or not answered, is sent again as the same bytes
// under the same id, after a wait with jitter, until the broker has it. The
// payload is kept until then, so a source's file may change or vanish
// meanwhile. A source hears of positions in order only: a batch that overtook
// another one is confirmed after that.
//
// A broker that stops answering stops the sending and nothing else: no method
// of a Shipper waits for the network, Stop neither.
//
// A Shipper belongs to one goroutine, except Problem and Stats.
package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// Config says how to ship.
type Config struct {
	// Node is this machine's name.
	Node string
	// Batch bounds the raw bytes of a batch.
	Batch int64
	// MaxMessage bounds a message, headers included, beside the server's
	// max_payload.
	MaxMessage int64
	// Encoding is how payloads are compressed.
	Encoding wire.Encoding
	// InFlight bounds the batches that are not answered yet: at most MaxInFlight.
	InFlight int
	// Payloads bounds the bytes of their payloads, except that one batch is
	// always allowed; 0: no bound.
	Payloads int64
	// AckTimeout is how long an answer may take.
	AckTimeout time.Duration
	// Broker says where to connect.
	Broker broker.Config
}

// MaxInFlight is the most that Config.InFlight can be.
const MaxInFlight = 64

// Back-off: U(0, min(backoffMax, backoffStep·2ⁿ)) before the n-th repetition.
const (
	backoffStep = 250 * time.Millisecond
	backoffMax  = 30 * time.Second
	probeEvery  = 5 * time.Second
	// idleAfter is when buffers are given back.
	idleAfter = 20 * time.Second
	// worthACollection is how many bytes of buffers, given back, are worth a
	// run of the garbage collector.
	worthACollection = 128 << 10
)

// batch is one batch in flight.
type batch struct {
	src     source.Source
	msg     *nats.Msg
	id      uint64
	to      int64
	raw     int64 // 0 for a loss
	lines   int
	tries   int
	waiting bool        // sent, the answer is due at deadline
	busy    atomic.Bool // the sender uses msg
	done    bool        // stored; not confirmed if an earlier one is missing
	first   time.Time
	sent    time.Time // the last try
	due     time.Time // of the answer, or of the next try
	refused int       // answers in a row that repeating will not cure
}

// Shipper has batches stored.
type Shipper struct {
	cfg     Config
	log     *slog.Logger
	link    *link
	stats   Stats
	subject string
	stream  string

	nc      *nats.Conn // nil while disconnected; only the link calls its methods
	payload int64      // the server's max_payload
	prefix  string     // of the answers' subjects
	leave   leaving    // the server is about to stop
	watch   watch
	pack    *packer
	scratch []byte
	free    [][]byte
	flight  []*batch
	nextID  uint64
	rand    func() float64

	hold    time.Time // nothing is sent before that
	fails   int       // failures in a row that concern every batch
	probed  bool      // the stream has answered since the last connect
	probeAt time.Time
	probes  int // the number of the last probe
	used    time.Time
	trouble string          // what is wrong now
	said    map[string]bool // what was logged about it
	problem atomic.Pointer[string]
}

// New makes a Shipper. Start connects it.
func New(cfg Config, o broker.Options, log *slog.Logger) *Shipper {
	if o.Name == "" {
		o.Name = cfg.Node
	}
	if o.Logger == nil {
		o.Logger = log
	}
	s := &Shipper{
		cfg: cfg, log: log, link: newLink(cfg.Broker, o), rand: rand.Float64, said: map[string]bool{},
	}
	s.aim(cfg.Broker.Shards)
	s.stats.latency = func(_, _ time.Duration) {}
	s.setProblem("not connected to the broker yet")
	return s
}

func (s *Shipper) aim(shards int) {
	s.subject = wire.Subject(s.cfg.Node, shards)
	s.stream = wire.StreamName(wire.Shard(s.cfg.Node, shards))
}

// Retarget sends what is cut from now on to the node's shard out of another
// number of them. Batches in flight stay with the stream, and keep the id,
// that they were first sent with: only there is a second copy recognized.
func (s *Shipper) Retarget(shards int, now time.Time) {
	before := s.stream
	if s.aim(shards); s.stream == before {
		return
	}
	s.probed, s.probeAt = false, now
	s.setProblem("the number of shards has changed; waiting for stream " + s.stream + " to answer")
	s.log.Info("batches go to another stream", "stream", s.stream, "before", before, "shards", shards, "in_flight", len(s.flight))
}

// Reconfigure changes how batches are cut and sent from now on. Node and Broker
// stay as they were, except for the number of shards.
func (s *Shipper) Reconfigure(cfg Config, now time.Time) {
	if cfg.Encoding != s.cfg.Encoding {
		s.pack = nil // prepare makes one
	}
	cfg.Node = s.cfg.Node
	s.Retarget(cfg.Broker.Shards, now)
	s.cfg = cfg
}

// Start begins to connect and does not wait. ctx ends the attempts.
func (s *Shipper) Start(ctx context.Context) { s.link.start(ctx) }

// Stop closes the connection. Batches in flight are given up; their sources
// were not told.
func (s *Shipper) Stop() { s.link.stop() }

// Events is received from when the broker has something to say; Handle takes it.
func (s *Shipper) Events() <-chan Event { return s.link.events }

// Ready says whether a batch may be added now.
func (s *Shipper) Ready(now time.Time) bool {
	return s.nc != nil && s.probed && s.leave == staying && s.room() && s.fails == 0 && !now.Before(s.hold)
}

// room says whether another batch may be in flight. How well it will compress
// is not known, so the largest one so far counts.
func (s *Shipper) room() bool {
	if len(s.flight) == 0 || s.cfg.Payloads == 0 {
		return len(s.flight) < s.cfg.InFlight
	}
	var sum, largest int64
	for _, b := range s.flight {
		if b.msg != nil {
			n := int64(cap(b.msg.Data))
			sum, largest = sum+n, max(largest, n)
		}
	}
	return len(s.flight) < s.cfg.InFlight && sum+largest <= s.cfg.Payloads
}

// InFlight is the number of batches that are not confirmed.
func (s *Shipper) InFlight() int { return len(s.flight) }

// Ship cuts the next batch of src and sends it. It says whether there was one.
// Call it only when Ready.
func (s *Shipper) Ship(src source.Source, now time.Time) (bool, error) {
	if err := s.prepare(); err != nil {
		return false, err
	}
	s.used = now
	limit := int(min(s.payload, s.cfg.MaxMessage)) - headerRoom(src) // headers count too
	if limit < 4*framing {
		return false, fmt.Errorf("messages of %d bytes at most are too small for a batch: raise the broker's max_payload", s.payload)
	}
	s.pack.begin(s.buffer(), limit)
	run, err := src.Read(s.scratch[:min(len(s.scratch), limit/2)], s.cfg.Batch, s.pack)
	payload, records, packErr := s.pack.finish()
	if run.Empty() || packErr != nil {
		s.recycle(payload)
		return false, errors.Join(err, packErr)
	}
	h := wire.Header{
		Source: src.Name(), // reading may have found out more
		From:   run.From, To: run.To, Records: records, CRC: s.pack.crc,
		Encoding: s.cfg.Encoding, ReadAt: now, Labels: src.Labels(), Rest: run.Continued, Lost: run.Lost,
	}
	s.nextID++
	b := &batch{src: src, id: s.nextID, to: run.To, raw: run.To - run.From, lines: records, first: now}
	if run.Lost != "" {
		s.recycle(payload)
		payload = nil
		h.Records, h.CRC, h.Encoding = int(run.LostLines), 0, wire.Plain
		b.raw, b.lines = 0, 0
	}
	b.msg = message(&h, s.subject, s.stream, payload)
	s.flight = append(s.flight, b)
	s.stats.Batches.Add(1)
	s.stats.SentBytes.Add(int64(len(payload)))
	s.stats.InFlightBytes.Add(b.raw)
	s.stats.InFlightLines.Add(int64(b.lines))
	s.stats.InFlight.Store(int64(len(s.flight)))
	s.send(b, now)
	return true, err
}

// headerRoom bounds the headers of a batch: what is escaped takes three bytes.
func headerRoom(src source.Source) int {
	name, n := src.Name(), 1024
	n += 3 * (len(name.Path) + len(name.Node))
	for _, l := range src.Labels() {
		n += len(l.Key) + 3*len(l.Value) + 2
	}
	return n
}

func (s *Shipper) prepare() error {
	if s.pack != nil {
		return nil
	}
	p, err := newPacker(s.cfg.Encoding)
	if err != nil {
		return err
	}
	s.pack, s.scratch = p, make([]byte, min(chunk, max(s.cfg.Batch, 4<<10)))
	return nil
}

func (s *Shipper) buffer() []byte {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return nil
}

func (s *Shipper) recycle(b []byte) {
	if cap(b) > 0 && len(s.free) <= s.cfg.InFlight {
		s.free = append(s.free, b[:0])
	}
}

// send hands a batch to the connection.
func (s *Shipper) send(b *batch, now time.Time) {
	if s.nc == nil || b.busy.Load() {
		b.waiting, b.due = false, now.Add(backoffStep)
		return
	}
	b.tries++
	// The sender may still hold the message of an earlier try.
	m := *b.msg
	m.Reply = s.prefix + "." + strconv.FormatUint(b.id, 36) + "." + strconv.Itoa(b.tries)
	b.busy.Store(true)
	select {
	case s.link.jobs <- job{conn: s.nc, msg: &m, id: b.id, try: b.tries, busy: &b.busy}:
		b.waiting, b.sent, b.due = true, now, now.Add(s.cfg.AckTimeout)
		s.watch.handed(len(b.msg.Data), now)
	default:
		b.busy.Store(false)
		b.waiting, b.due = false, now.Add(backoffStep)
	}
}

// confirm marks a batch as stored and tells sources what is complete. try is
// the time that the last try took, negative if another one was answered.
func (s *Shipper) confirm(b *batch, try time.Duration, now time.Time) {
	b.done, b.waiting = true, false
	s.stats.InFlightBytes.Add(-b.raw)
	s.stats.InFlightLines.Add(-int64(b.lines))
	s.stats.latency(now.Sub(b.first), try)
	s.watch.acked(now.Sub(b.first))
	if !b.busy.Load() {
		s.recycle(b.msg.Data)
	}
	b.msg = nil
	missing := map[source.Source]bool{}
	left := s.flight[:0]
	for _, f := range s.flight {
		if f.done && !missing[f.src] {
			f.src.Confirm(f.to)
			continue
		}
		missing[f.src] = true
		left = append(left, f)
	}
	clear(s.flight[len(left):])
	s.flight = left
	s.stats.InFlight.Store(int64(len(s.flight)))
}
