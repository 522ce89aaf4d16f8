package audit_test

import (
	"bytes"
	"cmp"
	"context"
	rand2 "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
	"github.com/loghaul/loghaul/sinks"
)

// rawRender renders lines as HAProxy wrote them.
func rawRender() func(dst []byte, r *archive.Row) []byte {
	return func(dst []byte, r *archive.Row) []byte {
		dst = append(dst, r.Message...)
		if r.Ends() {
			dst = append(dst, '\n')
		}
		return dst
	}
}

// tangle fills w with objects whose ranges overlap, with lines that come twice,
// lines without a date, and lines of one identity that differ.
func tangle(w *world, random *rand.Rand, objects int) (keys []string) {
	w.t.Helper()
	var texts [3]string // of three sources, the same whenever they are read
	for i := range texts {
		var b strings.Builder
		at := day.Add(time.Duration(i) * time.Second)
		for range 400 {
			at = at.Add(time.Duration(random.IntN(300)) * time.Second / 100)
			switch n := random.IntN(500); {
			case n < 40:
				fmt.Fprintf(&b, "Server api/s%d is DOWN, reason: Layer4 timeout, check duration: %dms. 1 active and 0 backup servers left. 3 sessions active, 0 requeued, 0 remaining in queue.\n", n%3, n)
			case n < 60:
				fmt.Fprintf(&b, "nobody's format %d \xff\n", n)
			case n < 80:
				fmt.Fprintf(&b, "<134>%s haproxy[7]: %s", at.Format("Jan _2 15:04:05"), httplog(at, n))
			case n < 90:
				b.WriteString(strings.Replace(httplog(at, n), "/item", "/\xff\xfe", 1))
			default:
				b.WriteString(httplog(at, n))
			}
		}
		texts[i] = b.String()
	}
	for n := range objects {
		sealed := day.Add(time.Duration(n) * time.Minute)
		var batches []archive.Batch
		for range 1 + random.IntN(3) {
			i := random.IntN(len(texts))
			lines := strings.SplitAfter(texts[i], "\n")
			first := random.IntN(len(lines) - 2)
			last := min(len(lines)-1, first+1+random.IntN(120))
			from := len(strings.Join(lines[:first], ""))
			text := strings.Join(lines[first:last], "")
			if random.IntN(5) == 0 { // somebody wrote another thing in its place
				text = strings.Replace(text, "GET", "PUT", 1)
			}
			src := source(fmt.Sprintf("web-%d", i%2), rune('a'+i))
			batches = append(batches, batch(src, int64(from), text, sealed.Add(-time.Duration(random.IntN(1000))*time.Second)))
		}
		keys = append(keys, w.add(fmt.Sprintf("agg-%d", n%2), sealed, batches...))
	}
	return keys
}

// sign writes manifests for objects, signed by s; without, they know nothing of
// every seventh but its checksum, as of those that waited too long for theirs.
func (w *world) sign(s *manifest.Signer, keys ...string) {
	w.t.Helper()
	w.signFrom(s, 0, keys...)
}

// signFrom is sign for manifests that begin some time behind the hour.
func (w *world) signFrom(s *manifest.Signer, after time.Duration, keys ...string) {
	w.t.Helper()
	sum, err := archive.NewSummarizer()
	if err != nil {
		w.t.Fatal(err)
	}
	by := map[string][]*manifest.Entry{}
	for n, key := range keys {
		body, err := os.ReadFile(w.path(key))
		if err != nil {
			w.t.Fatal(err)
		}
		summary, err := sum.Summarize(body)
		if err != nil {
			w.t.Fatal(err)
		}
		if s == nil && n%7 == 6 {
			summary = nil
		}
		e := manifest.NewEntry(key, int64(len(body)), [32]byte{}, summary)
		k, err := archive.ParseKey(key)
		if err != nil {
			w.t.Fatal(err)
		}
		hour := k.Writer + k.Sealed.Format(" 2006-01-02T15")
		by[hour] = append(by[hour], e)
	}
	for hour, entries := range by {
		writer, at, _ := strings.Cut(hour, " ")
		from, err := time.Parse("2006-01-02T15", at)
		if err != nil {
			w.t.Fatal(err)
		}
		m := &manifest.Manifest{Writer: writer, Sequence: 1, From: from.Add(after), To: from.Add(time.Hour), Made: from.Add(time.Hour)}
		b, _, err := manifest.Encode(m, entries, s)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.Write(w.t.Context(), &sinks.Group{Key: m.Key(), Body: b, SHA256: sha256.Sum256(b)}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// expected is what Find has to write, by reading every row of every object.
func expected(t testing.TB, w *world, o audit.FindOptions) (lines []string) {
	t.Helper()
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
	type row struct {
		at     int64
		source wire.Source
		offset int64
		text   string
	}
	var rows []row
	seen := map[row]bool{}
	render := rawRender()
	matches := func(*filter.Line) bool { return true }
	if o.Where != nil {
		matches = o.Where.Matcher().Match
	}
	var line filter.Line
	for _, object := range objects {
		if err := object.r.Rows(func(r *archive.Row) error {
			r.Line(&line)
			f := &o.Filter
			if !matches(&line) || !f.From.IsZero() && r.At() < f.From.UnixMilli() || !f.To.IsZero() && r.At() >= f.To.UnixMilli() ||
				f.Node != "" && f.Node != r.Source.Node || !strings.HasPrefix(r.Source.ID, f.Source) {
				return nil
			}
			one := row{0, r.Source, r.Offset, string(render(nil, r))}
			if !seen[one] {
				seen[one] = true
				one.at = r.At()
				rows = append(rows, one)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.source.Node, b.source.Node), cmp.Compare(a.source.ID, b.source.ID),
			cmp.Compare(a.offset, b.offset), cmp.Compare(a.text, b.text))
	})
	for _, r := range rows {
		lines = append(lines, r.text)
	}
	return lines
}

// find gives what Find writes.
func find(t testing.TB, store audit.Store, o audit.FindOptions) (string, audit.FindReport) {
	t.Helper()
	var out bytes.Buffer
	o.Render, o.TempDir = rawRender, t.TempDir()
	if o.Warn == nil {
		o.Warn = func(err error) { t.Error(err) }
	}
	report, err := audit.Find(t.Context(), store, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), report
}

func parse(t testing.TB, text string) *filter.Filter {
	t.Helper()
	if text == "" {
		return nil
	}
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// TestFind compares what Find writes and counts with what reading every row
// gives, over random archives full of duplicates, random filters and bounds, with
// little memory and with much, with manifests and without.
func TestFind(t *testing.T) {
	filters := []string{
		"", "ST=200", "Ta>2s", "HP~/item/1", "HM=PUT", "not HM=PUT", "ci=203.0.113.7", "ci=203.0.113.8", "ci=203.0.113.0/24 Tr<100", "b=api or raw~DOWN",
		"raw~nobody", "HP!~7", "syslog_tag=haproxy", "node=web-1 cp<40050", "s=s1 (Tr=3 or Tr=5 or Tr>=490)", "format=event", "ID=nothing", "B>1kB",
	}
	seeds := uint64(4)
	if testing.Short() {
		seeds = 2 // one without manifests, one with
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable
			w := newWorld(t)
			keys := tangle(w, random, 10)
			if seed%2 == 1 {
				w.sign(nil, keys[:7]...)
			}
			for i, text := range filters {
				if (int(seed)+i)%2 == 1 { //nolint:gosec // small
					continue
				}
				o := audit.FindOptions{Where: parse(t, text), Memory: 1 << (10 + random.IntN(16)), Parallel: 1 + random.IntN(6)}
				if random.IntN(3) == 0 {
					o.Filter.From = day.Add(time.Duration(random.IntN(600)) * time.Second)
					o.Filter.To = o.Filter.From.Add(time.Duration(random.IntN(600)) * time.Second)
				}
				switch (int(seed) + i) % 8 { //nolint:gosec // small
				case 0:
					o.Filter.Node = "web-1"
				case 1:
					o.Filter.Source = source("", 'b').ID
				}
				want := expected(t, w, o)
				got, report := find(t, w.store, o)
				if got != strings.Join(want, "") {
					t.Fatalf("%q %+v: %s", text, o.Filter, differs(got, strings.Join(want, "")))
				}
				if int(report.Lines) != len(want) {
					t.Errorf("%q: %d lines are reported, %d written", text, report.Lines, len(want))
				}
				n := random.IntN(len(want) + 2)
				limited, tailed := o, o
				limited.Limit, tailed.Tail = int64(n), int64(n)
				if n > 0 {
					if got, _ := find(t, w.store, limited); got != strings.Join(want[:min(n, len(want))], "") {
						t.Errorf("%q, the first %d: %s", text, n, differs(got, strings.Join(want[:min(n, len(want))], "")))
					}
					if got, _ := find(t, w.store, tailed); got != strings.Join(want[max(0, len(want)-n):], "") {
						t.Errorf("%q, the last %d: %s", text, n, differs(got, strings.Join(want[max(0, len(want)-n):], "")))
					}
				}
				counted, err := audit.Find(t.Context(), w.store, nil, func() audit.FindOptions { o.Warn = func(err error) { t.Error(err) }; return o }())
				if err != nil || int(counted.Lines) != len(want) || counted.Duplicates != report.Duplicates {
					t.Errorf("%q: counted %d lines and %d duplicates of %d and %d: %v", text, counted.Lines, counted.Duplicates, len(want), report.Duplicates, err)
				}
			}
		})
	}
}

func differs(got, want string) string {
	a, b := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d of %d is %q, want %q of %d", i, len(a)-1, a[i], b[i], len(b)-1)
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a)-1, len(b)-1)
}

// TestFindLeavesObjectsOut: by what, and how little is read then.
func TestFindLeavesObjectsOut(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for i := range 20 {
		at := day.Add(time.Duration(i) * 10 * time.Minute)
		var b strings.Builder
		for j := range 500 {
			b.WriteString(strings.Replace(httplog(at.Add(time.Duration(j)*time.Second), j), "203.0.113.7", fmt.Sprintf("10.%d.%d.%d", i, j%7, j%50), 1))
		}
		keys = append(keys, w.add("agg", at.Add(9*time.Minute), batch(source("web-1", 'a'), int64(i)<<20, b.String(), at.Add(9*time.Minute))))
	}
	where := parse(t, "ci=10.3.2.9")
	want := expected(t, w, audit.FindOptions{Where: where})
	if len(want) == 0 {
		t.Fatal("nothing to find")
	}
	check := func(t *testing.T, o audit.FindOptions, pruned map[string]int) audit.FindReport {
		t.Helper()
		o.Where = where
		got, report := find(t, w.store, o)
		if got != strings.Join(want, "") {
			t.Error(differs(got, strings.Join(want, "")))
		}
		for by, n := range pruned {
			if report.Pruned[by] != n {
				t.Errorf("%d objects left out by %s, want %d: %v", report.Pruned[by], by, n, report.Pruned)
			}
		}
		return report
	}
	plain := check(t, audit.FindOptions{}, nil)
	if plain.Candidates > 3 {
		t.Errorf("%d objects are candidates: %v", plain.Candidates, plain.Pruned)
	}
	s, keyring := newKeys(t)
	w.sign(s, keys[:19]...)
	managed := check(t, audit.FindOptions{Keys: keyring}, nil)
	if managed.Candidates > 3 || managed.Manifests == 0 || managed.Requests > plain.Requests-10 {
		t.Errorf("%d candidates and %d requests by %d manifests: %v", managed.Candidates, managed.Requests, managed.Manifests, managed.Pruned)
	}
	w.signFrom(s, time.Minute, keys[3]) // again, in a supplement's place
	if again := check(t, audit.FindOptions{Keys: keyring}, nil); again.Duplicates != 0 {
		t.Errorf("%d duplicates", again.Duplicates)
	}
	// Manifests that are not signed as they should be are not believed.
	_, others := newKeys(t)
	var mu sync.Mutex
	var warnings []error
	distrusted := check(t, audit.FindOptions{Keys: others, Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, err)
	}}, nil)
	if len(warnings) != 1 || !errors.Is(warnings[0], manifest.ErrUnknownKey) || distrusted.Manifests != 0 || distrusted.Requests < plain.Requests {
		t.Errorf("warnings %v, %d manifests, %d requests", warnings, distrusted.Manifests, distrusted.Requests)
	}
	check(t, audit.FindOptions{Keys: keyring, Filter: audit.Filter{From: day.Add(30 * time.Minute), To: day.Add(40 * time.Minute)}}, map[string]int{"manifest: time": 18})
}

func newKeys(t *testing.T) (*manifest.Signer, *manifest.Keyring) {
	t.Helper()
	private, public, err := manifest.Generate(rand2.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := manifest.ParseSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := manifest.ParseKeyring(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, k
}

// TestFindGoesOn: what cannot be read is named, and the rest is found.
func TestFindGoesOn(t *testing.T) {
	w := newWorld(t)
	keys := tangle(w, rand.New(rand.NewPCG(1, 2)), 6) //nolint:gosec // repeatable
	cut, err := os.ReadFile(w.path(keys[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.path(keys[1]), cut[:len(cut)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	flipped, err := os.ReadFile(w.path(keys[3]))
	if err != nil {
		t.Fatal(err)
	}
	flipped[len(flipped)/3] ^= 1
	if err := os.WriteFile(w.path(keys[3]), flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	whole := newWorld(t)
	for _, i := range []int{0, 2, 4, 5} {
		b, err := os.ReadFile(w.path(keys[i]))
		if err != nil {
			t.Fatal(err)
		}
		if err := whole.store.Write(t.Context(), &sinks.Group{Key: keys[i], Body: b, SHA256: sha256.Sum256(b)}); err != nil {
			t.Fatal(err)
		}
	}
	o := audit.FindOptions{Where: parse(t, "")}
	want := strings.Join(expected(t, whole, o), "")
	var out bytes.Buffer
	var mu sync.Mutex
	var named []string
	o.Render = rawRender
	o.Warn = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		named = append(named, err.Error())
	}
	_, err = audit.Find(t.Context(), w.store, &out, o)
	var incomplete *audit.IncompleteError
	if !errors.As(err, &incomplete) || incomplete.Objects != 2 {
		t.Errorf("error %v", err)
	}
	if all := strings.Join(named, "\n"); len(named) != 2 || !strings.Contains(all, keys[1]) || !strings.Contains(all, keys[3]) {
		t.Errorf("warnings: %s", all)
	}
	if out.String() != want {
		t.Error(differs(out.String(), want))
	}
}

// TestFindEndsWithItsWriter: an error of the writer, and the end of the context,
// end everything.
func TestFindEndsWithItsWriter(t *testing.T) {
	w := newWorld(t)
	tangle(w, rand.New(rand.NewPCG(3, 2)), 6) //nolint:gosec // repeatable
	o := audit.FindOptions{Where: parse(t, ""), Render: rawRender, Warn: func(err error) { t.Error(err) }}
	if _, err := audit.Find(t.Context(), w.store, broken{}, o); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(*audit.FindReport) { cancel() }
	if _, err := audit.Find(ctx, w.store, &bytes.Buffer{}, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// TestFindTable finds the same lines, in the same order, as rows of a Parquet
// file, which another library reads.
func TestFindTable(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // repeatable
	tangle(w, random, 12)
	for _, text := range []string{"", "ST>=400", "ST=999"} {
		o := audit.FindOptions{}
		if text != "" {
			f, err := filter.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			o.Where = f
		}
		o.Render = func() func([]byte, *archive.Row) []byte {
			return func(dst []byte, r *archive.Row) []byte {
				status := int64(-1)
				if r.Record != nil {
					for i, field := range r.Record.Format.Fields() {
						if v := r.Record.Values[i]; field.Alias == "ST" && v.State&parser.Present != 0 {
							status = v.Int
						}
					}
				}
				return fmt.Appendf(dst, "%s %d %s %d\n", r.Source.ID, r.Offset, r.Format, status)
			}
		}
		var lines, file bytes.Buffer
		want, err := audit.Find(t.Context(), w.store, &lines, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audit.FindTable(t.Context(), w.store, &file, o, "0.0.1")
		if err != nil || got.Lines != want.Lines || got.Duplicates != want.Duplicates {
			t.Errorf("%q: %d lines, %d duplicates (%v), want %d and %d", text, got.Lines, got.Duplicates, err, want.Lines, want.Duplicates)
		}
		type row struct {
			Source string  `parquet:"source"`
			Offset int64   `parquet:"offset"`
			Format *string `parquet:"format"`
			Status *int32  `parquet:"status"`
		}
		rows, err := pq.Read[row](bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var read strings.Builder
		for _, r := range rows {
			format, status := "", int32(-1)
			if r.Format != nil {
				format = *r.Format
			}
			if r.Status != nil {
				status = *r.Status
			}
			fmt.Fprintf(&read, "%s %d %s %d\n", r.Source, r.Offset, format, status)
		}
		if d := gocmp.Diff(strings.SplitAfter(lines.String(), "\n"), strings.SplitAfter(read.String(), "\n")); d != "" {
			t.Errorf("%q (-lines +rows)\n%s", text, d)
		}
	}
	_, err := audit.FindTable(t.Context(), w.store, io.Discard, audit.FindOptions{Memory: 1000}, "0.0.1")
	if err == nil || !strings.Contains(err.Error(), "audit compact") {
		t.Errorf("more rows than fit: %v", err)
	}
}
