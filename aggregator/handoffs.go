package aggregator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/loghaul/loghaul/aggregator/consume"
	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/aggregator/window"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

// idleFlush is how long a window waits for another message while somebody
// waits for Flush.
const idleFlush = 50 * time.Millisecond

// batchGroup is a closed window on its way to the archive.
type batchGroup struct {
	// objects usually holds one object; several, if the encoder could not
	// make one of all batches.
	objects []*archive.Object
	// kept are messages that are no batches, as objects of their own.
	kept []*sinks.Group
	// messages are acknowledged when all of that is stored.
	messages []*consume.Message
	// noted is the window as the notary knows it.
	noted *notary.Window
	// offered is the window as the ledger of the index's gaps knows it.
	offered *gapkeeper.Window
}

// fill collects messages until the window is closed. more is false when there
// will be no others. The group is nil when there was nothing.
func (a *Aggregator) fill(ctx context.Context, in <-chan *consume.Message) (_ *batchGroup, more bool) {
	a.window.Reset()
	g := &batchGroup{}
	if m := a.carried; m != nil {
		a.carried = nil
		a.take(g, m)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !a.window.Done() && a.carried == nil {
		timer.Reset(a.patience())
		select {
		case m, ok := <-in:
			if !ok {
				return g.orNil(), false
			}
			a.take(g, m)
		case <-a.wake:
		case <-timer.C:
			if len(g.messages) > 0 {
				return g, true
			}
		case <-ctx.Done():
			return nil, false
		}
	}
	return g.orNil(), true
}

func (g *batchGroup) orNil() *batchGroup {
	if len(g.messages) == 0 {
		return nil
	}
	return g
}

// patience is how long to wait for another message.
func (a *Aggregator) patience() time.Duration {
	end := a.window.Deadline()
	if end.IsZero() {
		return time.Hour
	}
	d := max(time.Until(end), 0)
	if a.hurry.Load() > 0 {
		d = min(d, idleFlush)
	}
	return d
}

// take verifies a message and puts it into the window, or keeps it aside for
// the next one.
func (a *Aggregator) take(g *batchGroup, m *consume.Message) {
	result, err := a.window.Add(m.Header, m.Payload, time.Now())
	switch {
	case err != nil:
		q := quarantine(m, err, a.masker != nil && a.masker.Blanks())
		a.log.Error("a message is no batch; it is stored as it came, below _quarantine/ in the archive: look at its headers for who sent it",
			"error", err, "stream", m.Stream, "sequence", m.Sequence, "subject", m.Subject, "key", q.Key)
		a.count.malformed.Inc()
		a.window.Hold(len(q.Body), time.Now())
		g.kept = append(g.kept, q)
	case result == window.Full:
		a.carried = m
		return
	case result == window.Repeat:
		a.count.duplicates.Inc()
	default:
		a.live.Offer(m.Header, m.Payload)
	}
	a.count.messages.Inc()
	a.count.bytes.Add(len(m.Payload))
	if m.Delivered > 1 {
		a.count.redelivered.Inc()
	}
	m.Header, m.Payload = nil, nil
	g.messages = append(g.messages, m)
	a.count.fill.Store(int64(a.window.Lines()))
}

// store writes everything of a closed window. It returns nil only when all is
// stored. The archive's decorator tries again and again; errors that it lets
// through cannot be cured with these bytes. Ending is the cure then: the
// messages are delivered again and encoded anew.
func (a *Aggregator) store(ctx context.Context, g *batchGroup) error {
	defer g.noted.Close()
	defer g.offered.Close()
	for _, q := range g.kept {
		if err := a.write(ctx, g, q); err != nil {
			return err
		}
	}
	for _, o := range g.objects {
		start := time.Now()
		if o.Lines > 0 {
			g.offered.Storing(o.Key)
		}
		if err := a.write(ctx, g, group(o)); err != nil {
			return err
		}
		a.count.put.Since(start)
		a.count.archived(o)
	}
	return nil
}

// write stores one object and has it noted.
func (a *Aggregator) write(ctx context.Context, g *batchGroup, o *sinks.Group) error {
	g.noted.Storing(o)
	if err := a.archive.Write(ctx, o); err != nil {
		return fmt.Errorf("store %s: %w", o.Key, err)
	}
	g.noted.Stored(o)
	return nil
}

// ack acknowledges a window's messages. Nobody but Run may call it, and only
// after store has returned nil.
func (a *Aggregator) ack(ctx context.Context, s *consume.Source, g *batchGroup) error {
	start := time.Now()
	if err := s.Ack(ctx, g.messages); err != nil {
		return err
	}
	a.count.ack.Since(start)
	return nil
}

// offer hands archived objects to the index, which takes them or not.
func (a *Aggregator) offer(g *batchGroup) {
	if a.deps.Index == nil {
		return
	}
	for _, o := range g.objects {
		if o.Lines == 0 { // nothing but losses
			continue
		}
		if a.deps.Index.Offer(group(o)) {
			a.count.offered.Inc()
		} else {
			a.count.refused.Inc()
		}
	}
}

func group(o *archive.Object) *sinks.Group {
	return &sinks.Group{Key: o.Key, Body: o.Body, SHA256: o.SHA256, Lines: o.Lines, RawBytes: o.RawBytes}
}

// Flush archives everything that the broker holds now, without waiting for
// windows to fill, and returns when nothing is left. Run must be running.
func (a *Aggregator) Flush(ctx context.Context) error {
	a.hurry.Add(1)
	defer a.hurry.Add(-1)
	select {
	case a.wake <- struct{}{}:
	default:
	}
	tick := time.NewTicker(idleFlush)
	defer tick.Stop()
	last := errors.New("not connected to the broker")
	for {
		a.mu.Lock()
		s := a.source
		a.mu.Unlock()
		if s != nil {
			b, err := s.Backlog(ctx)
			switch {
			case err != nil:
				last = err
			case b.Empty() && s.Held() == 0:
				return nil
			default:
				last = fmt.Errorf("%d messages wait and %d are being archived", b.Pending, b.Unacked)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("archive what the broker holds: %w: %w", ctx.Err(), last)
		case <-tick.C:
		}
	}
}
