package parser

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// matches asks a Matcher about one line among others, which must not change the answer.
func matches(m *Matcher, f *Format, line []byte, r *Record) bool {
	lines := [][]byte{[]byte("else"), line, nil}
	var lone []Value
	if r.Lone.State != 0 {
		lone = []Value{{}, r.Lone, r.Lone}
	}
	m.Begin(f, lines, lone)
	values := make([]Value, len(lines))
	for i := range f.fields {
		values[0], values[1], values[2] = Value{}, r.Values[i], r.Values[i]
		m.Field(i, values)
	}
	return m.Matches(1)
}

// matchesPieces is matches for a caller that has numbers by their codes, and requests in pieces.
func matchesPieces(m *Matcher, f *Format, line []byte, r *Record) bool {
	lines := [][]byte{[]byte("else"), line, nil}
	var lone []Value
	if r.Lone.State != 0 {
		lone = []Value{{}, r.Lone, r.Lone}
	}
	m.Begin(f, lines, lone)
	values := make([]Value, len(lines))
	for i := range f.fields {
		v := r.Values[i]
		values[0], values[1], values[2] = Value{}, v, v
		numbers := []int32{7, int32(v.Int)}
		switch printed := f.Print(nil, i, numbers); {
		case printed != nil && v.State == Present && int64(numbers[1]) == v.Int:
			m.Numbers(i, []int32{0, 1, 1}, numbers, printed)
		case f.fields[i].Kind == KindRequest && f.ComparesRequests(i):
			var parts [4][]Value
			for j := range parts {
				parts[j] = make([]Value, len(lines))
			}
			method, path, query, version, hasQuery, ok := SplitRequest(v.Text)
			for k := 1; ok && v.State == Present && k < len(lines); k++ {
				values[k] = Value{}
				parts[0][k], parts[1][k] = Value{Text: method, State: Present}, Value{Text: path, State: Present}
				if hasQuery {
					parts[2][k] = Value{Text: query, State: Present}
				}
				if version != nil {
					parts[3][k] = Value{Text: version, State: Present}
				}
			}
			m.Requests(i, values, parts[0], parts[1], parts[2], parts[3])
		default:
			m.Field(i, values)
		}
	}
	return m.Matches(1)
}

// agreeMatch checks that the Matcher says about line what Append says.
func agreeMatch(t *testing.T, m *Matcher, f *Format, line []byte, r *Record) {
	t.Helper()
	printed := f.Append(nil, r)
	if want, got := bytes.Equal(printed, line), matches(m, f, line, r); got != want {
		t.Fatalf("%s\nMatches is %v for %q, Append prints\n%q", f.Spec(), got, line, printed)
	}
	if want, got := bytes.Equal(printed, line), matchesPieces(m, f, line, r); got != want {
		t.Fatalf("%s\nin pieces, Matches is %v for %q, Append prints\n%q", f.Spec(), got, line, printed)
	}
}

// spoil changes a value into another one that Append can print, whether or not Parse would give it.
func spoil(rnd *rand.Rand, v *Value, kind Kind) {
	texts := []string{"", "-", "x", "12345678", "123456789", "a|b", `q"\]`, "2001:db8::1", "LongerThanSixteenBytes"}
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

// TestMatcher compares the Matcher with Append: on lines as they were read, on lines with a byte changed, and on values
// that were changed.
func TestMatcher(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var lines [][]byte
	for _, file := range corpusFiles(t, false) {
		for i := 0; i < len(file.lines); i += 1 + len(file.lines)/30 {
			lines = append(lines, file.lines[i])
		}
	}
	var m Matcher
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
			if !matches(&m, f, line, &r) {
				t.Fatalf("%s\nthis was read but does not match: %q", spec, line)
			}
			for range 20 {
				other := bytes.Clone(line)
				if len(other) > 0 {
					other[rnd.IntN(len(other))] ^= byte(1 << rnd.IntN(8))
				}
				agreeMatch(t, &m, f, other, &r)
			}
			agreeMatch(t, &m, f, append(bytes.Clone(line), ' '), &r)
			agreeMatch(t, &m, f, line[:len(line)/2], &r)
			for range 20 {
				changed := Record{Format: f, Values: slices.Clone(r.Values), Lone: r.Lone}
				i := rnd.IntN(len(changed.Values))
				spoil(rnd, &changed.Values[i], f.fields[i].Kind)
				if rnd.IntN(4) == 0 {
					spoil(rnd, &changed.Lone, KindList)
				}
				agreeMatch(t, &m, f, line, &changed)
				agreeMatch(t, &m, f, f.Append(nil, &changed), &changed)
			}
		}
	}
	if read < 1000 {
		t.Fatalf("only %d lines were read", read)
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
