package backoff

import (
	"context"
	"errors"
	"time"
)

// Attempts spaces attempts at one thing, and tells once when failures begin and
// once when they end. It belongs to one goroutine.
type Attempts struct {
	// First and Max bound the waits after failures, see Delay.
	First, Max time.Duration
	// Failed is told of each failure; begins says that the attempt before was none.
	Failed func(err error, begins bool)
	// Succeeded is told of the success that ends failures, how long after the first
	// of them it came, to the millisecond, and how many there were.
	Succeeded func(after time.Duration, failures int)

	failures int
	since    time.Time // of the first of them
	next     time.Time
	works    time.Time
}

// Due reports whether it is time for an attempt.
func (a *Attempts) Due() bool { return !time.Now().Before(a.next) }

// Delay is the wait after the failures so far.
func (a *Attempts) Delay() time.Duration { return Delay(a.First, a.Max, a.failures) }

// Works gives the time of the first success since the last failure; zero if there
// was none.
func (a *Attempts) Works() time.Time { return a.works }

// Result notes how an attempt went. An error after ctx was cancelled is no
// failure: it is the end.
func (a *Attempts) Result(ctx context.Context, err error) {
	now := time.Now()
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		if a.failures == 0 {
			a.since = now
		}
		a.failures++
		a.works, a.next = time.Time{}, now.Add(a.Delay())
		a.Failed(err, a.failures == 1)
	default:
		if a.failures > 0 {
			a.Succeeded(now.Sub(a.since).Round(time.Millisecond), a.failures)
			a.failures, a.next = 0, time.Time{}
		}
		if a.works.IsZero() {
			a.works = now
		}
	}
}
