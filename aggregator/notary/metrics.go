package notary

import (
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
)

// Metrics describes what a Notary counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{Name: "loghaul_manifest_written_total", Kind: metrics.KindCounter, Help: "Manifests that the archive has confirmed, those that close others' chains included."},
		{Name: "loghaul_manifest_failures_total", Kind: metrics.KindCounter, Help: "Failed attempts to write manifests or to look after those of others; lines are archived all the same."},
		{Name: "loghaul_manifest_age_seconds", Kind: metrics.KindGauge, Help: "Time since this aggregator has written a manifest of its own, or since its start; more than 3,700 is a failure."},
		{Name: "loghaul_manifest_waiting_objects", Kind: metrics.KindGauge, Help: "Archived objects that wait for the manifest that lists them."},
		{
			Name: "loghaul_manifest_recovered_objects_total", Kind: metrics.KindCounter, Labels: []string{"of"},
			Help: "Objects that no manifest listed, as after a crash, and that were read from the archive and listed: own ones, or those of other aggregators that are gone.",
		},
		{Name: "loghaul_manifest_refused_objects_total", Kind: metrics.KindCounter, Help: "Objects that no manifest lists and that are not listed, as they are damaged or are not what they say: see the log, and `loghaul audit verify`."},
	}
}

type counts struct {
	manifests, failures, own, other, refused *metrics.Counter
}

func (c *counts) register(r *metrics.Registry, n *Notary) {
	started := time.Now()
	c.manifests = r.Counter("loghaul_manifest_written_total")
	c.failures = r.Counter("loghaul_manifest_failures_total")
	c.own = r.Counter("loghaul_manifest_recovered_objects_total", "own")
	c.other = r.Counter("loghaul_manifest_recovered_objects_total", "other")
	c.refused = r.Counter("loghaul_manifest_refused_objects_total")
	r.Gauge("loghaul_manifest_waiting_objects", func() float64 { return float64(n.Waiting()) })
	r.Gauge("loghaul_manifest_age_seconds", func() float64 {
		n.mu.Lock()
		defer n.mu.Unlock()
		return time.Since(later(started, n.newest)).Seconds()
	})
}
