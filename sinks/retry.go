package sinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/metrics"
)

// RetryPolicy says how long Retry waits between attempts.
type RetryPolicy struct {
	// First and Max bound the waits after failures, see backoff.Delay.
	First, Max time.Duration
	// Permanent is the wait after an error that wraps ErrPermanent. An
	// operator may well make the missing bucket while a daemon holds lines
	// that are safe upstream, so a daemon keeps trying, slowly, and says that
	// it is not ready. Zero returns such an error at once, for a command that
	// a person waits for.
	Permanent time.Duration
}

// DefaultRetryPolicy is for daemons: half a second to ten.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{First: 500 * time.Millisecond, Max: 10 * time.Second, Permanent: 30 * time.Second}
}

// delay is the wait after the given number of failures in a row, at least 1.
func (p RetryPolicy) delay(failures int, permanent bool) time.Duration {
	if permanent {
		return backoff.Jitter(p.Permanent)
	}
	return backoff.Delay(p.First, p.Max, failures)
}

// Metric names of Retry.
const (
	metricWriteFailures = "loghaul_archive_write_failures_total"
	metricFailing       = "loghaul_archive_failing"
)

// Metrics describes what Retry counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{
			Name: metricWriteFailures, Kind: metrics.KindCounter, Labels: []string{"kind"},
			Help: "Failed attempts to store an object in the archive: temporary, operator (nothing works until somebody changes something), conflict (the key holds other content), corrupt.",
		},
		{
			Name: metricFailing, Kind: metrics.KindGauge,
			Help: "1 while an object waits for another attempt to store it in the archive, else 0.",
		},
	}
}

// Retrying is a Durable that tries again. It is safe for concurrent use.
type Retrying struct {
	next   Durable
	policy RetryPolicy
	log    *slog.Logger
	failed map[string]*metrics.Counter

	mu sync.Mutex
	// failing holds the last error of each group that is being tried again. A
	// failure period lasts while it is not empty: one group may fail for good,
	// for a prefix that is closed to this credential, while others succeed.
	failing  map[string]error
	said     map[bool]bool // by whether an operator is needed, in this period
	since    time.Time
	failures int
}

// Retry decorates d: Write tries until d stores the group, ctx ends, or d
// returns ErrConflict or ErrCorrupt, or ErrPermanent when the policy says so.
// The start and the end of a failure period are logged once each. reg must
// hold Metrics.
func Retry(d Durable, p RetryPolicy, log *slog.Logger, reg *metrics.Registry) *Retrying {
	r := &Retrying{next: d, policy: p, log: log, failed: map[string]*metrics.Counter{}, failing: map[string]error{}}
	for _, kind := range []string{"temporary", "operator", "conflict", "corrupt"} {
		r.failed[kind] = reg.Counter(metricWriteFailures, kind)
	}
	reg.Gauge(metricFailing, func() float64 {
		if r.Err() != nil {
			return 1
		}
		return 0
	})
	return r
}

// Err is a failure while a failure period lasts, one that needs an operator if
// there is one, and nil otherwise: a daemon is ready when it is nil.
func (r *Retrying) Err() (worst error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range r.failing {
		if worst == nil || errors.Is(err, ErrPermanent) {
			worst = err
		}
	}
	return worst
}

// Write stores g, see Retry. When ctx ends first the error wraps the
// context's error and the last failure.
func (r *Retrying) Write(ctx context.Context, g *Group) error {
	for failures := 1; ; failures++ {
		err := r.next.Write(ctx, g)
		kind := kindOf(err)
		if kind != "" && ctx.Err() == nil {
			r.failed[kind].Inc()
		}
		switch {
		case err == nil || kind == "conflict" || kind == "corrupt":
			r.ends(g, true)
			return err
		case ctx.Err() != nil:
			r.ends(g, false)
			return fmt.Errorf("storing %s was given up: %w; last failure: %w", g.Key, ctx.Err(), err)
		}
		r.fails(g, err)
		permanent := kind == "operator"
		if permanent && r.policy.Permanent == 0 {
			r.ends(g, false)
			return err
		}
		if end := backoff.Sleep(ctx, r.policy.delay(failures, permanent)); end != nil {
			r.ends(g, false)
			return fmt.Errorf("storing %s was given up: %w; last failure: %w", g.Key, end, err)
		}
	}
}

// fails notes a failure. In a failure period the first is logged, and the first
// that changes who has to act.
func (r *Retrying) fails(g *Group, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failing) == 0 {
		r.since, r.failures, r.said = time.Now(), 0, map[bool]bool{}
	}
	r.failures++
	r.failing[g.Key] = err
	operator := errors.Is(err, ErrPermanent)
	if !r.said[operator] {
		r.said[operator] = true
		r.log.Error("the archive does not store objects; lines wait upstream until it does",
			"error", err, "key", g.Key, "operator", operator)
	}
}

// ends takes a group off those that fail; done says that the store has answered
// for it. The last one ends the period.
func (r *Retrying) ends(g *Group, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing[g.Key] == nil {
		return
	}
	delete(r.failing, g.Key)
	if done && len(r.failing) == 0 {
		r.log.Info("the archive stores objects again", "after", time.Since(r.since).Round(time.Millisecond), "failures", r.failures)
	}
}

func kindOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, ErrCorrupt):
		return "corrupt"
	case errors.Is(err, ErrPermanent):
		return "operator"
	}
	return "temporary"
}
