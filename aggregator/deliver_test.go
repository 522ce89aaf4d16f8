package aggregator_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/sinks"
)

// TestSlowConnectionToTheStore: the first window is stuck in the store. Two
// others are stored meanwhile, no more; nothing is acknowledged before the first
// one is, nor offered, and then all in order.
func TestSlowConnectionToTheStore(t *testing.T) {
	r := newRig(t, 1, func(s *broker.Streams) { s.AckWait = time.Second })
	sent := r.send([]string{"a"}, 10, 10)
	var writes atomic.Int32
	first, others := make(chan struct{}), make(chan struct{})
	wait := func(ctx context.Context, c chan struct{}) error {
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s := &store{before: func(ctx context.Context, g *sinks.Group) error {
		switch n := writes.Add(1); {
		case isFirstWindow(g): // not always the first to be written
			return wait(ctx, first)
		case n > 3:
			return wait(ctx, others)
		}
		return nil
	}}
	x := &index{}
	c := r.config("a1")
	c.Window.Lines, c.Window.Age, c.DrainTimeout = 20, time.Hour, time.Second
	run := r.run(c, aggregator.Deps{Archive: s, Index: x})
	eventually(t, "two others are stored", func() bool { return len(s.keys("dt=")) == 2 })
	// Whether the last two were fetched ahead depends on how they came.
	eventually(t, "the next ones wait", func() bool { return run.Status().InFlight >= 8 })
	if n := writes.Load(); n != 3 || r.messages() != 10 {
		t.Errorf("%d windows are being stored, %d of 10 messages are left", n, r.messages())
	}
	x.mu.Lock()
	if len(x.keys) > 0 {
		t.Errorf("%v were offered before the first window", x.keys)
	}
	x.mu.Unlock()
	close(first)
	eventually(t, "the first three are acknowledged", func() bool { return r.messages() == 4 })
	close(others)
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, sent)
	for i := 1; i < len(x.keys); i++ {
		if x.keys[i-1] > x.keys[i] {
			t.Errorf("offered out of order: %v", x.keys)
		}
	}
	if n := r.redelivered(); n > 0 || len(x.keys) != 5 {
		t.Errorf("%d messages were delivered again, %d windows were offered", n, len(x.keys))
	}
}

// isFirstWindow reports whether an object has the beginning of the source.
func isFirstWindow(g *sinks.Group) bool {
	r, err := archive.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
	return err == nil && len(r.Meta().Ranges) > 0 && r.Meta().Ranges[0].From == 0
}
