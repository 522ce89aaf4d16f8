package notary

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// troubles spaces attempts after failures, and says once when they begin and
// once when they end.
type troubles struct {
	policy Timing
	log    *slog.Logger
	failed func() // counts

	failures int
	since    time.Time // of the first of them
	next     time.Time
	works    time.Time // since when nothing failed
}

// due reports whether it is time for an attempt.
func (t *troubles) due() bool { return !time.Now().Before(t.next) }

// delay is the wait after the failures so far: a random part of it, between half
// and all.
func (t *troubles) delay() time.Duration {
	d := t.policy.Max
	if shift := max(t.failures-1, 0); shift < 16 {
		d = min(d, t.policy.First<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// result notes how an attempt went.
func (t *troubles) result(ctx context.Context, err error) {
	switch {
	case err != nil && ctx.Err() != nil: // the end is no failure
		return
	case err != nil:
		if t.failures == 0 {
			t.since = time.Now()
			t.log.Error("manifests cannot be written; lines are archived all the same, and listed when it works again", "error", err)
		}
		t.failures++
		t.failed()
		t.next = time.Now().Add(t.delay())
		t.works = time.Time{}
		return
	case t.failures > 0:
		t.log.Info("manifests are written again", "after", time.Since(t.since).Round(time.Millisecond), "failures", t.failures)
		t.failures = 0
	}
	if t.works.IsZero() {
		t.works = time.Now()
	}
}
