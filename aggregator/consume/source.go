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

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// MaxBytes is the most that Config.Bytes can be: at three quarters of 64 MiB
// the server starts to stall the connection.
const MaxBytes = 48 << 20

// maxMessages bounds the messages of one pull.
const maxMessages = 512

// The wait before a shard is bound again after an error doubles from the first
// to the last of these.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 10 * time.Second
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
	slots   *semaphore.Weighted
	pull    int64
	wait    time.Duration // how long a pull waits for messages
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
	s.size(0)
	return s, nil
}

// size decides how much one pull asks for, so that all shards can pull at once
// if the largest message allows. If not, they take turns with shorter waits.
func (s *Source) size(maxMessage int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.nc.MaxPayload(); p > 0 && (maxMessage == 0 || p < maxMessage) {
		maxMessage = p
	}
	// The broker counts subjects and headers too.
	least := maxMessage + 64<<10
	pull := max(min(s.cfg.Bytes/int64(s.cfg.Shards), broker.MaxPull), least)
	if pull <= s.pull {
		return
	}
	turns := max(s.cfg.Bytes/pull, 1)
	s.pull, s.wait, s.slots = pull, 10*time.Second, semaphore.NewWeighted(turns)
	if turns < int64(s.cfg.Shards) {
		s.wait = time.Second
	}
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
	s.care.giveBack()
}

// shard serves one shard: bind, pull until something breaks, again.
func (s *Source) shard(ctx, pull context.Context, n int) {
	wait := firstWait
	for pull.Err() == nil {
		b, err := broker.Bind(pull, s.js, n)
		if err == nil {
			s.size(b.MaxMessage)
			s.care.within(b.AckWait)
			s.setBound(n, b.Consumer)
			var any bool
			any, err = s.pulls(ctx, pull, b.Consumer, wire.StreamName(n))
			if any {
				wait = firstWait
			}
		}
		if pull.Err() != nil {
			return
		}
		s.setUnbound(n, err)
		t := time.NewTimer(wait)
		select {
		case <-pull.Done():
		case <-t.C:
		}
		t.Stop()
		wait = min(2*wait, lastWait)
	}
}

// pulls pulls from one consumer until an error, and tells whether any pull
// worked.
func (s *Source) pulls(ctx, pull context.Context, c jetstream.Consumer, stream string) (worked bool, err error) {
	for {
		s.mu.Lock()
		slots, bytes, wait := s.slots, s.pull, s.wait
		s.mu.Unlock()
		if err := slots.Acquire(pull, 1); err != nil {
			return worked, err
		}
		err := s.once(ctx, pull, c, stream, int(bytes), wait)
		slots.Release(1)
		if err != nil {
			return worked, err
		}
		worked = true
	}
}

// once makes one pull, takes each message into care as it arrives, and returns
// when all have been taken from the channel.
func (s *Source) once(ctx, pull context.Context, c jetstream.Consumer, stream string, bytes int, wait time.Duration) error {
	limit, cancel := context.WithTimeout(pull, wait)
	defer cancel()
	// Not FetchBytes: it makes channels for a million messages.
	got, err := c.Fetch(maxMessages, jetstream.FetchMaxBytes(bytes), jetstream.FetchContext(limit), jetstream.FetchHeartbeat(wait/5))
	if err != nil {
		return fmt.Errorf("pull from %s: %w", stream, err)
	}
	in := got.Messages()
	var waiting []*Message
	for in != nil || len(waiting) > 0 {
		var out chan<- *Message
		var next *Message
		if len(waiting) > 0 {
			out, next = s.out, waiting[0]
		}
		select {
		case m, ok := <-in:
			if !ok {
				in = nil
				continue
			}
			waiting = append(waiting, s.take(m, stream))
		case out <- next:
			waiting[0] = nil
			waiting = waiting[1:]
		case <-ctx.Done():
			return ctx.Err() // what waits is given back
		}
	}
	if err := got.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("pull from %s: %w", stream, err)
	}
	return nil
}

// take makes a Message and puts it into care.
func (s *Source) take(m jetstream.Msg, stream string) *Message {
	msg := &Message{Stream: stream, Subject: m.Subject(), Header: m.Headers(), Payload: m.Data(), reply: m.Reply()}
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
