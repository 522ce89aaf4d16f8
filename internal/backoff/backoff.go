// Package backoff spaces attempts at something that fails.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay is the wait after some failures in a row: first after the first of them,
// each time twice as long, at most limit; of that Jitter takes a part. Fewer than
// one failure count as one.
func Delay(first, limit time.Duration, failures int) time.Duration {
	d := first
	for ; failures > 1 && d < limit; failures-- {
		d *= 2
	}
	return Jitter(min(d, limit))
}

// Jitter gives a random time between half of d and d, so that many that wait for
// one server do not come back together.
func Jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// Sleep returns nil after d, or the error of ctx as soon as it has ended.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
