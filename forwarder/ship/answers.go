package ship

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

// Reasons why a batch is sent again. They are the values of a metric's label.
const (
	ReasonFull         = "stream_full"   // 503: the stream is at its limit
	ReasonBusy         = "busy"          // 429, or any other 5xx: the broker cannot keep up or has no leader
	ReasonNoStream     = "no_responders" // nothing takes the subject
	ReasonTimeout      = "timeout"       // no answer
	ReasonDisconnected = "disconnected"
	ReasonRefused      = "refused" // 4xx: repeating alone will not cure it
)

// Reasons lists them all.
func Reasons() []string {
	return []string{ReasonFull, ReasonBusy, ReasonNoStream, ReasonTimeout, ReasonDisconnected, ReasonRefused}
}

// Stats counts. It may be read by anybody at any time.
type Stats struct {
	// Batches counts batches cut; SentBytes the bytes of their payloads, each
	// batch once.
	Batches, SentBytes atomic.Int64
	// InFlight, InFlightBytes and InFlightLines are what is not answered yet,
	// in raw bytes.
	InFlight, InFlightBytes, InFlightLines atomic.Int64
	// Duplicates counts batches that the broker had already.
	Duplicates atomic.Int64
	// Connected is 1 while the connection stands.
	Connected atomic.Int64

	full, busy, noStream, timeout, disconnected, refused atomic.Int64

	lameDuck, narrow, retransmits atomic.Int64

	tcp atomic.Pointer[broker.TCPInfo]

	latency func(total, try time.Duration)
}

// Stats gives the counters.
func (s *Shipper) Stats() *Stats { return &s.stats }

// OnAck has fn called for each batch with the time between its first publish
// and the answer that it is stored, and with the part of that which the last
// try took, negative if the answer was to an earlier one. Call it before Start.
func (s *Shipper) OnAck(fn func(total, try time.Duration)) { s.stats.latency = fn }

// Retries counts the repetitions for a reason.
func (st *Stats) Retries(reason string) *atomic.Int64 {
	switch reason {
	case ReasonFull:
		return &st.full
	case ReasonBusy:
		return &st.busy
	case ReasonNoStream:
		return &st.noStream
	case ReasonTimeout:
		return &st.timeout
	case ReasonDisconnected:
		return &st.disconnected
	}
	return &st.refused
}

// Problem says why nothing can be shipped, or nil. It may be called by anybody.
func (s *Shipper) Problem() error {
	if p := s.problem.Load(); p != nil {
		return errors.New(*p)
	}
	return nil
}

func (s *Shipper) setProblem(text string) { s.problem.Store(&text) }

// Handle takes an event of Events.
func (s *Shipper) Handle(e Event, now time.Time) {
	switch e.kind {
	case connected:
		s.connected(e, now)
	case disconnected:
		s.disconnected(now)
	case denied:
		s.fail(fmt.Errorf("this user may not publish to %s, or not listen to its answers: "+
			"grant publish %s and subscribe to its inbox: %w", s.subject, s.subject, e.err))
	case lameDuck:
		s.told(e)
	case ended:
		s.fail(e.err)
	case sendFailed:
		if b := s.find(e.batch); b != nil && b.tries == e.attempt && !b.done {
			s.again(b, ReasonDisconnected, now)
		} else if e.batch == 0 {
			s.probeAt = now.Add(s.backoff(s.fails))
		}
	case answered:
		if e.batch == 0 {
			if e.attempt == s.probes { // not an older one, about another stream
				s.probeAnswered(e.err, now)
			}
			return
		}
		s.answered(e, now)
	}
}

func (s *Shipper) connected(e Event, now time.Time) {
	s.nc, s.prefix, s.payload, s.leave = e.conn, e.prefix, e.payload, staying
	s.watch.begin(now)
	s.stats.Connected.Store(1)
	// A whole fleet comes back at once: spread what follows.
	s.hold = now.Add(time.Duration(s.rand() * float64(backoffStep)))
	s.probed, s.probeAt, s.fails = false, s.hold, 0
	for _, b := range s.flight {
		if !b.done {
			b.waiting, b.due = false, s.hold
		}
	}
	s.setProblem("connected, and waiting for stream " + s.stream + " to answer")
}

func (s *Shipper) disconnected(now time.Time) {
	if s.nc == nil {
		return
	}
	s.nc, s.leave = nil, staying
	s.stats.Connected.Store(0)
	s.stats.tcp.Store(nil)
	s.probed = false
	for _, b := range s.flight {
		if b.waiting {
			b.waiting, b.due = false, now
			s.stats.Retries(ReasonDisconnected).Add(1)
		}
	}
	s.setProblem("the connection to the broker is lost")
}

// fail logs what keeps batches from being stored, once, and makes it the
// answer to whoever asks.
func (s *Shipper) fail(err error) {
	text := err.Error()
	s.setProblem(text)
	if !s.said[text] && len(s.said) < 20 {
		s.said[text] = true
		s.log.Error("batches can't be stored; trying until they are", "stream", s.stream, "why", text)
	}
	s.trouble = text
}

func (s *Shipper) recovered() {
	s.fails = 0
	if s.leave != staying {
		return // what was in flight is answered; nothing more is sent
	}
	for _, b := range s.flight {
		if b.refused > 0 && !b.done {
			return // the others are stored, this one still waits
		}
	}
	if s.trouble != "" {
		s.log.Info("batches are stored again", "stream", s.stream)
		s.trouble = ""
		clear(s.said)
	}
	s.problem.Store(nil)
}

func (s *Shipper) find(id uint64) *batch {
	for _, b := range s.flight {
		if b.id == id {
			return b
		}
	}
	return nil
}

func (s *Shipper) answered(e Event, now time.Time) {
	b := s.find(e.batch)
	if b == nil || b.done {
		return // answered twice
	}
	if e.err == nil { // to whichever try: it is stored
		if e.dup {
			s.stats.Duplicates.Add(1)
		}
		try := time.Duration(-1)
		if e.attempt == b.tries {
			try = now.Sub(b.sent)
		}
		s.confirm(b, try, now)
		s.recovered()
		return
	}
	if e.attempt != b.tries {
		return // an old answer to a batch that was sent again meanwhile
	}
	var r *refusal
	switch {
	case errors.Is(e.err, errNoStream):
		if s.leave == staying { // a server that is about to stop has no streams any more
			s.missing()
		}
		s.again(b, ReasonNoStream, now)
	case errors.As(e.err, &r) && r.Code == 503:
		s.fail(fmt.Errorf("stream %s takes no more (%w): the aggregators are behind or its max_bytes is too small", s.stream, r))
		s.again(b, ReasonFull, now)
	case errors.As(e.err, &r) && (r.Code == 429 || r.Code >= 500):
		if s.fails > 3 {
			s.fail(fmt.Errorf("stream %s can't keep up: %w", s.stream, r))
		}
		s.again(b, ReasonBusy, now)
	default:
		s.fail(fmt.Errorf("stream %s refuses a batch of %s: %w: nothing of it is lost, but it waits until the stream takes it",
			s.stream, b.src.Name().Path, e.err))
		s.again(b, ReasonRefused, now)
	}
}

func (s *Shipper) missing() {
	s.fail(fmt.Errorf("stream %s is missing, or has no leader: run `loghaul broker setup --config FILE`", s.stream))
}

func (s *Shipper) probeAnswered(err error, now time.Time) {
	s.probeAt = now.Add(probeEvery)
	switch {
	case err == nil || answersProbe(err):
		s.probed = true
		s.recovered()
	case errors.Is(err, errNoStream):
		s.missing()
	default:
		s.fail(fmt.Errorf("stream %s does not answer as it should: %w", s.stream, err))
	}
}

// backoff draws the wait before the n-th repetition.
func (s *Shipper) backoff(n int) time.Duration {
	window := backoffMax
	if n < 8 {
		window = min(window, backoffStep<<n)
	}
	return 10*time.Millisecond + time.Duration(s.rand()*float64(window))
}

// again schedules the next try of a batch.
func (s *Shipper) again(b *batch, reason string, now time.Time) {
	b.waiting = false
	s.stats.Retries(reason).Add(1)
	if reason == ReasonRefused { // concerns this batch only
		b.refused++
		b.due = now.Add(s.backoff(b.refused + 2))
		return
	}
	wait := s.backoff(s.fails)
	s.fails++
	s.hold = now.Add(wait)
	b.due = s.hold
}

// Tick does what is due: timeouts, moving to another server, the probe,
// repetitions.
func (s *Shipper) Tick(now time.Time) {
	for _, b := range s.flight {
		if b.waiting && !now.Before(b.due) {
			if b.busy.Load() {
				b.due = now.Add(s.cfg.AckTimeout) // not even sent: the connection blocks
				s.fail(errors.New("the broker has stopped reading from the connection"))
				continue
			}
			if s.fails > 0 && s.trouble == "" {
				s.fail(fmt.Errorf("stream %s does not answer within %v", s.stream, s.cfg.AckTimeout))
			}
			s.again(b, ReasonTimeout, now)
			s.watch.hurry(now)
		}
	}
	if s.nc == nil || s.move(now) {
		return
	}
	if !s.probed && !now.Before(s.probeAt) {
		s.probeAt = now.Add(probeEvery)
		s.probes++
		m := probe(s.subject, s.prefix+".0."+strconv.Itoa(s.probes))
		select {
		case s.link.jobs <- job{conn: s.nc, msg: m, busy: new(atomic.Bool)}:
		default:
		}
	}
	if !s.probed || now.Before(s.hold) {
		return
	}
	for _, b := range s.flight {
		if b.waiting && s.fails > 0 {
			break // one at a time until one is taken
		}
		if !b.done && !b.waiting && !now.Before(b.due) {
			s.send(b, now)
		}
	}
}

// NextTick says when to call Tick at the latest; zero for not at all.
func (s *Shipper) NextTick(now time.Time) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	waiting := false
	for _, b := range s.flight {
		if b.waiting {
			waiting = true
			sooner(b.due)
		}
	}
	if s.nc == nil || s.leave != staying {
		return at
	}
	if !s.probed {
		sooner(s.probeAt)
		return at
	}
	for _, b := range s.flight {
		if !b.done && !b.waiting && (s.fails == 0 || !waiting) {
			if b.due.Before(s.hold) {
				sooner(s.hold)
			} else {
				sooner(b.due)
			}
		}
	}
	if s.hold.After(now) {
		sooner(s.hold) // Ready changes then
	}
	if s.pack != nil && len(s.flight) == 0 {
		sooner(s.used.Add(idleAfter))
	}
	return at
}

// Relax gives buffers back after a quiet time.
func (s *Shipper) Relax(now time.Time) {
	if s.pack == nil || len(s.flight) > 0 || now.Before(s.used.Add(idleAfter)) {
		return
	}
	held := len(s.scratch)
	for _, b := range s.free {
		held += cap(b)
	}
	s.pack, s.scratch, s.free = nil, nil, nil
	if held >= worthACollection {
		debug.FreeOSMemory()
	}
}
