package audit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// TestDu: whatever the grouping, lines, raw and stored bytes add up to the
// same, and a frontend's are those of a count over the raw lines.
func TestDu(t *testing.T) {
	w := newWorld(t)
	frontends := map[string]int64{}
	lines := realLines(t)
	for i := range lines { // real lines, of two frontends more
		name := []string{"one", "two~", "three"}[i%3]
		fields := bytes.SplitN(lines[i], []byte(" "), 5)
		at := 2
		if !bytes.HasPrefix(fields[1], []byte("[")) {
			t.Fatalf("not the line that this test knows: %s", lines[i])
		}
		fields[at] = []byte(name)
		lines[i] = bytes.Join(fields, []byte(" "))
		frontends[strings.TrimSuffix(name, "~")] += int64(len(lines[i]))
	}
	text := func(from, to int) string { return string(bytes.Join(lines[from:to], nil)) }
	a, b, c := source("web-1", 'a'), source("web-1", 'b'), source("web-2", 'c')
	n := len(lines)
	const junk = "no format\n"
	frontends["(none)"] = int64(2 * len(junk))
	keys := []string{
		w.add("one", day, batch(a, 0, text(0, n/4)+junk, day), batch(c, 0, text(n/4, n/2), day)),
		w.add("two", day.Add(time.Minute), batch(b, 0, text(n/2, n), day)),
		w.add("one", day.Add(24*time.Hour), batch(c, 1<<20, junk, day)),
	}
	stored := int64(0)
	for _, key := range keys {
		st, err := os.Stat(w.path(key))
		if err != nil {
			t.Fatal(err)
		}
		stored += st.Size()
	}
	want := audit.Usage{Lines: int64(n) + 2, RawBytes: int64(len(text(0, n)) + 2*len(junk)), Stored: stored}
	names := map[string][]string{
		"day": {day.Format(time.DateOnly), day.Add(24 * time.Hour).Format(time.DateOnly)}, "source": {a.ID, b.ID, c.ID},
		"node": {"web-1", "web-2"}, "writer": {"one", "two"}, "frontend": {"(none)", "one", "three", "two"},
	}
	fail := func(err error) { t.Error(err) }
	for _, by := range audit.UsageKeys() {
		usage, err := audit.Du(t.Context(), w.store, audit.Filter{}, by, fail)
		if err != nil {
			t.Fatal(err)
		}
		var sum audit.Usage
		var got []string
		for _, u := range usage {
			got = append(got, u.Name)
			sum.Lines += u.Lines
			sum.RawBytes += u.RawBytes
			sum.Stored += u.Stored
			if u.Stored <= 0 || u.Objects < 1 {
				t.Errorf("by %s: %+v", by, u)
			}
			if by == "frontend" && u.RawBytes != frontends[u.Name] {
				t.Errorf("frontend %s has %d bytes, want %d", u.Name, u.RawBytes, frontends[u.Name])
			}
		}
		if diff := cmp.Diff(names[by], got); diff != "" || sum != want {
			t.Errorf("by %s: sum %+v, want %+v (-want +got)\n%s", by, sum, want, diff)
		}
	}
	usage, err := audit.Du(t.Context(), w.store, audit.Filter{Node: "web-2"}, "source", fail)
	if err != nil || len(usage) != 1 || usage[0].Name != c.ID || usage[0].Objects != 2 {
		t.Errorf("of one node: %+v, %v", usage, err)
	}
	if objects, size, err := audit.Stored(t.Context(), w.store); err != nil || objects != 3 || size != stored {
		t.Errorf("stored: %d objects of %d bytes, %v", objects, size, err)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "_quarantine"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "_quarantine", "x"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	beside, err := audit.Beside(t.Context(), w.store)
	if diff := cmp.Diff([]audit.Usage{{Name: "_quarantine/", Objects: 1, Stored: 5}}, beside); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := audit.Du(t.Context(), w.store, audit.Filter{}, "colour", fail); err == nil {
		t.Error("by colour is accepted")
	}
}

func TestExpired(t *testing.T) {
	w := newWorld(t)
	hour := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	put := func(key string) {
		t.Helper()
		path := w.path(key)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []int{-25, -24, -1, 0, 1} {
		at := hour.Add(time.Duration(h) * time.Hour).Format("dt=2006-01-02/hour=15/")
		for _, prefix := range []string{"", "_quarantine/", "_gaps/logs-haproxy.log-default/", manifest.Prefix} {
			put(prefix + at + "o")
		}
	}
	for _, key := range []string{"README", "dt=2020-01-01/o", "dt=2020-01-01/hour=25/o", "x/dt=2020-01-01/hour=00/o", "_check/abc/first", "_a/_b/dt=2020-01-01/hour=00/o"} {
		put(key)
	}
	var got []string
	undated, err := audit.Expired(t.Context(), w.store, hour, func(i objectstore.Info, _ time.Time) error {
		got = append(got, i.Key)
		return nil
	})
	want := []string{
		"_gaps/logs-haproxy.log-default/dt=2026-11-19/hour=09/o", "_gaps/logs-haproxy.log-default/dt=2026-11-19/hour=10/o",
		"_gaps/logs-haproxy.log-default/dt=2026-11-20/hour=09/o",
		"_quarantine/dt=2026-11-19/hour=09/o", "_quarantine/dt=2026-11-19/hour=10/o", "_quarantine/dt=2026-11-20/hour=09/o",
		"dt=2026-11-19/hour=09/o", "dt=2026-11-19/hour=10/o", "dt=2026-11-20/hour=09/o",
		"_manifests/dt=2026-11-19/hour=09/o",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || undated != 6 {
		t.Errorf("%v, %d without an hour (-want +got)\n%s", err, undated, diff)
	}
}
