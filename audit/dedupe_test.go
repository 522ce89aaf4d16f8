package audit_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
)

func (w *world) dedupe(f audit.Filter, memory int64) *audit.DedupeReport {
	w.t.Helper()
	report, err := audit.Dedupe(w.t.Context(), w.store, audit.DedupeOptions{
		Filter: f, Memory: memory, TempDir: w.t.TempDir(), Warn: func(err error) { w.t.Error(err) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// TestDedupeReadsOnlyWhatOverlaps has two objects that repeat a part of another
// one, one line that claims the place of another, and one object apart.
func TestDedupeReadsOnlyWhatOverlaps(t *testing.T) {
	w := newWorld(t)
	a, b := source("web-1", 'a'), source("web-1", 'b')
	lines := realLines(t)[:10]
	at := func(i int) int64 { return int64(len(bytes.Join(lines[:i], nil))) }
	text := func(from, to int) string { return string(bytes.Join(lines[from:to], nil)) }
	w.add("agg-1", day, batch(a, 0, text(0, 6), day), batch(b, 0, text(0, 5), day))
	w.add("agg-2", day.Add(time.Hour), batch(a, at(4), text(4, 8), day))
	w.add("agg-1", day.Add(2*time.Hour), batch(a, at(8), text(8, 10), day))
	other := strings.Repeat("x", len(lines[9])-1) + "\n"
	w.add("agg-1", day.Add(3*time.Hour), batch(a, at(9), other, day), batch(b, at(5), text(5, 6), day))
	w.add("agg-2", day.Add(4*time.Hour), batch(a, 0, text(0, 1), day), batch(a, at(9), text(9, 10), day))
	w.add("agg-2", day.Add(5*time.Hour), batch(source("web-2", 'c'), 0, text(0, 5), day))
	size := func(from, to int) int64 { return int64(len(text(from, to))) }
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	want := &audit.DedupeReport{
		Objects: 6, Read: 5, Overlaps: 4, Lines: 26,
		DedupeCounts: audit.DedupeCounts{Repeats: 4, RepeatedBytes: size(4, 6) + size(0, 1) + size(9, 10), Conflicts: 1},
		Groups: []audit.DedupeGroup{
			{Node: "web-1", Source: a.ID, Writer: "agg-2", Sealed: hour(1), DedupeCounts: audit.DedupeCounts{Repeats: 2, RepeatedBytes: size(4, 6)}},
			{Node: "web-1", Source: a.ID, Writer: "agg-1", Sealed: hour(3), DedupeCounts: audit.DedupeCounts{Conflicts: 1}},
			{
				Node: "web-1", Source: a.ID, Writer: "agg-2", Sealed: hour(4),
				DedupeCounts: audit.DedupeCounts{Repeats: 2, RepeatedBytes: size(0, 1) + size(9, 10)},
			},
		},
	}
	// Which of the lines at one place is the first is decided by their bytes.
	if d := cmp.Diff(want, w.dedupe(audit.Filter{}, 0)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := w.dedupe(audit.Filter{Node: "web-2"}, 0); got.Objects != 1 || got.Read != 0 || got.Lines != 5 || got.Repeats != 0 {
		t.Errorf("%+v", got)
	}
}

// TestDedupeCountsWhatCatLeavesOut compares with Cat over random archives, with
// so little memory that everything is spilled.
func TestDedupeCountsWhatCatLeavesOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	lines := realLines(t)[:60]
	for range 8 {
		w := newWorld(t)
		for i := range 6 {
			var batches []archive.Batch
			for j := range 1 + rng.IntN(4) {
				own := slices.Clone(lines)
				if rng.IntN(3) == 0 {
					k := rng.IntN(len(own))
					own[k] = append(bytes.Repeat([]byte{'y'}, len(own[k])-1), '\n') // the same places, another line
				}
				from := rng.IntN(len(own))
				to := from + 1 + rng.IntN(len(own)-from)
				offset := int64(len(bytes.Join(own[:from], nil)))
				batches = append(batches, batch(source("web-1", rune('a'+j%2)), offset, string(bytes.Join(own[from:to], nil)), day))
			}
			w.add("agg", day.Add(time.Duration(i)*time.Minute), batches...)
		}
		_, want, _, err := w.cat(audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		got := w.dedupe(audit.Filter{}, 1000)
		if got.Repeats != want.Duplicates || got.Conflicts != want.Conflicts || got.Lines != want.Lines+want.Duplicates {
			t.Errorf("%+v, cat says %+v", got.DedupeCounts, want)
		}
		var sum audit.DedupeCounts
		for _, g := range got.Groups {
			sum.Repeats += g.Repeats
			sum.RepeatedBytes += g.RepeatedBytes
			sum.Conflicts += g.Conflicts
		}
		if d := cmp.Diff(got.DedupeCounts, sum); d != "" {
			t.Errorf("groups add up to something else: %s", d)
		}
	}
}
