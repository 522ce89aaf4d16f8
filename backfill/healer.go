package backfill

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/metrics"
)

const metricFailures = "loghaul_index_heal_failures_total"

// Metrics describes what a Healer counts. What it indexes the index itself counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{Name: metricFailures, Kind: metrics.KindCounter, Labels: []string{"kind"}, Help: "Rounds of healing the index that ended early: index (it takes nothing, or pushes back), archive (the ledger or an object could not be read or written)."},
		{Name: "loghaul_index_expired_gap_lines_total", Kind: metrics.KindCounter, Help: "Lines that the index lacked and whose objects have left the archive meanwhile."},
		{Name: "loghaul_index_damaged_gap_files_total", Kind: metrics.KindCounter, Help: "Files of the gap ledger that could not be read; everything that their aggregators had archived in their hours was indexed in place of what they said."},
	}
}

// HealerTiming says when a Healer does what.
type HealerTiming struct {
	// Every is how often gaps are looked for, Max the longest pause after rounds
	// that came to nothing.
	Every, Max time.Duration
	// Rejected is how often documents are tried again that the index refused.
	Rejected time.Duration
	// Others is how old a gap file has to be for others than its aggregator to heal
	// it.
	Others time.Duration
	// Settle is Options.Settle.
	Settle time.Duration
}

// DefaultHealerTiming is right outside of tests.
func DefaultHealerTiming() HealerTiming {
	return HealerTiming{Every: 15 * time.Second, Max: 30 * time.Second, Rejected: time.Hour, Others: 10 * time.Minute, Settle: 2 * time.Minute}
}

// HealerDeps are what a Healer works with.
type HealerDeps struct {
	// Options without Want, Settle, Warn and Progress, which are set here.
	Options
	// Name is the aggregator's, whose gaps it heals first.
	Name string
	// Files gives how many gap files there are, as far as is known: without any
	// nothing is asked of the archive.
	Files func() int64
	// Healed is called when the ledger has changed.
	Healed  func()
	Logger  *slog.Logger
	Metrics *metrics.Registry
	Timing  HealerTiming
}

// Healer heals the index on its own, in the spare capacity of an aggregator.
type Healer struct {
	d                HealerDeps
	index, archive   *metrics.Counter
	expired, damaged *metrics.Counter
}

// NewHealer makes a Healer. Metrics must hold Metrics().
func NewHealer(d HealerDeps) *Healer {
	if d.Timing == (HealerTiming{}) {
		d.Timing = DefaultHealerTiming()
	}
	return &Healer{
		d: d, index: d.Metrics.Counter(metricFailures, "index"), archive: d.Metrics.Counter(metricFailures, "archive"),
		expired: d.Metrics.Counter("loghaul_index_expired_gap_lines_total"), damaged: d.Metrics.Counter("loghaul_index_damaged_gap_files_total"),
	}
}

// Run heals until ctx ends.
func (h *Healer) Run(ctx context.Context) {
	t, wait := h.d.Timing, h.d.Timing.Every
	for {
		if backoff.Sleep(ctx, backoff.Jitter(wait)) != nil {
			return
		}
		if h.d.Files() == 0 {
			wait = t.Every
			continue
		}
		if wait = min(2*wait, t.Max); h.round(ctx) {
			wait = t.Every
		}
	}
}

// round heals what is due, and reports whether that came to something.
func (h *Healer) round(ctx context.Context) bool {
	o := h.d.Options
	o.Settle = h.d.Timing.Settle
	o.Warn = func(err error) { h.d.Logger.Error("healing the index", "error", err) }
	now := time.Now()
	o.Want = func(f gaps.File) bool {
		switch age := now.Sub(f.Made); {
		case f.Rejected && age < h.d.Timing.Rejected:
			return false
		case f.Writer != h.d.Name:
			// Each aggregator waits longer by a random time: one of them is first.
			return age > h.d.Timing.Others+rand.N(h.d.Timing.Others+1)
		}
		return true
	}
	r, err := New(o).Heal(ctx)
	done := r.Indexed + r.Exists + r.Excluded + r.Expired
	h.expired.AddInt64(r.Expired)
	h.damaged.Add(r.DamagedFiles)
	if done > 0 {
		h.d.Logger.Info("filled gaps in the index from the archive", "lines", r.Indexed, "were_there", r.Exists, "excluded", r.Excluded,
			"rejected", r.Rejected, "expired", r.Expired, "objects", r.Objects, "left", r.Left)
	}
	if r.Files > 0 {
		h.d.Healed()
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errGivenUp):
		h.index.Inc() // the index itself says why
	case err != nil:
		h.archive.Inc()
		h.d.Logger.Error("healing the index: the archive or the ledger of gaps cannot be used; trying again", "error", err)
	}
	return err == nil && done > 0
}
