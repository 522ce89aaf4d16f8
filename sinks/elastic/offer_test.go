package elastic

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
)

// TestOffersTakeNoTime runs a Sink for an hour whose server accepts no
// connection and does not refuse one either. In a bubble the clock only goes on
// when every goroutine waits: offers that took any time waited for something.
func TestOffersTakeNoTime(t *testing.T) {
	g := group(t, 1, lines(10))
	// What lies in pools now belongs to the bubble, and nobody else may use it:
	// two collections empty them.
	defer func() { runtime.GC(); runtime.GC() }()
	synctest.Test(t, func(t *testing.T) {
		c := DefaultConfig()
		c.URL, c.Template, c.Queue = "http://192.0.2.1:9200", false, 1<<20
		reg := metrics.New(Metrics()...)
		var settled, missing atomic.Int64
		s, err := New(c, Deps{
			Logger: slog.New(slog.DiscardHandler), Metrics: reg,
			Gap:     func(g Gap) { missing.Add(int64(g.Lines)) },
			Settled: func(string) { settled.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		var requests atomic.Int64
		s.client.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			requests.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		offered := int64(0)
		for range 360 {
			start := time.Now()
			for range 50 {
				s.Offer(g)
				offered++
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("50 offers took %v", d)
			}
			if size := s.queue.size(); size > int64(c.Queue) {
				t.Fatalf("the queue holds %d bytes, its limit is %d", size, c.Queue)
			}
			<-time.After(10 * time.Second)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// Each takes its 30 s to fail, and the next one follows within 30 s more.
		if n := requests.Load(); n < 40 || n > 90 {
			t.Errorf("%d requests in an hour, want one every minute or so", n)
		}
		if settled.Load() != offered || missing.Load() != 10*offered {
			t.Errorf("%d groups of %d are settled, %d lines of %d told as missing", settled.Load(), offered, missing.Load(), 10*offered)
		}
	})
}
