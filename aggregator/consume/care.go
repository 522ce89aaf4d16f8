package consume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/backoff"
)

// What a consumer can say about a message, to its reply subject.
const (
	sayAck        = "+ACK"
	sayInProgress = "+WPI"
	sayNak        = "-NAK"
)

// defaultAckWait is used until a consumer was bound.
const defaultAckWait = 90 * time.Second

// flushTimeout bounds one wait for the broker to have got the acks.
const flushTimeout = 10 * time.Second

// care keeps the messages that were delivered and not acknowledged.
type care struct {
	nc *nats.Conn

	mu      sync.Mutex
	held    map[*Message]struct{}
	ackWait time.Duration
	shorter chan struct{} // ackWait has changed
}

func newCare(nc *nats.Conn) *care {
	return &care{nc: nc, held: map[*Message]struct{}{}, ackWait: defaultAckWait, shorter: make(chan struct{}, 1)}
}

func (c *care) add(m *Message) {
	c.mu.Lock()
	c.held[m] = struct{}{}
	c.mu.Unlock()
}

func (c *care) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// within shortens the interval to what a consumer allows.
func (c *care) within(ackWait time.Duration) {
	c.mu.Lock()
	changed := ackWait > 0 && ackWait < c.ackWait
	if changed {
		c.ackWait = ackWait
	}
	c.mu.Unlock()
	if changed {
		select {
		case c.shorter <- struct{}{}:
		default:
		}
	}
}

func (c *care) interval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ackWait / 3
}

// run tells the broker in time that the held messages are being worked on.
// While disconnected there is nobody to tell: the broker then delivers again,
// and the repeats are recognized.
func (c *care) run(ctx context.Context) {
	t := time.NewTimer(c.interval())
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.shorter:
		case <-t.C:
			_ = c.say(sayInProgress, c.all()) // the next round tries again
		}
		t.Reset(c.interval())
	}
}

func (c *care) all() []*Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := make([]*Message, 0, len(c.held))
	for m := range c.held {
		l = append(l, m)
	}
	return l
}

func (c *care) say(what string, msgs []*Message) error {
	for _, m := range msgs {
		if err := c.nc.Publish(m.reply, []byte(what)); err != nil {
			return err
		}
	}
	return nil
}

// ack acknowledges and waits for the broker's answer to a ping behind the
// acks. Repeating an ack is harmless, so after an error all are sent again.
func (c *care) ack(ctx context.Context, msgs []*Message) error {
	for wait := firstWait; ; wait = min(2*wait, time.Second) {
		err := c.say(sayAck, msgs)
		if err == nil {
			err = c.flush(ctx)
		}
		if err == nil {
			c.mu.Lock()
			for _, m := range msgs {
				delete(c.held, m)
			}
			c.mu.Unlock()
			return nil
		}
		if end := backoff.Sleep(ctx, wait); end != nil {
			return fmt.Errorf("acknowledge %d messages: %w; last failure: %w", len(msgs), end, err)
		}
	}
}

func (c *care) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return c.nc.FlushWithContext(ctx)
}

// giveBack makes the broker deliver what is still held to somebody else, now,
// and tells how many messages that were.
func (c *care) giveBack() int {
	msgs := c.all()
	if len(msgs) == 0 {
		return 0
	}
	if c.say(sayNak, msgs) == nil {
		_ = c.flush(context.Background()) // else they come after AckWait
	}
	c.mu.Lock()
	clear(c.held)
	c.mu.Unlock()
	return len(msgs)
}
