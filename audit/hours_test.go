package audit_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
)

// slowly gives lines of some sources over two days, in objects that overlap in
// time, with repeats, and a line of long ago and one of the future.
func slowly(w *world, random *rand.Rand) {
	w.t.Helper()
	var texts [3][]string
	for i := range texts {
		at := day.Add(time.Duration(i) * time.Minute)
		for n := range 300 {
			at = at.Add(time.Duration(random.IntN(20)) * time.Minute)
			texts[i] = append(texts[i], httplog(at, n))
		}
		texts[i][100] = httplog(day.AddDate(-10, 0, 0), 1)
		texts[i][101] = httplog(day.AddDate(10, 0, 0), 2)
		texts[i][102] = "no format at all\n"
	}
	for n := range 25 {
		i := random.IntN(3)
		first := random.IntN(250)
		last := min(300, first+1+random.IntN(100))
		text := strings.Join(texts[i][first:last], "")
		sealed := day.Add(time.Duration(50+n) * time.Hour)
		// What is read again has the same time.
		w.add("agg-1", sealed, batch(source("web-"+string(rune('0'+i)), rune('a'+i)), int64(len(strings.Join(texts[i][:first], ""))), text, day.Add(40*time.Hour)))
	}
}

// everyHour counts by reading every row.
func everyHour(t testing.TB, w *world, o audit.HoursOptions) []audit.HourCount {
	t.Helper()
	type id struct {
		node, source string
		offset       int64
	}
	type object struct {
		key string
		lo  int64
		r   *archive.Reader
	}
	var objects []object
	for _, key := range w.keys() {
		body, err := os.ReadFile(w.path(key))
		if err != nil {
			t.Fatal(err)
		}
		r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		lo, _ := r.Times()
		objects = append(objects, object{key, lo, r})
	}
	slices.SortFunc(objects, func(a, b object) int { return cmp.Or(cmp.Compare(a.lo, b.lo), strings.Compare(a.key, b.key)) })
	seen, counts := map[id]bool{}, map[audit.HourCount]*audit.HourCount{}
	for _, object := range objects {
		known := func(int) bool { return false }
		if o.Known != nil {
			known = o.Known(object.key)
		}
		if err := object.r.Rows(func(r *archive.Row) error {
			at := time.UnixMilli(r.At()).UTC()
			if !o.Filter.From.IsZero() && at.Before(o.Filter.From) || !o.Filter.To.IsZero() && !at.Before(o.Filter.To) {
				return nil
			}
			this := id{r.Source.Node, r.Source.ID, r.Offset}
			if seen[this] {
				return nil
			}
			seen[this] = true
			key := audit.HourCount{Hour: at.Truncate(time.Hour), Node: r.Source.Node, Source: r.Source.ID, Path: r.Source.Path}
			n := counts[key]
			if n == nil {
				n = &audit.HourCount{Hour: key.Hour, Node: key.Node, Source: key.Source, Path: key.Path}
				counts[key] = n
			}
			switch {
			case o.Leave != nil && o.Leave()(r, object.key):
				n.Without++
			default:
				n.Lines++
				if known(r.Index) {
					n.Known++
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var all []audit.HourCount
	for _, n := range counts {
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b audit.HourCount) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Source, b.Source))
	})
	return all
}

func hours(t testing.TB, store audit.Store, o audit.HoursOptions) (all []audit.HourCount, report audit.FindReport) {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(err error) { t.Error(err) }
	}
	report, err := audit.Hours(t.Context(), store, o, func(n audit.HourCount) error { all = append(all, n); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, report
}

// TestHours compares what Hours counts with what reading every row gives.
func TestHours(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	w, signed := newWorld(t), newWorld(t)
	slowly(w, random)
	signer, _ := newKeys(t)
	signed.sign(signer, tangle(signed, random, 20)...)
	odd := func(string) func(int) bool { return func(row int) bool { return row%2 == 1 } }
	leave := func() func(*archive.Row, string) bool {
		return func(r *archive.Row, _ string) bool { return bytes.Contains(r.Message, []byte("7")) }
	}
	var without, known int64
	for _, world := range []*world{w, signed} {
		for n, o := range []audit.HoursOptions{
			{},
			{Memory: 1},
			{Filter: audit.Filter{From: day.Add(90 * time.Minute), To: day.Add(20*time.Hour + 59*time.Second)}},
			{Filter: audit.Filter{To: day}},
			{Known: odd},
			{Leave: leave, Known: odd},
		} {
			want := everyHour(t, world, o)
			got, report := hours(t, world.store, o)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("%d (-want +got):\n%s", n, diff)
			}
			for _, c := range got {
				without, known = without+c.Without, known+c.Known
			}
			if n == 0 && (report.Duplicates == 0 || len(got) == 0) {
				t.Errorf("nothing comes twice: %+v", report)
			}
		}
	}
	if without == 0 || known == 0 {
		t.Errorf("%d lines left out, %d known: the test shows nothing", without, known)
	}
}

// TestHoursReadLittle: without rules the lines themselves are not read.
func TestHoursReadLittle(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 5000 {
		path := fmt.Sprintf("/item/%x%x%x%x", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
		b.WriteString(strings.Replace(httplog(day.Add(time.Duration(n)*time.Second), n), "/item/", path, 1))
	}
	w.add("agg-1", day.Add(6*time.Hour), batch(source("web-1", 'a'), 0, b.String(), day))
	info, err := os.Stat(w.path(w.keys()[0]))
	if err != nil {
		t.Fatal(err)
	}
	_, report := hours(t, w.store, audit.HoursOptions{})
	if report.BytesRead > info.Size()/2 {
		t.Errorf("%d bytes of %d are read", report.BytesRead, info.Size())
	}
}

func TestHoursGoesOn(t *testing.T) {
	w := newWorld(t)
	a := w.add("agg-1", day, batch(source("web-1", 'a'), 0, httplog(day, 1), day))
	w.add("agg-1", day.Add(time.Hour), batch(source("web-1", 'b'), 0, httplog(day, 1), day))
	edit(t, w.path(a), func(b []byte) []byte { return b[:len(b)/2] })
	var warned atomic.Int32
	var got []audit.HourCount
	_, err := audit.Hours(t.Context(), w.store, audit.HoursOptions{Warn: func(error) { warned.Add(1) }}, func(n audit.HourCount) error { got = append(got, n); return nil })
	var incomplete *audit.IncompleteError
	if !errors.As(err, &incomplete) || warned.Load() != 1 || len(got) != 1 || got[0].Source != source("web-1", 'b').ID {
		t.Errorf("%v, %d warnings, %v", err, warned.Load(), got)
	}
	enough := errors.New("enough")
	if _, err := audit.Hours(t.Context(), w.store, audit.HoursOptions{Warn: func(error) {}}, func(audit.HourCount) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v of emit", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Hours(ctx, w.store, audit.HoursOptions{Warn: func(error) {}}, func(audit.HourCount) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an ended context", err)
	}
}
