package archive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// TestSelectIsTheFilter compares what Select finds by columns, over the whole
// corpus and with many random filters, with what the filter says of each row by
// itself.
func TestSelectIsTheFilter(t *testing.T) {
	for path, spec := range corpusLogs(t) {
		name, _ := filepath.Rel(corpusDir, path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := readCorpus(t, path)
			if len(raw) > 64<<10 {
				raw = raw[:64<<10]
			}
			formats := wellKnown(t)
			if f := otherFormat(spec, formats); f != nil {
				formats = append([]*parser.Format{f}, formats...)
			}
			o, err := newEncoder(t, formats...).Encode(cut(1, raw, 50_000), sealed)
			if err != nil {
				t.Fatal(err)
			}
			askRandomly(t, o.Body, 14, uint64(len(name)))
		})
	}
}

// TestSelectOverPages has columns of several pages.
func TestSelectOverPages(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/httplog-200k.log.zst")
	var b bytes.Buffer
	n := 0
	for line := range bytes.Lines(raw) {
		if n++; n%3 == 0 {
			fmt.Fprintf(&b, "nobody's line %d %s", n, line[:min(len(line), 120)])
			b.WriteByte('\n')
		}
		if n%50 == 0 {
			line = bytes.Replace(line, []byte("GET /"), []byte("GET /\xff"), 1)
		}
		b.Write(line)
		if b.Len() > 8<<20 {
			break
		}
	}
	o, err := newEncoder(t, wellKnown(t)...).Encode(cut(1, b.Bytes(), 1<<20), sealed)
	if err != nil {
		t.Fatal(err)
	}
	askRandomly(t, o.Body, 12, 1)
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	q := &Query{}
	q.From, q.To = AnyTime()
	s, err := r.Select(q)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.load(colRaw); err != nil {
		t.Fatal(err)
	}
	if pages = len(s.walk.columns[colRaw].pages); pages < 2 {
		t.Errorf("%d pages", pages)
	}
}

// TestSelectWhereColumnsCannotTell has texts that are not UTF-8, which no column
// holds, events, and frontends of one format that capture different headers.
func TestSelectWhereColumnsCannotTell(t *testing.T) {
	var formats []*parser.Format
	for _, c := range []parser.Captures{{Request: []string{"Host", "Agent"}}, {Request: []string{"Agent", "Host", "Referer"}}} {
		f, err := parser.CompileWith("httplog", parser.Options{Captures: &c})
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	const line = `1.2.3.4:%d [22/Nov/2026:16:17:55.857] fe be/s%d 0/0/0/1/1 200 %d - - ---- 1/1/0/0/0 0/0 {%s} "GET /%s HTTP/1.1"` + "\n"
	var b bytes.Buffer
	for i := range 300 {
		fmt.Fprintf(&b, line, 1000+i, i%3, i, "a|b", "x")
		fmt.Fprintf(&b, line, 2000+i, i%3, i, "a|b|c", "y")
		fmt.Fprintf(&b, line, 3000+i, i%3, i, "b|a", "z")
		fmt.Fprintf(&b, "Server be/s%d is DOWN, changed from \xff. 1 active\n", i%3)
		fmt.Fprintf(&b, "nothing known %d\n", i)
	}
	o, err := newEncoder(t, formats...).Encode(cut(1, b.Bytes(), 10_000), sealed)
	if err != nil {
		t.Fatal(err)
	}
	var filters []*filter.Filter
	texts := []string{
		`HP^=/`, `HP=*`, `HP!=*`, `b=be`, `b~e`, `s=s1`, `message~changed`, `message~"\xff"`, `not message~"\xff"`, `message=*`, `message!=*`, `message^=Server s=s1`,
		`req.Host=a`, `req.Host=b`, `req.Host!=a`, `req.Host=* cp<2100`, `req.Agent=a or HP=/x`, `req.Referer=c`, `req.1=a`, `raw~DOWN`, `raw~"\xff" s=s2`, `format=event`, `format!=*`,
		`s=s1 not raw~known`,
	}
	for _, text := range texts {
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		filters = append(filters, f)
	}
	want := matching(t, o.Body, filters)
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range filters {
		if got := selected(t, r, f); !slices.Equal(got, want[i]) || len(got) == 0 {
			t.Errorf("%s: by columns %d rows, by lines %d", texts[i], len(got), len(want[i]))
		}
	}
}

// askRandomly asks an object n random filters that its rows suggest.
func askRandomly(t *testing.T, body []byte, n int, seed uint64) {
	t.Helper()
	rows := sampleRows(t, body)
	random := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // repeatable
	var filters []*filter.Filter
	for range n {
		text := randomFilter(random, rows)
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		filters = append(filters, f)
	}
	want := matching(t, body, filters)
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, f := range filters {
		got := selected(t, r, f)
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s: by columns %d rows, by lines %d; the first that differs is %s", f, len(got), len(want[i]), differs(t, body, got, want[i]))
		}
		found += len(got)
	}
	if found == 0 && len(rows) > 0 {
		t.Error("no filter found anything")
	}
}

// selected gives the rows that Select finds, and checks that Count agrees.
func selected(t testing.TB, r *Reader, f *filter.Filter) (rows []int) {
	t.Helper()
	q := &Query{Where: f}
	q.From, q.To = AnyTime()
	s, err := r.Select(q)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Rows(func(r *Row) error { rows = append(rows, r.Index); return nil }); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(); err != nil || n != len(rows) {
		t.Errorf("counted %d rows of %d: %v", n, len(rows), err)
	}
	return rows
}

// matching gives the rows that pass each filter by themselves.
func matching(t testing.TB, body []byte, filters []*filter.Filter) [][]int {
	t.Helper()
	var line filter.Line
	rows := make([][]int, len(filters))
	matchers := make([]*filter.Matcher, len(filters))
	for i, f := range filters {
		matchers[i] = f.Matcher()
	}
	eachRow(t, body, func(r *Row) {
		r.Line(&line)
		for i, m := range matchers {
			if m.Match(&line) {
				rows[i] = append(rows[i], r.Index)
			}
		}
	})
	return rows
}

func differs(t *testing.T, body []byte, a, b []int) (what string) {
	t.Helper()
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	row := -1
	for _, l := range [][]int{a, b} {
		if i < len(l) && (row < 0 || l[i] < row) {
			row = l[i]
		}
	}
	eachRow(t, body, func(r *Row) {
		if r.Index == row {
			what = fmt.Sprintf("row %d, format %q: %q", row, r.Format, r.Raw)
		}
	})
	return what
}

// sampleRow is what random filters are made of.
type sampleRow struct {
	texts  []string // values
	fields map[string]string
}

func sampleRows(t *testing.T, body []byte) (rows []sampleRow) {
	t.Helper()
	eachRow(t, body, func(r *Row) {
		if r.Index%7 != 0 && r.Index > 200 {
			return
		}
		s := sampleRow{fields: map[string]string{}}
		words := strings.FieldsFunc(string(r.Message), func(c rune) bool { return strings.ContainsRune(" \"{}|[]", c) })
		s.texts = append(s.texts, words...)
		if r.Record != nil {
			for i, f := range r.Record.Format.Fields() {
				v := &r.Record.Values[i]
				if v.State&parser.Present == 0 || f.Alias == "" {
					continue
				}
				switch f.Kind {
				case parser.KindInt:
					s.fields[f.Alias] = fmt.Sprint(v.Int)
				case parser.KindText, parser.KindAddr, parser.KindRequest:
					s.fields[f.Alias] = string(v.Text)
				case parser.KindDate, parser.KindList:
				}
			}
		}
		rows = append(rows, s)
	})
	return rows
}

// randomFilter makes a filter out of values that the rows have.
func randomFilter(random *rand.Rand, rows []sampleRow) string {
	pick := func(list []string) string {
		if len(list) == 0 {
			return "x"
		}
		return list[random.IntN(len(list))]
	}
	known := filter.Names()
	test := func() string {
		row := rows[random.IntN(len(rows))]
		name, value := pick(known), pick(row.texts)
		if len(row.fields) > 0 && random.IntN(4) > 0 {
			var names []string
			for n := range row.fields {
				names = append(names, n)
			}
			slices.Sort(names)
			name = pick(names)
			value = row.fields[name]
		}
		if len(value) > 2 && random.IntN(3) == 0 {
			from := random.IntN(len(value) - 1)
			value = value[from : from+1+random.IntN(len(value)-from)]
		}
		op := pick([]string{"=", "!=", "~", "!~", "^=", "$=", ">", ">=", "<", "<="})
		for _, try := range []string{name + op + quote(value), name + "=" + quote(value), name + "~" + quote(value), name + pick([]string{">=0", "!=*", ">3000000000", "<=3000000000"}), name} {
			if _, err := filter.Parse(try); err == nil {
				return try
			}
		}
		return "ST>=0"
	}
	var make func(depth int) string
	make = func(depth int) string {
		switch n := random.IntN(6); {
		case depth == 0 || n < 3:
			return test()
		case n == 3:
			return "not (" + make(depth-1) + ")"
		case n == 4:
			return "(" + make(depth-1) + " or " + make(depth-1) + ")"
		}
		return "(" + make(depth-1) + " and " + make(depth-1) + ")"
	}
	return make(3)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "?")) + `"`
}

// TestLongSessions asks for times that do not fit into their columns: more than
// 24 days. The line keeps its bytes, and is found.
func TestLongSessions(t *testing.T) {
	line := func(ta string) string {
		return `10.0.0.1:5 [26/Nov/2026:04:00:00.000] fe be/s1 0/0/0/1/` + ta + ` 200 1 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"` + "\n"
	}
	o, err := newEncoder(t, wellKnown(t)...).Encode([]Batch{batch(1, 0, []byte(line("1")+line("3000000000")+line("7")))}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if o.RawKept != 1 {
		t.Fatalf("%d lines keep their bytes, want 1", o.RawKept)
	}
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	summarizer, err := NewSummarizer()
	if err != nil {
		t.Fatal(err)
	}
	summary, err := summarizer.Summarize(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int{
		"Ta>20d": {1}, "Ta=3000000000": {1}, "Ta=*": {0, 1, 2}, "Ta!=*": nil, "Ta<2s": {0, 2}, "not Ta>20d": {0, 2},
		"Ta!=3000000000": {0, 2}, "Ta=7..4000000000": {1, 2}, "Ta=8..9": nil, "ST>=500": nil, "Ta>20d ST=200": {1},
	} {
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := selected(t, r, f); !slices.Equal(got, want) {
			t.Errorf("%s: rows %v, want %v", text, got, want)
		}
		q := &Query{Where: f}
		q.From, q.To = AnyTime()
		if by := summary.Excluded(q, func(string, [][]byte) bool { return true }); by != "" && len(want) > 0 {
			t.Errorf("%s: the summary leaves the object out by %s", text, by)
		}
	}
	q := &Query{Where: must(filter.Parse("ST>=500"))}
	q.From, q.To = AnyTime()
	if by := summary.Excluded(q, func(string, [][]byte) bool { return true }); by == "" {
		t.Error("a line that keeps its bytes keeps the object from being left out by its status")
	}
}

func must(f *filter.Filter, err error) *filter.Filter {
	if err != nil {
		panic(err)
	}
	return f
}

// TestSelectRows asks for rows by their numbers, alone and with a filter.
func TestSelectRows(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/http/httplog.log.gz")
	o, err := newEncoder(t, wellKnown(t)...).Encode(cut(2, raw, 50_000), sealed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := filter.Parse("ST>=400")
	if err != nil {
		t.Fatal(err)
	}
	wanted := [][2]int{{0, 1}, {60, 70}, {65, 70}, {100, 100}, {o.Lines - 1, o.Lines}}
	for _, where := range []*filter.Filter{nil, f} {
		q := &Query{Rows: wanted, Where: where}
		q.From, q.To = AnyTime()
		var want []int
		for _, row := range selected(t, r, where) {
			if slices.ContainsFunc(wanted, func(w [2]int) bool { return row >= w[0] && row < w[1] }) {
				want = append(want, row)
			}
		}
		s, err := r.Select(q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		if err := s.Rows(func(row *Row) error { got = append(got, row.Index); return nil }); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("filter %v: rows %v, want %v", where, got, want)
		}
	}
}
