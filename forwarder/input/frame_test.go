package input

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// feed gives a Framer a stream in pieces, as a connection would, and returns
// the records it cuts.
func feed(t testing.TB, f *Framer, stream []byte, piece func() int) []string {
	t.Helper()
	var out []byte
	var pending []byte
	total := 0
	for at := 0; ; {
		n := min(piece(), len(stream)-at)
		pending = append(pending, stream[at:at+n]...)
		at += n
		end := at == len(stream)
		buf := bytes.Clone(pending) // its own memory: Cut may write there
		records, n, used := f.Cut(buf, end)
		if used > len(pending) || n != bytes.Count(records, []byte{'\n'}) || (len(records) > 0 && records[len(records)-1] != '\n') {
			t.Fatalf("%d bytes of %d, %d records %q", used, len(pending), n, records)
		}
		out = append(out, records...)
		total += n
		if !bytes.Equal(buf[used:], pending[used:]) {
			t.Fatalf("bytes that were not read yet were changed: %q, want %q", buf[used:], pending[used:])
		}
		pending = append(pending[:0], buf[used:]...)
		if end {
			if len(pending) > 0 {
				t.Fatalf("%q is left over at the end", pending)
			}
			break
		}
		if len(pending) > f.Max+maxCount+1 {
			t.Fatalf("%d bytes are left over", len(pending))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestFraming(t *testing.T) {
	long := strings.Repeat("x", MinLine)
	for _, tc := range []struct {
		name, stream string
		want         []string
		cut, broken  int64
	}{
		{name: "nothing"},
		{name: "lines", stream: "<6>one\n<6>two\n", want: []string{"<6>one", "<6>two"}},
		{name: "the last line without LF", stream: "one\ntwo", want: []string{"one", "two"}},
		{name: "empty lines, NULs and CRs stay", stream: "a\n\n\x00b\x00\nc\r\n", want: []string{"a", "", "\x00b\x00", "c\r"}},
		{name: "octets", stream: "6 <6>one6 <6>two", want: []string{"<6>one", "<6>two"}},
		{name: "octets without a priority", stream: "3 one5 three", want: []string{"one", "three"}},
		{name: "octets with LF or NUL inside the count", stream: "7 <6>one\n8 <6>two\x00\n", want: []string{"<6>one", "<6>two"}},
		{name: "a frame of several lines", stream: "9 <6>a\nb\nc\n3 xyz", want: []string{"<6>a", "b", "c", "xyz"}},
		{name: "an empty frame", stream: "6 <6>one1 \n3 two", want: []string{"<6>one", "two"}},
		{name: "lines that begin with a number", stream: "200 GET /\n404 GET /\n", want: []string{"200 GET /", "404 GET /"}},
		{name: "one line that begins with a number", stream: "200 GET /", want: []string{"200 GET /"}},
		{name: "lines that begin with a date or an address", stream: "2026-11-22T x\n127.0.0.1 y\n", want: []string{"2026-11-22T x", "127.0.0.1 y"}},
		{name: "lines of digits", stream: "12345678\n1\n", want: []string{"12345678", "1"}},
		{name: "no count in a stream of lines", stream: "one\n3 two\n3 two", want: []string{"one", "3 two", "3 two"}},
		{name: "a frame is broken", stream: "6 <6>onexx\n6 <6>two", want: []string{"<6>one", "xx", "<6>two"}, broken: 1},
		{name: "a count of nothing", stream: "6 <6>one0 abc\n6 <6>two", want: []string{"<6>one", "0 abc", "<6>two"}, broken: 1},
		{name: "a count of too many digits", stream: "6 <6>one12345678 abc\n", want: []string{"<6>one", "12345678 abc"}, broken: 1},
		{name: "the peer closes inside a frame", stream: "6 <6>one6 <6>t", want: []string{"<6>one", "<6>t"}, broken: 1},
		{name: "the peer closes inside a count", stream: "6 <6>one12", want: []string{"<6>one", "12"}, broken: 1},
		{name: "a line at the bound", stream: long + "\nb\n", want: []string{long, "b"}},
		{name: "a line beyond the bound", stream: "a\n" + long + "y\nb\n", want: []string{"a", long, "y", "b"}, cut: 1},
		{name: "a line beyond the bound, three times", stream: long + long + long + "y\nb\n", want: []string{long, long, long, "y", "b"}, cut: 1},
		{name: "it ends with the stream", stream: long + long, want: []string{long, long}, cut: 1},
		{name: "a frame beyond the bound", stream: fmt.Sprintf("%d <%s%sy3 abc", 2*MinLine+1, long[1:], long), want: []string{"<" + long[1:], long, "y", "abc"}, cut: 1},
		{name: "two of them", stream: strings.Repeat(fmt.Sprintf("%d <%sy", MinLine+1, long[1:]), 2), want: []string{"<" + long[1:], "y", "<" + long[1:], "y"}, cut: 2},
		{name: "a count larger than any frame", stream: "9999999 <6>a\n", want: []string{"<6>a"}, broken: 1},
		{name: "a broken frame without LF", stream: "3 <ab" + long + long + "z\n3 <cd", want: []string{"<ab", long, long, "z", "<cd"}, cut: 1, broken: 1},
	} {
		for _, piece := range []int{1, 2, 7, MinLine, 1 << 20} {
			f := &Framer{Max: MinLine}
			var broken int64
			f.Broken = func([]byte) { broken++ }
			got := feed(t, f, []byte(tc.stream), func() int { return piece })
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) || f.CutLines != tc.cut || broken != tc.broken {
				t.Errorf("%s, %d bytes at a time:\n got %q, %d cut, %d broken\nwant %q, %d cut, %d broken",
					tc.name, piece, got, f.CutLines, broken, tc.want, tc.cut, tc.broken)
			}
		}
	}
}

// TestFramingWithAFixedKind reads what would be detected as the other one.
func TestFramingWithAFixedKind(t *testing.T) {
	all := func() int { return 1 << 20 }
	if got := feed(t, &Framer{Framing: Lines, Max: MinLine}, []byte("3 <ab\n"), all); len(got) != 1 || got[0] != "3 <ab" {
		t.Errorf("%q", got)
	}
	if got := feed(t, &Framer{Framing: Octets, Max: MinLine}, []byte("4 a\nb\n3 cde"), all); fmt.Sprint(got) != "[a b cde]" {
		t.Errorf("%q", got)
	}
}

// TestFramesOfAnyBytes sends random messages in each framing, in random pieces.
func TestFramesOfAnyBytes(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 2000 {
		octets := round%2 == 0
		var stream []byte
		var want []string
		for i := range 1 + r.IntN(20) {
			m := make([]byte, 1+r.IntN(2*MinLine))
			for i := range m {
				if m[i] = byte(r.IntN(256)); m[i] == '\n' || m[i] == 0 {
					m[i] = ' '
				}
			}
			if i == 0 {
				m[0] = '<'
			}
			if octets {
				stream = fmt.Appendf(stream, "%d %s", len(m), m)
			} else {
				stream = append(append(stream, m...), '\n')
			}
			for len(m) > MinLine {
				want, m = append(want, string(m[:MinLine])), m[MinLine:]
			}
			want = append(want, string(m))
		}
		got := feed(t, &Framer{Max: MinLine}, stream, func() int { return 1 + r.IntN(3*MinLine) })
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("seed %d, round %d: %d records, want %d", seed, round, len(got), len(want))
		}
	}
}

// FuzzFramer looks for bytes that are lost, doubled or changed.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("6 <6>one6 <6>two"), uint8(3))
	f.Add([]byte("one\ntwo\n"), uint8(1))
	f.Add([]byte("6 <6>onexx\n6 <6>two"), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		f := &Framer{Max: MinLine}
		got := feed(t, f, stream, func() int { return 1 + int(piece)*8 })
		if f.Framing == Lines {
			joined := strings.Join(got, "\n")
			want := strings.TrimSuffix(string(stream), "\n")
			if f.CutLines == 0 && joined != want {
				t.Fatalf("%q became %q", want, joined)
			}
		}
		// What a framing takes away are counts, blanks, LFs and NULs.
		keep := func(s string) string {
			var b []byte
			for _, c := range []byte(s) {
				if c != '\n' && c != 0 && c != ' ' && (c < '0' || c > '9') {
					b = append(b, c)
				}
			}
			return string(b)
		}
		if keep(strings.Join(got, "")) != keep(string(stream)) {
			t.Fatalf("%q became %q", stream, got)
		}
	})
}
