package gapkeeper

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// troubles spaces attempts after failures, and says once when they begin and once
// when they end.
type troubles struct {
	timing Timing
	log    *slog.Logger
	failed func() // counts

	failures int
	since    time.Time // of the first of them
	next     time.Time
}

func (t *troubles) due() bool { return !time.Now().Before(t.next) }

// delay is the wait after the failures so far: a random part of it, between half
// and all.
func (t *troubles) delay() time.Duration {
	d := t.timing.Max
	if shift := max(t.failures-1, 0); shift < 16 {
		d = min(d, t.timing.First<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// result notes how an attempt went.
func (t *troubles) result(ctx context.Context, err error) {
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled): // the end is no failure
		return
	case err != nil:
		if t.failures == 0 {
			t.since = time.Now()
			t.log.Error("the gap ledger cannot be kept; lines are archived and indexed all the same, and what the index lacks waits in memory: "+
				"the archive's credential has to be able to store and to delete below _gaps/ (deploy/s3/writer-policy.json)", "error", err)
		}
		t.failures++
		t.failed()
		t.next = time.Now().Add(t.delay())
	case t.failures > 0:
		t.log.Info("the gap ledger is kept again", "after", time.Since(t.since).Round(time.Millisecond), "failures", t.failures)
		t.failures, t.next = 0, time.Time{}
	}
}
