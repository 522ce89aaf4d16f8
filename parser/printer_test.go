package parser

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// printed prints a record beside others, which must not change it.
func printed(p *Printer, f *Format, r *Record) []byte {
	var lone []Value
	if r.Lone.State != 0 {
		lone = []Value{{}, r.Lone, r.Lone}
	}
	p.Begin(f, 2, 5, lone)
	for i := range f.fields {
		p.Field(i, []Value{{}, r.Values[i], r.Values[i]})
	}
	return p.Line(3)
}

// printedByColumn is printed for a caller that has numbers and texts by their codes, and requests in pieces.
func printedByColumn(p *Printer, f *Format, r *Record) []byte {
	var lone []Value
	if r.Lone.State != 0 {
		lone = []Value{{}, r.Lone, r.Lone}
	}
	p.Begin(f, 2, 5, lone)
	for i := range f.fields {
		v := r.Values[i]
		numbers := []int32{7, int32(v.Int)}
		list := f.Print(nil, i, numbers)
		switch usual := v.State == Present && (r.Lone.State == 0 || f.fields[i].Kind != KindList); {
		case list != nil && usual && int64(numbers[1]) == v.Int:
			p.Numbers(i, []int32{0, 1, 1}, numbers, list)
		case f.fields[i].Kind == KindRequest && f.PrintsText(i):
			values := []Value{{}, v, v}
			parts := make([][]Value, 4)
			for j := range parts {
				parts[j] = make([]Value, len(values))
			}
			method, path, query, version, hasQuery, ok := SplitRequest(v.Text)
			for k := 1; ok && v.State == Present && k < len(values); k++ {
				values[k] = Value{}
				parts[0][k], parts[1][k] = Value{Text: method, State: Present}, Value{Text: path, State: Present}
				if hasQuery {
					parts[2][k] = Value{Text: query, State: Present}
				}
				if version != nil {
					parts[3][k] = Value{Text: version, State: Present}
				}
			}
			p.Pieces(i, values, parts, "  ? ")
		case f.fields[i].Kind == KindList && f.PrintsText(i) && usual && v.Int == int64(bytes.Count(v.Text, []byte{'|'}))+1:
			values := []Value{{}, v, v}
			var parts [][]Value
			for item := range v.Items {
				parts = append(parts, []Value{{}, {Text: item, State: Present}, {Text: item, State: Present}})
			}
			p.Pieces(i, values, append(parts, make([]Value, len(values))), strings.Repeat("|", len(parts)+1))
		case f.PrintsText(i) && usual:
			n := uint32(len(v.Text))
			if data := slices.Concat([]byte("else"), v.Text, v.Text); n%2 == 0 {
				p.Texts(i, []int32{0, 1, 1}, data, []uint32{0, 4, 4 + n})
			} else {
				p.Texts(i, nil, data, []uint32{0, 4, 4 + n, 4 + 2*n})
			}
		default:
			p.Field(i, []Value{{}, v, v})
		}
	}
	return p.Line(4)
}

// agreePrint checks that the Printer prints what Append prints.
func agreePrint(t *testing.T, p *Printer, f *Format, r *Record) {
	t.Helper()
	want := f.Append(nil, r)
	if got := printed(p, f, r); !bytes.Equal(got, want) {
		t.Fatalf("%s\nprints\n%q, Append\n%q", f.Spec(), got, want)
	}
	if got := printedByColumn(p, f, r); !bytes.Equal(got, want) {
		t.Fatalf("%s\nby column, prints\n%q, Append\n%q", f.Spec(), got, want)
	}
}

// spoil changes a value into another one that Append can print, whether or not Parse would give it.
func spoil(rnd *rand.Rand, v *Value, kind Kind) {
	texts := []string{"", "-", "x", "12345678", "123456789", "a|b", `q"\]`, "2001:db8::1", "LongerThanSixteenBytes", strings.Repeat("long", 500)}
	switch rnd.IntN(5) {
	case 0:
		v.State ^= Present
	case 1:
		v.State ^= Plus
	case 2:
		v.Text = []byte(texts[rnd.IntN(len(texts))])
		v.Int = int64(bytes.Count(v.Text, []byte{'|'})) + 1
	case 3:
		if kind == KindList {
			v.Int = int64(rnd.IntN(4))
			return
		}
		v.Int = []int64{0, 9, 10, 99, 100, 9999, 10000, 12345678, 99_999_999, 100_000_000, -1, 1 << 40}[rnd.IntN(12)]
	default:
		v.State = Unsure
	}
}

// TestPrinter compares the Printer with Append: on lines as they were read, on values that were changed, and on values
// that are longer than what lines have room for.
func TestPrinter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var lines [][]byte
	for _, file := range corpusFiles(t, false) {
		for i := 0; i < len(file.lines); i += 1 + len(file.lines)/30 {
			lines = append(lines, file.lines[i])
		}
	}
	var p Printer
	read := 0
	for _, spec := range slices.Concat(fuzzSpecs(), corpusSpecs(t)) {
		f, err := Compile(spec)
		if err != nil {
			continue // of the corpus, not supported yet
		}
		for _, line := range lines {
			var r Record
			if !f.Parse(line, &r) || !r.Exact() {
				continue
			}
			read++
			if got := printed(&p, f, &r); !bytes.Equal(got, line) {
				t.Fatalf("%s\nread\n%q, prints\n%q", spec, line, got)
			}
			agreePrint(t, &p, f, &r)
			for range 20 {
				changed := Record{Format: f, Values: slices.Clone(r.Values), Lone: r.Lone}
				i := rnd.IntN(len(changed.Values))
				spoil(rnd, &changed.Values[i], f.fields[i].Kind)
				if rnd.IntN(4) == 0 {
					spoil(rnd, &changed.Lone, KindList)
				}
				agreePrint(t, &p, f, &changed)
			}
		}
	}
	if read < 1000 {
		t.Fatalf("only %d lines were read", read)
	}
}

// TestPrinterGivesBack the memory of a long line.
func TestPrinterGivesBack(t *testing.T) {
	f, err := Compile(`%HP`)
	if err != nil {
		t.Fatal(err)
	}
	var p Printer
	for _, n := range []int{10, 1 << 20, 10} {
		r := Record{Format: f, Values: []Value{{State: Present, Text: bytes.Repeat([]byte{'/'}, n)}}}
		agreePrint(t, &p, f, &r)
	}
	for i := range p.all {
		if n := len(p.all[i].buf); n > keptRoom {
			t.Errorf("line %d keeps %d bytes", i, n)
		}
	}
}

// TestPrinterGrows prints ever longer texts, up to each length around those that a line has room for.
func TestPrinterGrows(t *testing.T) {
	f, err := Compile(`%ci:%cp [%t] %ft %b/%s "%HU" %{+Q}r`)
	if err != nil {
		t.Fatal(err)
	}
	for first := range 40 {
		var p Printer
		for n := lineRoom - 60 + first; n < 5*lineRoom; n += 40 {
			r := Record{Format: f, Values: make([]Value, len(f.fields))}
			for i := range r.Values {
				r.Values[i] = Value{State: Present, Int: int64(n), Text: bytes.Repeat([]byte{'x'}, n*(i%2))}
			}
			agreePrint(t, &p, f, &r)
		}
	}
}

// corpusSpecs gives the formats of the corpus.
func corpusSpecs(t *testing.T) (specs []string) {
	for _, file := range corpusFiles(t, false) {
		if !slices.Contains(specs, file.spec) {
			specs = append(specs, file.spec)
		}
	}
	return specs
}

func TestDigits(t *testing.T) {
	for _, v := range []int64{0, 1, 9, 10, 99, 100, 101, 999, 1000, 9999, 10_000, 10_001, 99_999, 100_000, 1_234_567, 9_999_999, 10_000_000, maxDigits, maxDigits + 1, -1} {
		if got, want := string(AppendInt(nil, v)), strconv.FormatInt(v, 10); got != want {
			t.Errorf("%d prints as %q", v, got)
		}
	}
	for v := range int64(20_000) {
		if got, want := string(AppendInt(nil, v*4999)), strconv.FormatInt(v*4999, 10); got != want {
			t.Errorf("%s prints as %q", want, got)
		}
	}
}
