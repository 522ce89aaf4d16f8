package audit_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/audit"
)

func TestSources(t *testing.T) {
	w := newWorld(t)
	a, b := source("web-1", 'a'), source("web-2", 'b')
	w.add("one", day, batch(a, 0, "12345\n1234\n", day), batch(b, 6, "12345\n", day))
	renamed := a
	renamed.Path += ".1"
	w.add("two", day.Add(time.Minute), batch(renamed, 20, "123456789\n", day), batch(a, 0, "12345\n1234\n", day))
	fail := func(err error) { t.Error(err) }
	got, err := audit.Sources(t.Context(), w.store, audit.Filter{}, fail)
	want := []audit.Source{
		{
			Node: "web-1", ID: a.ID, Path: "/var/log/a.log.1", Lines: 3, Bytes: 21,
			Archived: []audit.Span{{From: 0, To: 11}, {From: 20, To: 30}}, Missing: []audit.Span{{From: 11, To: 20}}, Lost: []audit.Lost{},
		},
		{
			Node: "web-2", ID: b.ID, Path: "/var/log/b.log", Lines: 1, Bytes: 6,
			Archived: []audit.Span{{From: 6, To: 12}}, Missing: []audit.Span{{From: 0, To: 6}}, Lost: []audit.Lost{},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	got, err = audit.Sources(t.Context(), w.store, audit.Filter{Node: "web-2"}, fail)
	if diff := cmp.Diff(want[1:], got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	got, err = audit.Sources(t.Context(), w.store, audit.Filter{Node: "web-2", From: day}, fail)
	want[1].Missing = nil
	if diff := cmp.Diff(want[1:], got); diff != "" || err != nil {
		t.Errorf("with a time filter: %v (-want +got)\n%s", err, diff)
	}
	got, err = audit.Sources(t.Context(), w.store, audit.Filter{Node: "x"}, fail)
	if len(got) != 0 || got == nil || err != nil {
		t.Errorf("no such node: %v, %v", got, err)
	}
}

func TestLs(t *testing.T) {
	w := newWorld(t)
	a, b := source("web-1", 'a'), source("web-1", 'b')
	first := httplog(day.Add(-time.Hour), 1) + httplog(day, 2) + "no format\n"
	keys := []string{
		w.add("one", day, batch(a, 0, first, day), batch(b, 0, "no format\n", day)),
		w.add("two", day.Add(time.Minute), batch(a, int64(len(first)), "no format\n", day)),
	}
	size := func(key string) int64 {
		info, err := os.Stat(w.path(key))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	start, end := day.Add(-time.Hour), day
	want := []audit.Object{
		{
			Key: keys[0], Writer: "one", Sealed: day, Lines: 4, Unparsed: 2, RawBytes: int64(len(first) + 10), Stored: size(keys[0]),
			From: &start, To: &end, Sources: 2,
		},
		{Key: keys[1], Writer: "two", Sealed: day.Add(time.Minute), Lines: 1, Unparsed: 1, RawBytes: 10, Stored: size(keys[1]), Sources: 1},
	}
	var got []audit.Object
	err := audit.Ls(t.Context(), w.store, audit.Filter{}, func(err error) { t.Error(err) }, func(o audit.Object) error {
		got = append(got, o)
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestQuarantined(t *testing.T) {
	w := newWorld(t)
	w.add("one", day, batch(source("web-1", 'a'), 0, "x\n", day))
	if n, err := audit.Quarantined(t.Context(), w.store); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	path := filepath.Join(w.dir, "_quarantine", "dt=2026-03-01", "hour=12", "x.bin")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := audit.Quarantined(t.Context(), w.store); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
