package backfill_test

import (
	"testing"
	"time"
)

// TestDropEverythingThenBackfill: nobody serves the index for hours of traffic; then
// the ledger has each line, and one call brings all of them, each once.
func TestDropEverythingThenBackfill(t *testing.T) {
	w := newWorld(t, "dropall", folder(t))
	for i := range 30 {
		w.archive("agg-1", noon.Add(time.Duration(i)*6*time.Minute), 40+i)
	}
	w.dropAll("agg-1")
	s := w.survey()
	if s.Lines != int64(w.lines()) || len(s.Beats) != 0 {
		t.Fatalf("the ledger has %d lines and %d heartbeats, want %d and none", s.Lines, len(s.Beats), w.lines())
	}
	sink := w.real()
	r := w.heal(w.options(sink))
	t.Logf("%+v", r)
	if !r.Healed() || r.Indexed != int64(w.lines()) || r.Lines != r.Indexed || r.Gaps != 30 || r.Exists != 0 {
		t.Errorf("%+v, want %d lines of 30 gaps", r, w.lines())
	}
	w.wantHealed()
	if r := w.heal(w.options(sink)); r.Files != 0 || r.Objects != 0 {
		t.Errorf("again: %+v", r)
	}
	// Everything once more, as after a ledger that was put back from a copy.
	w.dropAll("agg-1")
	if r := w.heal(w.options(sink)); r.Exists != int64(w.lines()) || r.Indexed != 0 {
		t.Errorf("what is there already: %+v", r)
	}
	w.wantHealed()
}
