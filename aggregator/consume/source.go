package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// MaxBytes is the most that Config.Bytes can be: at three quarters of 64 MiB
// the server starts to stall the connection.
const MaxBytes = 48 << 20

// The wait before a shard is bound again after an error doubles from the first
// to the last of these; if an operator must make a stream, to the longest.
const (
	firstWait   = 50 * time.Millisecond
	lastWait    = time.Second
	longestWait = 10 * time.Second
)

// Config of a Source.
type Config struct {
	// Shards is the number of shard streams; the Source pulls from each.
	Shards int
	// Bytes bounds what is pulled over all shards and not yet taken, at most
	// MaxBytes. It must hold the largest message.
	Bytes int64
}

// Source pulls messages from all shards. Its methods are safe for concurrent
// use, unless they say otherwise.
type Source struct {
	cfg  Config
	nc   *nats.Conn
	js   jetstream.JetStream
	log  *slog.Logger
	out  chan *Message
	care *care

	mu      sync.Mutex
	unbound map[int]error // why a shard is not bound
	bound   map[int]jetstream.Consumer
	turns   turns
}

// turns says how shards pull: how many at a time, how much, and for how long.
type turns struct {
	maxMessage int64 // the largest of the shards bound so far
	slots      *semaphore.Weighted
	bytes      int
	wait       time.Duration
}

// New makes a Source on a connection that it does not own.
func New(nc *nats.Conn, cfg Config, log *slog.Logger) (*Source, error) {
	if cfg.Shards < 1 || cfg.Shards > wire.MaxShards {
		return nil, fmt.Errorf("%d shards: want 1 to %d", cfg.Shards, wire.MaxShards)
	}
	if cfg.Bytes < 1 || cfg.Bytes > MaxBytes {
		return nil, fmt.Errorf("%d bytes to pull: want 1 to %d", cfg.Bytes, MaxBytes)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	s := &Source{
		cfg: cfg, nc: nc, js: js, log: log,
		out:     make(chan *Message),
		care:    newCare(nc),
		unbound: map[int]error{},
		bound:   map[int]jetstream.Consumer{},
	}
	for n := range cfg.Shards {
		s.unbound[n] = errors.New("not bound yet")
	}
	return s, nil
}

// pulling decides how shards pull, given the largest message of one of them:
// all at once if what may be fetched ahead allows, else in turns.
func (s *Source) pulling(maxMessage int64) turns {
	if p := s.nc.MaxPayload(); p > 0 && (maxMessage == 0 || p < maxMessage) {
		maxMessage = p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns.slots != nil && maxMessage <= s.turns.maxMessage {
		return s.turns
	}
	// The broker counts subjects and headers too, and delivers nothing if the
	// next message does not fit.
	bytes := max(min(s.cfg.Bytes/int64(s.cfg.Shards), broker.MaxPull), maxMessage+64<<10)
	n := max(s.cfg.Bytes/bytes, 1)
	s.turns = turns{maxMessage: maxMessage, slots: semaphore.NewWeighted(n), bytes: int(bytes), wait: longPull}
	if n < int64(s.cfg.Shards) {
		s.turns.wait = shortPull
	}
	return s.turns
}

// Messages is where delivered messages come out. It is closed when pulling has
// ended and everything that was delivered has been taken.
func (s *Source) Messages() <-chan *Message { return s.out }

// Run pulls until pull ends, and looks after what was delivered until ctx
// ends. It may be called once. What is not acknowledged then is given back to
// the broker for immediate delivery to another aggregator.
func (s *Source) Run(ctx, pull context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.care.run(ctx) })
	var shards sync.WaitGroup
	for n := range s.cfg.Shards {
		shards.Go(func() { s.shard(ctx, pull, n) })
	}
	shards.Wait()
	close(s.out)
	all.Wait()
	if n := s.care.giveBack(); n > 0 {
		s.log.Warn("not everything was archived before the end; the broker delivers it again", "messages", n)
	}
}

// shard serves one shard: bind, pull until something breaks, again.
func (s *Source) shard(ctx, pull context.Context, n int) {
	wait := firstWait
	for pull.Err() == nil {
		b, err := broker.Bind(pull, s.js, n)
		if err == nil {
			s.care.within(b.AckWait)
			s.setBound(n, b.Consumer)
			wait = firstWait
			err = s.pulls(ctx, pull, b, wire.StreamName(n))
		}
		if pull.Err() != nil {
			return
		}
		s.setUnbound(n, err)
		_ = backoff.Sleep(pull, wait) // the loop sees the end
		last := lastWait
		if errors.Is(err, broker.ErrMissing) {
			last = longestWait
		}
		wait = min(2*wait, last)
	}
}

// take makes a Message and puts it into care.
func (s *Source) take(m *nats.Msg, stream string) *Message {
	msg := &Message{Stream: stream, Subject: m.Subject, Header: m.Header, Payload: m.Data, reply: m.Reply}
	if meta, err := m.Metadata(); err == nil {
		msg.Sequence, msg.Delivered = meta.Sequence.Stream, meta.NumDelivered
	}
	s.care.add(msg)
	return msg
}

func (s *Source) setBound(n int, c jetstream.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unbound[n] != nil {
		s.log.Debug("bound to a shard", "stream", wire.StreamName(n))
	}
	delete(s.unbound, n)
	s.bound[n] = c
}

// setUnbound notes and logs, when it has changed, why a shard is not served.
func (s *Source) setUnbound(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A lost connection is logged once, where it is made, not for each shard.
	if last := s.unbound[n]; s.nc.IsConnected() && (last == nil || last.Error() != err.Error()) {
		s.log.Warn("a shard is not served; trying until it is", "stream", wire.StreamName(n), "error", err)
	}
	s.unbound[n] = err
}

// Ready is nil when every shard is bound, else it says why one is not.
func (s *Source) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.cfg.Shards {
		if err := s.unbound[n]; err != nil {
			return fmt.Errorf("shard %s: %w", wire.StreamName(n), err)
		}
	}
	return nil
}

// Bound counts the shards that are served.
func (s *Source) Bound() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Shards - len(s.unbound)
}

// Held counts the messages that were delivered and not acknowledged.
func (s *Source) Held() int { return s.care.count() }

// Ack acknowledges messages that are archived, and returns when the broker has
// got that. It tries until ctx ends; then the messages will be delivered again.
func (s *Source) Ack(ctx context.Context, msgs []*Message) error { return s.care.ack(ctx, msgs) }

// Backlog asks the broker what is not archived yet, over all shards.
func (s *Source) Backlog(ctx context.Context) (Backlog, error) {
	var sum Backlog
	if err := s.Ready(); err != nil {
		return sum, err
	}
	for n := range s.cfg.Shards {
		s.mu.Lock()
		c := s.bound[n]
		s.mu.Unlock()
		info, err := c.Info(ctx)
		if err != nil {
			return sum, fmt.Errorf("ask for the backlog of %s: %w", wire.StreamName(n), err)
		}
		sum.Pending += info.NumPending
		sum.Unacked += info.NumAckPending
	}
	return sum, nil
}
