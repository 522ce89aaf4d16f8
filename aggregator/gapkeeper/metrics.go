package gapkeeper

import "github.com/loghaul/loghaul/internal/metrics"

// Metrics describes what a Keeper counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{Name: "loghaul_index_gap_lines", Kind: metrics.KindGauge, Help: "Archived lines that the index lacks: all of the stream's gap ledger, of all aggregators, and what is not written yet. Every aggregator says the same, so take the max over them. 0 when all is healed."},
		{Name: "loghaul_index_gap_rejected_lines", Kind: metrics.KindGauge, Help: "Those of them that were rejected for what they hold and are tried again once an hour; take the max over aggregators."},
		{Name: "loghaul_index_gap_files", Kind: metrics.KindGauge, Help: "Files of the gap ledger, of all aggregators; take the max over them."},
		{Name: "loghaul_index_gap_unsettled_objects", Kind: metrics.KindGauge, Help: "Archived objects, or ones that are being archived, of which the index has not said yet what it lacks."},
		{Name: "loghaul_index_ledger_failures_total", Kind: metrics.KindCounter, Help: "Failed attempts to write or read the gap ledger; gaps wait in memory meanwhile."},
		{Name: "loghaul_index_adopted_writers_total", Kind: metrics.KindCounter, Help: "Heartbeats of aggregators that ended without a word, this one's last run included, of which gaps were made."},
	}
}

type counts struct {
	failures, adopted *metrics.Counter
}

func (c *counts) register(r *metrics.Registry, k *Keeper) {
	c.failures = r.Counter("loghaul_index_ledger_failures_total")
	c.adopted = r.Counter("loghaul_index_adopted_writers_total")
	r.Gauge("loghaul_index_gap_lines", func() float64 { all, _ := k.Lines(); return float64(all) })
	r.Gauge("loghaul_index_gap_rejected_lines", func() float64 { _, n := k.Lines(); return float64(n) })
	r.Gauge("loghaul_index_gap_files", func() float64 { return float64(k.Files()) })
	r.Gauge("loghaul_index_gap_unsettled_objects", func() float64 {
		k.mu.Lock()
		defer k.mu.Unlock()
		return float64(len(k.expected))
	})
}
