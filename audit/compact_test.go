package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// failing is a target whose writes fail after some of them.
type failing struct {
	objectstore.Store
	left int
}

var errCut = errors.New("cut")

func (f *failing) Write(ctx context.Context, g *sinks.Group) error {
	if f.left == 0 {
		return errCut
	}
	f.left--
	return f.Store.Write(ctx, g)
}

// target makes an empty folder for a derived copy.
func target(t *testing.T) (objectstore.Store, string) {
	t.Helper()
	dir := t.TempDir()
	store, err := objectstore.Open(t.Context(), "file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store, dir
}

func (w *world) compact(to audit.Target, change func(*audit.CompactOptions)) (*audit.CompactReport, error) {
	w.t.Helper()
	o := audit.CompactOptions{Archive: "file:///archive", CreatedBy: "test", Lines: 25, Memory: 20_000, TempDir: w.t.TempDir(), Warn: func(err error) { w.t.Log(err) }}
	if change != nil {
		change(&o)
	}
	return audit.Compact(w.t.Context(), w.store, to, o)
}

// files gives all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// threeDays fills an archive with lines of three days, in several frontends,
// with repeats within and across objects and a line at the place of another.
func (w *world) threeDays() {
	w.t.Helper()
	line := func(day, n int) string {
		at := time.Date(2026, 3, day, n%24, n%60, 0, n*1_000_000%1_000_000_000, time.UTC)
		return strings.Replace(httplog(at, n), " www ", fmt.Sprintf(" fe%d ", n%3), 1)
	}
	var texts []string
	for n := range 60 {
		texts = append(texts, line(1+n/20, n))
	}
	texts[30] = "no format at all\n"
	join := func(from, to int) string { return strings.Join(texts[from:to], "") }
	at := func(n int) int64 { return int64(len(join(0, n))) }
	a, b := source("web-1", 'a'), source("web-2", 'b')
	read := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w.add("agg-1", read, batch(a, 0, join(0, 25), read), batch(b, 0, join(0, 10), read))
	w.add("agg-1", read.Add(time.Hour), batch(a, at(25), join(25, 60), read), batch(a, at(30), join(30, 34), read))
	w.add("agg-2", read.Add(2*time.Hour), batch(a, at(20), join(20, 28), read), batch(b, at(9), "x"+join(9, 10)[1:], read))
}

// lines gives the identities and bytes of all lines of the archive, each once.
func (w *world) lines() []string {
	w.t.Helper()
	seen := map[string]bool{}
	if err := w.store.List(w.t.Context(), "dt=", func(i objectstore.Info) error {
		body, err := w.store.Get(w.t.Context(), i.Key)
		if err != nil {
			return err
		}
		rd, err := archive.Open(bytes.NewReader(body), i.Size)
		if err != nil {
			return err
		}
		return rd.Rows(func(r *archive.Row) error {
			seen[fmt.Sprintf("%s %s %d %s", r.Source.Node, r.Source.ID, r.Offset, r.Raw)] = true
			return nil
		})
	}); err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for l := range seen {
		all = append(all, l)
	}
	slices.Sort(all)
	return all
}

// copied gives what DuckDB reads from a derived copy: identities and lines.
func copied(t *testing.T, dir string) []string {
	t.Helper()
	rows := duck(t, `SELECT node, source, "offset", decode(loghaul_wrapped(t)) FROM loghaul_archive('`+dir+`/dt=*/*/*.parquet') t`)
	var all []string
	for _, r := range rows {
		all = append(all, fmt.Sprint(r[0], " ", r[1], " ", r[2], " ", r[3]))
	}
	slices.Sort(all)
	return all
}

// TestCompact copies an archive and has DuckDB say that each line is there once,
// in its day, sorted, in files and row groups of the size that was asked for.
func TestCompact(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	before := files(t, w.dir)
	to, dir := target(t)
	report, err := w.compact(to, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := w.lines()
	if d := cmp.Diff(want, copied(t, dir)); d != "" {
		t.Errorf("lines of the archive (-), of the copy (+):\n%s", d)
	}
	if report.Days != 3 || report.Lines != int64(len(want)) || report.Repeats != 12 || report.Files != 4 {
		t.Errorf("%+v", report)
	}
	if d := cmp.Diff(before, files(t, w.dir)); d != "" {
		t.Errorf("the originals changed: %s", d)
	}
	misplaced := duck(t, `
		SELECT filename, file_row_number FROM (
			SELECT *, lag((frontend IS NOT NULL, coalesce(frontend, ''), coalesce(time, read_time))) OVER (PARTITION BY filename ORDER BY file_row_number) AS before
			FROM read_parquet('`+dir+`/dt=*/*/*.parquet', filename=true, file_row_number=true, hive_types={'dt': DATE}))
		WHERE before > (frontend IS NOT NULL, coalesce(frontend, ''), coalesce(time, read_time)) OR CAST(coalesce(time, read_time) AS DATE) <> dt`)
	if len(misplaced) > 0 {
		t.Errorf("not in order, or in another day: %v", misplaced)
	}
	again, err := w.compact(to, nil)
	if err != nil || again.Days != 0 || again.Done != 3 || again.Files != 0 {
		t.Errorf("done again: %+v, %v", again, err)
	}
}

// TestCompactIsResumed interrupts it before every write; the next call makes the
// same files, even if an object came meanwhile.
func TestCompactIsResumed(t *testing.T) {
	whole := newWorld(t)
	whole.threeDays()
	to, dir := target(t)
	if _, err := whole.compact(to, nil); err != nil {
		t.Fatal(err)
	}
	want := files(t, dir)
	late := func(w *world) {
		src := source("web-3", 'c')
		w.add("agg-9", day.Add(24*time.Hour), batch(src, 0, httplog(day, 1)+httplog(day, 2), day),
			batch(source("web-2", 'b'), 0, strings.Replace(httplog(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 0), " www ", " fe0 ", 1), day))
	}
	for n := range len(want) {
		w := newWorld(t)
		w.threeDays()
		to, dir := target(t)
		if _, err := w.compact(&failing{to, n}, nil); !errors.Is(err, errCut) {
			t.Fatalf("after %d writes: %v", n, err)
		}
		if n > 0 {
			late(w)
		}
		if _, err := w.compact(to, nil); err != nil {
			t.Fatalf("after %d writes: %v", n, err)
		}
		got := files(t, dir)
		for path, content := range want {
			if got[path] != content {
				t.Errorf("after %d writes: %s differs", n, path)
			}
			delete(got, path)
		}
		if n == 0 && len(got) > 0 || n > 0 && len(got) != 3 {
			t.Errorf("after %d writes: %d files more", n, len(got))
		}
		if n == 3 {
			if d := cmp.Diff(w.lines(), copied(t, dir)); d != "" {
				t.Errorf("after %d writes (-archive +copy)\n%s", n, d)
			}
		}
	}
}

// TestCompactDays copies single days, and then the rest.
func TestCompactDays(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	to, dir := target(t)
	at := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	report, err := w.compact(to, func(o *audit.CompactOptions) { o.From, o.To = at(2), at(3) })
	if err != nil || report.Days != 1 || report.Lines != 21 {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = w.compact(to, nil); err != nil || report.Days != 2 || report.Done != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if d := cmp.Diff(w.lines(), copied(t, dir)); d != "" {
		t.Errorf("(-archive +copy)\n%s", d)
	}
	if _, err = w.compact(to, func(o *audit.CompactOptions) { o.From = at(2).Add(time.Hour) }); err == nil || !strings.Contains(err.Error(), "midnight") {
		t.Errorf("%v", err)
	}
	if _, err = w.compact(to, func(o *audit.CompactOptions) { o.Archive = "file:///other" }); err == nil || !strings.Contains(err.Error(), "file:///other") {
		t.Errorf("%v", err)
	}
}

// TestCompactRefuses has targets that are no place for a copy, and damage.
func TestCompactRefuses(t *testing.T) {
	for _, tc := range []struct {
		archive, target string
		ok              bool
	}{
		{"s3://b/logs", "s3://b/logs", false},
		{"s3://b/logs", "s3://b/logs/days", false},
		{"s3://b/logs", "s3://b/logs/_derived", true},
		{"s3://b/logs", "s3://b/logs/_derived/days", true},
		{"s3://b/logs", "s3://b/logs-days", true},
		{"s3://b/logs", "s3://b", false},
		{"s3://b", "s3://b/days", false},
		{"s3://b", "s3://b/_derived/x", true},
		{"s3://b/logs", "s3://c/logs", true},
		{"file:///a/b", "file:///a/b/", false},
	} {
		if err := audit.CheckCompactTarget(tc.archive, tc.target); (err == nil) != tc.ok {
			t.Errorf("%s to %s: %v", tc.archive, tc.target, err)
		}
	}
	w := newWorld(t)
	w.threeDays()
	if _, err := w.compact(w.store, nil); err == nil || !strings.Contains(err.Error(), "no derived copy") {
		t.Errorf("the archive as target: %v", err)
	}
	to, dir := target(t)
	if _, err := w.compact(to, nil); err != nil {
		t.Fatal(err)
	}
	var file string
	for path := range files(t, dir) {
		if strings.HasPrefix(path, "dt=2026-03-02/") {
			file = path
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "dt=2026-03-02/hour=all/x.parquet"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.compact(to, nil); err == nil || !strings.Contains(err.Error(), "dt=2026-03-02/hour=all/x.parquet") {
		t.Errorf("a foreign file: %v", err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "dt=2026-03-02/hour=all/x.parquet")), os.Remove(filepath.Join(dir, file))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.compact(to, nil); err == nil || !strings.Contains(err.Error(), "1 files of 2026-03-02 are gone") {
		t.Errorf("a file that is gone: %v", err)
	}
}

// TestCompactStateIsChecked damages what a copy knows of itself: nothing is
// written on top of it.
func TestCompactStateIsChecked(t *testing.T) {
	const day = "_compact/dt=2026-03-02/000001.json"
	for name, tc := range map[string]struct{ key, old, replacement, want string }{
		"newer plan":    {"_compact/000001.json", `{"version":1`, `{"version":9`, "version 9"},
		"newer day":     {day, `{"version":1`, `{"version":9`, "version 9"},
		"plan of other": {"_compact/000001.json", `"generation":1`, `"generation":2`, "damaged"},
		"no size":       {"_compact/000001.json", `"lines":25`, `"lines":0`, "damaged"},
		"cut":           {day, `"digest"`, ``, "_compact/dt=2026-03-02"},
		"file unnamed":  {day, `"files":[`, `"files":[],"x":[`, "not written for any finished day"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.threeDays()
			to, dir := target(t)
			if _, err := w.compact(to, nil); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tc.key)
			b, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(b, []byte(tc.old)) {
				t.Fatalf("%v: %s", err, b)
			}
			if err := os.WriteFile(path, bytes.Replace(b, []byte(tc.old), []byte(tc.replacement), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			before := files(t, dir)
			if _, err := w.compact(to, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
			if d := cmp.Diff(before, files(t, dir)); d != "" {
				t.Errorf("something was written: %s", d)
			}
		})
	}
}

// TestCompactReadsWhatHasAWrongClock has one line of 1971 in an object.
func TestCompactReadsWhatHasAWrongClock(t *testing.T) {
	w := newWorld(t)
	old := time.Date(1971, 5, 6, 7, 8, 9, 0, time.UTC)
	w.add("agg-1", day, batch(source("web-1", 'a'), 0, httplog(day, 1)+httplog(old, 2)+httplog(day, 3), day))
	to, dir := target(t)
	report, err := w.compact(to, nil)
	if err != nil || report.Days != 2 || report.Lines != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dt=1971-05-06")); err != nil {
		t.Error(err)
	}
}

// TestCompactWithABrokenOriginal leaves out the days of it, until it is whole.
func TestCompactWithABrokenOriginal(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	key := w.add("agg-3", day, batch(source("web-3", 'c'), 0, httplog(day, 1), day))
	good, err := os.ReadFile(w.path(key))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[20] ^= 1
	to, dir := target(t)
	var incomplete *audit.IncompleteError
	for _, body := range [][]byte{bad, good} {
		if err := os.WriteFile(w.path(key), body, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := w.compact(to, nil)
		if bytes.Equal(body, bad) && (!errors.As(err, &incomplete) || report.Days != 2) || bytes.Equal(body, good) && (err != nil || report.Days != 1) {
			t.Errorf("%+v, %v", report, err)
		}
	}
	if d := cmp.Diff(w.lines(), copied(t, dir)); d != "" {
		t.Errorf("(-archive +copy)\n%s", d)
	}
}
