package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// maxMessages bounds the messages of one pull.
const maxMessages = 512

// A pull waits so long for messages. When shards must take turns, one that has
// nothing must not keep its place for long. The broker says every heartbeat
// that the pull is still known.
const (
	longPull      = 10 * time.Second
	shortPull     = 500 * time.Millisecond
	pullHeartbeat = 3 * time.Second
	silence       = 2*pullHeartbeat + time.Second
)

var (
	errSilent      = errors.New("the broker has gone silent")
	errReconnected = errors.New("the connection was made again")
)

// puller pulls from the consumer of one shard. It has one subscription for all
// its pulls: a message that comes late, after its pull was given up, is taken
// all the same. The pulls of jetstream.Consumer unsubscribe at their end, and
// what comes later is lost until the consumer's AckWait is over; and a pull by
// bytes makes channels for a million messages there.
type puller struct {
	s       *Source
	stream  string
	sub     *nats.Subscription
	in      chan *nats.Msg
	state   chan nats.Status
	waiting []*Message // delivered, in care, not taken yet
}

// pulls pulls from one consumer until an error, or until pull ends and what
// was delivered has been taken.
func (s *Source) pulls(ctx, pull context.Context, b broker.Binding, stream string) error {
	// One pull's messages, as many of a late one, and the broker's remarks.
	p := &puller{s: s, stream: stream, in: make(chan *nats.Msg, 2*maxMessages+64)}
	var err error
	if p.sub, err = s.nc.ChanSubscribe(s.nc.NewInbox(), p.in); err != nil {
		return fmt.Errorf("subscribe for %s: %w", stream, err)
	}
	p.state = s.nc.StatusChanged(nats.CONNECTED)
	defer s.nc.RemoveStatusListener(p.state)
	for err == nil {
		t := s.pulling(b.MaxMessage)
		if err = t.slots.Acquire(pull, 1); err != nil {
			break
		}
		err = p.pull(ctx, pull, t)
		t.slots.Release(1)
	}
	// Whatever ended it: what the broker has sent already counts as delivered.
	p.unsubscribe(ctx)
	if handErr := p.hand(ctx, nil, time.Time{}); handErr != nil {
		return handErr
	}
	return fmt.Errorf("pull from %s: %w", stream, err)
}

// pull makes one pull and returns when it is over and its messages are taken.
func (p *puller) pull(ctx, pull context.Context, t turns) error {
	request := struct {
		Expires   time.Duration `json:"expires"`
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
	}{Expires: t.wait, Batch: maxMessages, MaxBytes: t.bytes}
	quiet := t.wait + 5*time.Second
	if t.wait > 2*pullHeartbeat {
		request.Heartbeat, quiet = pullHeartbeat, silence
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	to := "$JS.API.CONSUMER.MSG.NEXT." + p.stream + "." + wire.ConsumerName
	if err := p.s.nc.PublishRequest(to, p.sub.Subject, body); err != nil {
		return err
	}
	return p.hand(ctx, pull.Done(), time.Now().Add(quiet))
}

// hand takes messages as they are delivered and hands them on. It returns when
// the pull is over, for which a nil stop stands, and nothing is waiting.
func (p *puller) hand(ctx context.Context, stop <-chan struct{}, quiet time.Time) (err error) {
	over := stop == nil
	left := maxMessages
	timer := time.NewTimer(time.Until(quiet))
	defer timer.Stop()
	every := time.Until(quiet)
	for !over || len(p.waiting) > 0 || over && len(p.in) > 0 {
		var out chan<- *Message
		var next *Message
		if len(p.waiting) > 0 {
			out, next = p.s.out, p.waiting[0]
		}
		silent := timer.C
		if over {
			silent = nil
		}
		select {
		case m := <-p.in:
			timer.Reset(every)
			if isMessage(m) {
				p.waiting = append(p.waiting, p.s.take(m, p.stream))
				left--
				over = over || left == 0
				continue
			}
			ended, statusErr := remark(m, left < maxMessages)
			if !over {
				over, err = ended, statusErr
			}
		case out <- next:
			p.waiting[0] = nil
			p.waiting = p.waiting[1:]
		case <-silent:
			over, err = true, errSilent
		case <-p.state:
			over, err = true, errReconnected
		case <-stop:
			over, stop = true, nil
		case <-ctx.Done():
			return ctx.Err() // what waits is given back
		}
	}
	return err
}

// unsubscribe stops deliveries, and returns when those that were on their way
// have arrived.
func (p *puller) unsubscribe(ctx context.Context) {
	if p.sub.Drain() != nil {
		return // the connection is gone
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	_ = p.s.nc.FlushWithContext(ctx) // else some come again after AckWait
}

// isMessage tells a message of the stream from what the broker has to say
// about the pull, whatever headers the message has.
func isMessage(m *nats.Msg) bool { return strings.HasPrefix(m.Reply, "$JS.ACK.") }

// remark reads what the broker says about a pull. some tells whether the pull
// has brought a message.
func remark(m *nats.Msg, some bool) (ended bool, err error) {
	code, text := m.Header.Get("Status"), m.Header.Get("Description")
	switch {
	case code == "100": // heartbeat
		return false, nil
	case code == "404", code == "408": // no messages, time is over
		return true, nil
	case code == "409" && strings.EqualFold(text, "Batch Completed"):
		return true, nil
	case code == "409" && strings.EqualFold(text, "Message Size Exceeds MaxBytes"):
		if some {
			return true, nil
		}
		return true, errors.New("a message is larger than the stream's limit was when we bound to it")
	case code == "503":
		return true, nats.ErrNoResponders
	}
	return true, fmt.Errorf("the broker ended the pull: %s %s", code, text)
}
