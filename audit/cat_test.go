package audit_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// cat runs Cat and gives what it printed, reported and warned of.
func (w *world) cat(f audit.Filter) (string, audit.CatReport, []string, error) {
	w.t.Helper()
	var out bytes.Buffer
	warnings := make(chan error, 1000)
	report, err := audit.Cat(w.t.Context(), w.store, &out, audit.CatOptions{Filter: f, TempDir: w.t.TempDir(), Warn: func(err error) { warnings <- err }})
	close(warnings)
	var texts []string
	for warning := range warnings {
		texts = append(texts, warning.Error())
	}
	return out.String(), report, texts, err
}

// TestCatGivesRealLinesBack archives real lines of three sources in random
// batches, some twice, spread over objects in random order.
func TestCatGivesRealLinesBack(t *testing.T) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(5, 6))
	lines := realLines(t)
	var want bytes.Buffer
	var batches []archive.Batch
	for i, name := range []struct {
		node   string
		letter rune
	}{{"web-1", 'b'}, {"web-1", 'c'}, {"web-2", 'a'}} {
		src, own, from := source(name.node, name.letter), lines[i*300:][:300+i], int64(0)
		for len(own) > 0 {
			n := min(1+rng.IntN(40), len(own))
			raw := string(bytes.Join(own[:n], nil))
			if n == len(own) {
				raw = strings.TrimSuffix(raw, "\n") // the source ended so
			}
			b := batch(src, from, raw, day)
			for range 1 + rng.IntN(2) {
				batches = append(batches, b)
			}
			if n > 5 && n < len(own) { // as after a restart that cut the batches elsewhere
				part := string(bytes.Join(own[2:n-1], nil))
				batches = append(batches, batch(src, from+int64(len(own[0])+len(own[1])), part, day.Add(time.Minute)))
			}
			want.WriteString(raw)
			own, from = own[n:], from+int64(len(raw))
		}
	}
	rng.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	objects := 0
	for chunk := range slices.Chunk(batches, 7) {
		w.add("agg", day.Add(time.Duration(objects)*time.Minute), chunk...)
		objects++
	}
	got, report, warnings, err := w.cat(audit.Filter{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("(-want +got)\n%.3000s", diff)
	}
	if report.Lines != 903 || report.Bytes != int64(want.Len()) || report.Duplicates == 0 || report.Objects != objects || report.Conflicts != 0 {
		t.Errorf("%+v", report)
	}

	// The same through temporary files.
	var spilled bytes.Buffer
	dir := t.TempDir()
	_, err = audit.Cat(t.Context(), w.store, &spilled, audit.CatOptions{Memory: 20_000, TempDir: dir, Warn: func(err error) { t.Error(err) }})
	if err != nil || spilled.String() != want.String() {
		t.Errorf("sorted through files: %v, %d bytes, want %d", err, spilled.Len(), want.Len())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCatPrintsLinesThatClaimTheSamePlace(t *testing.T) {
	w := newWorld(t)
	src := source("web-1", 'a')
	w.add("one", day, batch(src, 0, "first\nsecond\n", day))
	w.add("two", day, batch(src, 0, "First\nsecond\n", day))
	got, report, warnings, err := w.cat(audit.Filter{})
	if err != nil || got != "First\nfirst\nsecond\n" {
		t.Errorf("%v, %q", err, got)
	}
	if report.Conflicts != 1 || report.Duplicates != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "has different lines at offset 0") {
		t.Errorf("%+v, %q", report, warnings)
	}
}

func TestCatFilters(t *testing.T) {
	w := newWorld(t)
	a, b := source("web-1", 'a'), source("web-2", 'b')
	hour := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
	early, noon, late := httplog(hour(-3), 1), httplog(hour(0), 2), httplog(hour(3), 3)
	plain := "not a line of any format\n"
	w.add("agg", hour(-3).Add(time.Minute), batch(a, 0, early, hour(-3)))
	w.add("agg", hour(0).Add(time.Minute), batch(a, int64(len(early)), noon, hour(0)), batch(b, 0, noon+plain, hour(0)))
	// Late delivery: sealed long after the events, by the read time of plain.
	w.add("agg", hour(20), batch(a, int64(len(early+noon)), late+plain, hour(3)))
	for name, tc := range map[string]struct {
		filter  audit.Filter
		want    string
		skipped int
	}{
		"all":              {audit.Filter{}, early + noon + late + plain + noon + plain, 0},
		"node":             {audit.Filter{Node: "web-2"}, noon + plain, 2},
		"source":           {audit.Filter{Source: a.ID}, early + noon + late + plain, 0},
		"source beginning": {audit.Filter{Source: a.ID[:23]}, early + noon + late + plain + noon + plain, 0},
		"no such node":     {audit.Filter{Node: "web"}, "", 3},
		"from":             {audit.Filter{From: hour(1)}, late + plain, 0},
		"from is included": {audit.Filter{From: hour(0)}, noon + late + plain + noon + plain, 0},
		"to is not":        {audit.Filter{To: hour(0)}, early, 0},
		"between":          {audit.Filter{From: hour(-1), To: hour(1)}, noon + noon + plain, 0},
		"between, node":    {audit.Filter{From: hour(-1), To: hour(1), Node: "web-1"}, noon, 0},
		"future":           {audit.Filter{From: hour(30)}, "", 0},
		"before the first": {audit.Filter{To: hour(-9)}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			got, report, warnings, err := w.cat(tc.filter)
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v, %q", err, warnings)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if report.Skipped < tc.skipped {
				t.Errorf("%d objects were passed over by their footer, want %d", report.Skipped, tc.skipped)
			}
		})
	}
}

// Damage is named; the rest is printed all the same.
func TestCatGoesOnAfterDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"a byte in the middle": func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { b[len(b)/3] ^= 1; return b })
		},
		"a byte in the footer": func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { b[len(b)-20] ^= 1; return b })
		},
		"cut":   func(t *testing.T, path string) { edit(t, path, func(b []byte) []byte { return b[:len(b)/2] }) },
		"empty": func(t *testing.T, path string) { edit(t, path, func([]byte) []byte { return nil }) },
		"not Parquet": func(t *testing.T, path string) {
			edit(t, path, func([]byte) []byte { return bytes.Repeat([]byte("x"), 100_000) })
		},
		"unreadable": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			src := source("web-1", 'a')
			w.add("one", day, batch(src, 0, "first\n", day))
			key := w.add("two", day, batch(src, 6, "second\n", day))
			w.add("two", day.Add(time.Minute), batch(src, 13, "third\n", day))
			damage(t, w.path(key))
			for _, filter := range []audit.Filter{{}, {Node: "web-1"}} {
				got, report, warnings, err := w.cat(filter)
				if name == "unreadable" && err == nil {
					continue // a folder archive does not list what is no file
				}
				var incomplete *audit.IncompleteError
				if !errors.As(err, &incomplete) || incomplete.Objects != 1 || report.Objects != 2 {
					t.Errorf("%v, %+v", err, report)
				}
				if got != "first\nthird\n" {
					t.Errorf("got %q", got)
				}
				if len(warnings) != 1 || !strings.HasPrefix(warnings[0], key+": ") {
					t.Errorf("warnings %q", warnings)
				}
			}
		})
	}
}

func edit(t *testing.T, path string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fn(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A footer that fits other data must not be believed either.
func TestCatRefusesAnObjectUnderAnotherName(t *testing.T) {
	w := newWorld(t)
	src := source("web-1", 'a')
	one := w.add("one", day, batch(src, 0, "first\n", day))
	two := w.add("two", day, batch(src, 6, "second\n", day))
	b, err := os.ReadFile(w.path(one))
	if err != nil {
		t.Fatal(err)
	}
	edit(t, w.path(two), func([]byte) []byte { return b })
	got, _, warnings, err := w.cat(audit.Filter{})
	if err == nil || got != "first\n" || len(warnings) != 1 || !strings.Contains(warnings[0], "checksum") {
		t.Errorf("%v, %q, %q", err, got, warnings)
	}
}

func TestForeignFilesAreNamed(t *testing.T) {
	w := newWorld(t)
	key := w.add("one", day, batch(source("web-1", 'a'), 0, "first\n", day))
	foreign := key[:strings.LastIndexByte(key, '/')+1] + "part-0.parquet"
	edit(t, w.path(key), func(b []byte) []byte {
		if err := os.WriteFile(w.path(foreign), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return b
	})
	got, _, warnings, err := w.cat(audit.Filter{})
	if err != nil || got != "first\n" || len(warnings) != 1 || !strings.Contains(warnings[0], "part-0.parquet") {
		t.Errorf("%v, %q, %q", err, got, warnings)
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("full")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestCatStopsWhenTheOutputFails(t *testing.T) {
	w := newWorld(t)
	w.add("one", day, batch(source("web-1", 'a'), 0, strings.Repeat("line\n", 200_000), day))
	_, err := audit.Cat(t.Context(), w.store, &failingWriter{left: 300_000}, audit.CatOptions{Warn: func(error) {}})
	if !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestCatStopsWhenAsked(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.add("one", day.Add(time.Duration(i)*time.Minute), batch(source("web-1", 'a'), 0, "x\n", day))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := audit.Cat(ctx, w.store, &failingWriter{}, audit.CatOptions{Warn: func(error) {}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
