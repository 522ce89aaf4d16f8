package metrics

import (
	"bufio"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// defaultBuckets are for durations in seconds: from a cached read to a stalled
// store.
func defaultBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
}

// Histogram counts observations in buckets with fixed upper bounds. It is safe
// for concurrent use.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // counts[i] is (bounds[i-1], bounds[i]]; the last is above all bounds
	sum    atomic.Uint64   // bits of a float64
}

func newHistogram(bounds []float64) *Histogram {
	if bounds == nil {
		bounds = defaultBuckets()
	}
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// Since counts the seconds that have passed since start.
func (h *Histogram) Since(start time.Time) { h.Observe(time.Since(start).Seconds()) }

// write gives the cumulative buckets; labels are `a="b",c="d"` or "".
//
//nolint:errcheck // the registry's Flush reports it
func (h *Histogram) write(b *bufio.Writer, name, labels string) {
	braced, comma := "", ""
	if labels != "" {
		braced, comma = "{"+labels+"}", ","
	}
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
		le := "+Inf"
		if i < len(h.bounds) {
			le = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		fmt.Fprintf(b, "%s_bucket{%s%sle=%q} %d\n", name, labels, comma, le, total)
	}
	fmt.Fprintf(b, "%s_sum%s %g\n", name, braced, math.Float64frombits(h.sum.Load()))
	fmt.Fprintf(b, "%s_count%s %d\n", name, braced, total)
}
