package gaps_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive/gaps"
)

func TestSetMerges(t *testing.T) {
	var s gaps.Set
	a, b := key("agg", noon), key("agg", noon.Add(time.Minute))
	add(t, &s, a, 10, 19, "queue_full")
	add(t, &s, b, 0, 0, "queue_full")
	add(t, &s, a, 0, 4, "queue_full")
	add(t, &s, a, 5, 9, "queue_full")  // closes the hole
	add(t, &s, a, 8, 12, "queue_full") // there already
	add(t, &s, a, 30, 30, "overloaded")
	add(t, &s, a, 31, 31, gaps.Rejected)
	at := noon.UnixMilli()
	want := []gaps.Entry{
		{Key: a, Rows: []gaps.Span{{First: 30, Last: 30}}, Lines: 1, Reason: "overloaded", At: at},
		{Key: a, Rows: []gaps.Span{{First: 0, Last: 19}}, Lines: 20, Reason: "queue_full", At: at},
		{Key: b, Rows: []gaps.Span{{First: 0, Last: 0}}, Lines: 1, Reason: "queue_full", At: at},
	}
	slots := s.Slots()
	if diff := cmp.Diff(want, s.Entries(slots[0])); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if all, refused := s.Lines(); len(slots) != 2 || !slots[1].Rejected || all != 23 || refused != 1 || s.Len() != 4 {
		t.Errorf("%v, %d lines, %d of them rejected, %d entries", slots, all, refused, s.Len())
	}
	if o := s.Oldest(); !o.Equal(noon) {
		t.Errorf("the oldest is of %v", o)
	}
	if err := s.Add(gaps.Gap{Key: "_quarantine/x"}, noon); err == nil {
		t.Error("a gap in what is no object of the archive")
	}
}

// TestSetIsBounded: too many stretches of an object become all of its rows, too many
// objects of an hour everything that was sealed in it. No line is forgotten.
func TestSetIsBounded(t *testing.T) {
	var s gaps.Set
	a := key("agg", noon)
	for i := range 1000 {
		add(t, &s, a, 2*i, 2*i, "overloaded")
	}
	slot := s.Slots()[0]
	if e := s.Entries(slot); len(e) != 1 || e[0].Rows != nil || e[0].Lines != 1000 {
		t.Errorf("%+v", e)
	}
	for i := range 5000 {
		add(t, &s, key("agg", noon.Add(time.Duration(i+1)*time.Millisecond)), 0, 9, "overloaded")
	}
	from, to := noon.UnixMilli(), noon.Add(time.Hour).UnixMilli()
	if e := s.Entries(slot); len(e) != 1 || e[0].Key != "" || e[0].From != from || e[0].To != to || e[0].Lines != 51000 {
		t.Errorf("%+v", e)
	}
	// Many hours of many writers.
	for i := range 100_000 {
		add(t, &s, key(fmt.Sprintf("w%d", i%5), noon.Add(time.Duration(i)*time.Second)), 0, 0, "overloaded")
	}
	if all, _ := s.Lines(); s.Len() > 1<<15 || all != 151_000 {
		t.Errorf("%d entries of %d lines", s.Len(), all)
	}
	for _, slot := range s.Slots() {
		if _, err := gaps.New(newMemory(), stream).Write(t.Context(), slot, s.Entries(slot), noon); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAdopt: of a writer that ended without a word everything is a gap that it sealed
// since its watermark, in each hour of which there is something, and in the last
// ones, where something may still turn up.
func TestAdopt(t *testing.T) {
	m := newMemory()
	l := gaps.New(m, stream)
	since := noon.Add(-30 * time.Minute)
	b := gaps.Beat{Writer: "agg-1", Since: since, At: noon.Add(3 * time.Hour), Run: "0123abcd"}
	if err := l.Beat(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		writer string
		at     time.Time
	}{
		{"agg-1", since.Add(-time.Millisecond)},
		{"agg-1", since},
		{"agg-1", noon.Add(-time.Millisecond)},
		{"agg-1-x", noon},
		{"agg-1", noon.Add(59 * time.Minute)},
	} {
		m.objects[key(o.writer, o.at)] = []byte("no object")
	}
	until := noon.Add(3*time.Hour + 10*time.Minute)
	if _, err := l.Adopt(t.Context(), []gaps.Beat{b}, until, until, true); err != nil {
		t.Fatal(err)
	}
	s, err := l.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.Files {
		entries, err := l.Read(t.Context(), f)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		got = append(got, fmt.Sprintf("%s %s-%s", f.Writer, time.UnixMilli(entries[0].From).UTC().Format("15:04"), time.UnixMilli(entries[0].To).UTC().Format("15:04")))
	}
	want := []string{"agg-1 11:30-12:00", "agg-1 12:00-13:00", "agg-1 14:00-15:00", "agg-1 15:00-15:10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(s.Beats) > 0 {
		t.Errorf("the heartbeat is still there: %v", s.Beats)
	}
}

// TestAdoptOfOneThatMayLive: as long as it may be that a writer lives, a heartbeat stays
// that covers what it seals from then on.
func TestAdoptOfOneThatMayLive(t *testing.T) {
	m := newMemory()
	l := gaps.New(m, stream)
	b := gaps.Beat{Writer: "agg-1", Since: noon, At: noon.Add(time.Minute), Run: "0123abcd"}
	if err := l.Beat(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	m.objects[key("agg-1", noon.Add(2*time.Minute))] = []byte("no object")
	for i, want := range []int{1, 1, 0} { // gap files
		until := noon.Add(time.Duration(i+1) * 31 * time.Minute)
		if i == 1 { // it lives
			m.objects[key("agg-1", noon.Add(40*time.Minute))] = []byte("no object")
		}
		s, err := l.Survey(t.Context())
		if err != nil || len(s.Beats) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		before := len(s.Files)
		if _, err := l.Adopt(t.Context(), []gaps.Beat{s.Beats[0].Beat}, until, until, false); err != nil {
			t.Fatal(err)
		}
		if s, err = l.Survey(t.Context()); err != nil || len(s.Files)-before != want {
			t.Errorf("look %d: %d new gap files, want %d (%v)", i, len(s.Files)-before, want, err)
		}
	}
	if s, err := l.Survey(t.Context()); err != nil || len(s.Beats) != 0 {
		t.Errorf("the heartbeat stays for ever: %+v, %v", s, err)
	}
}
