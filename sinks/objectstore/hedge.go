package objectstore

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

const metricHedged = "loghaul_archive_hedged_writes_total"

// Metrics describes what a store counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{{
		Name: metricHedged, Kind: metrics.KindCounter,
		Help: "Second attempts to store an object, over a new connection, because the first had stood still for far longer than is usual.",
	}}
}

const (
	// minPatience is the least time that a first attempt is given.
	minPatience = time.Second
	// latencySize is the size whose transfer takes about as long as an answer
	// takes to come: what makes the times of small and large objects comparable.
	latencySize = 256 << 10
	// experience is how many durations are remembered, and enough how many are
	// needed before they count.
	experience, enough = 16, 4
)

// hedge runs attempt, and once more over a fresh connection if the first makes
// no progress for longer than usual. Two attempts at once are harmless: writes
// are create-only, and one that finds its own object has succeeded. The first
// success counts. When hedge returns no attempt runs any more.
func (b *bucket) hedge(ctx context.Context, size int, attempt func(context.Context, *exchange, *atomic.Int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	var sent atomic.Int64
	results := make(chan error, 2)
	try := func(fresh bool) {
		all.Go(func() {
			start := time.Now()
			err := attempt(ctx, &exchange{fresh: fresh}, &sent)
			if err == nil {
				b.pace.took(size, time.Since(start))
			}
			results <- err
		})
	}
	try(false)
	running, hedged, seen := 1, false, int64(0)
	patience := b.pace.patience(size, b.limit(size))
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var first error
	for {
		select {
		case err := <-results:
			running--
			if err == nil || errors.Is(err, sinks.ErrConflict) {
				return err
			}
			if first == nil {
				first = err
			}
			if running == 0 {
				return first
			}
		case <-timer.C:
			if now := sent.Load(); now != seen { // slow, but alive
				seen = now
				timer.Reset(patience)
				continue
			}
			if !hedged {
				hedged = true
				b.hedged.Inc()
				b.wire.CloseIdleConnections() // they go the same way
				running++
				try(true)
			}
		}
	}
}

// pace remembers how long the last writes took. It is safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	last [experience]struct {
		size int
		took time.Duration
	}
	n int
}

func (p *pace) took(size int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[p.n%experience].size, p.last[p.n%experience].took = size, d
	p.n++
}

// patience is how long a write of size bytes may stand still: three times the
// slowest of the last ones, for its size. It is at most half of limit, so that
// a second attempt has as much.
func (p *pace) patience(size int, limit time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < enough {
		return limit / 4
	}
	slowest := 0.0
	for _, l := range p.last[:min(p.n, experience)] {
		scale := max(1, float64(size+latencySize)/float64(l.size+latencySize))
		slowest = max(slowest, l.took.Seconds()*scale)
	}
	d := time.Duration(3 * slowest * float64(time.Second))
	return min(max(d, minPatience), limit/2)
}

// counted counts the bytes that are taken from a body.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

// Read follows io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
