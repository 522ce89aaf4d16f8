package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser/wrapper"
)

// long is a line of httplog with n bytes of path.
func long(n int) string {
	return `1.2.3.4:5 [22/Nov/2026:16:17:55.857] fe be/s1 0/0/0/1/1 200 9 - - ---- 1/1/0/0/0 0/0 "GET /` + strings.Repeat("a", n) + ` HTTP/1.1"`
}

// cri is a record of a container runtime.
func cri(second int, stream, tag, text string) string {
	return fmt.Sprintf("2026-11-22T16:17:%02d.5Z %s %s %s\n", second, stream, tag, text)
}

// dockerRecord is one of Docker's; text may not need escapes.
func dockerRecord(second int, stream, text string, whole bool) string {
	end := ""
	if whole {
		end = `\n`
	}
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	return fmt.Sprintf(`{"log":"%s%s","stream":"%s","time":"2026-11-22T16:17:%02d.5Z"}`+"\n", text, end, stream, second)
}

// joinedRow is what TestJoinedLines looks at.
type joinedRow struct {
	Offset  int64
	Parts   int
	Format  string
	Wrapper string
	Stream  string
	Message string
	Flags   string
}

// rowsOf archives raw as one batch from an offset on, checks that its bytes come
// back, and gives the rows.
func rowsOf(t *testing.T, raw string, rest bool) []joinedRow {
	t.Helper()
	b := batch(1, 1000, []byte(raw))
	b.Header.Rest = rest
	e := newEncoder(t, wellKnown(t)...)
	var first []joinedRow
	for attempt := range 2 { // buffers are used again
		o, err := e.Encode([]Batch{b}, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got := sourceBytes(t, o.Body, 1000); string(got) != raw {
			t.Fatalf("other bytes come back:\n got %.300q\nwant %.300q", got, raw)
		}
		checkRawSum(t, o.Body, []byte(raw))
		if o.Refused > 0 {
			t.Errorf("%d refused", o.Refused)
		}
		var rows []joinedRow
		eachRow(t, o.Body, func(row *Row) {
			r := joinedRow{Offset: row.Offset, Parts: len(row.Parts), Format: row.Format, Stream: string(row.Header.Stream), Message: string(row.Message)}
			if row.Header.Kind != wrapper.None {
				r.Wrapper = row.Header.Kind.String()
				if row.Header.Inner != wrapper.None {
					r.Wrapper += "+" + row.Header.Inner.String()
				}
			}
			for _, f := range []struct {
				set  bool
				name string
			}{{row.NoLF, "noLF "}, {row.Header.Partial, "partial "}, {row.Rest, "rest "}} {
				if f.set {
					r.Flags += f.name
				}
			}
			if row.Record != nil && !row.Header.Partial && !strings.HasSuffix(r.Message, string(row.Record.Format.Append(nil, row.Record))) {
				t.Errorf("the record gives %q, want %q", row.Record.Format.Append(nil, row.Record), r.Message)
			}
			rows = append(rows, r)
		})
		if len(rows) != o.Lines {
			t.Errorf("%d rows, the object says %d", len(rows), o.Lines)
		}
		if attempt == 0 {
			first = rows
		} else if d := cmp.Diff(first, rows); d != "" {
			t.Errorf("the second object has other rows: %s", d)
		}
	}
	return first
}

// sourceBytes puts the records of an object where they lay in their source.
func sourceBytes(t testing.TB, body []byte, from int64) []byte {
	t.Helper()
	var out []byte
	put := func(at int64, record []byte, lf bool) {
		b := bytes.Clone(record)
		if lf {
			b = append(b, '\n')
		}
		end := int(at-from) + len(b)
		if end > len(out) {
			out = append(out, make([]byte, end-len(out))...)
		}
		copy(out[at-from:], b)
	}
	eachRow(t, body, func(row *Row) {
		for i, p := range row.Parts {
			put(p.Offset, p.Raw, i < len(row.Parts)-1 || !row.NoLF)
		}
		if row.Parts == nil {
			put(row.Offset, row.Raw, !row.NoLF)
		}
	})
	return out
}

// checkRawSum sums an object's raw bytes up, those of joined lines too.
func checkRawSum(t testing.TB, body []byte, raw []byte) {
	t.Helper()
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(raw)
	got, err := r.RawSHA256(nil)
	if err != nil || got != hex.EncodeToString(want[:]) || r.Meta().RawSHA256 != got {
		t.Errorf("SHA-256 of the raw bytes %s (%v), the metadata has %s, want %x", got, err, r.Meta().RawSHA256, want)
	}
}

func TestJoinedLines(t *testing.T) {
	line := long(300)
	a, b, c := line[:120], line[120:250], line[250:]
	other := long(3)
	join := func(s ...string) string { return strings.Join(s, "") }
	for name, tc := range map[string]struct {
		raw  string
		want []joinedRow
	}{
		"CRI": {
			join(cri(1, "stdout", "P", a), cri(2, "stdout", "P", b), cri(3, "stdout", "F", c), cri(4, "stdout", "F", other)),
			[]joinedRow{{0, 3, "httplog", "cri", "stdout", line, ""}, {-1, 0, "httplog", "cri", "stdout", other, ""}},
		},
		"CRI, tags": {
			join(cri(1, "stdout", "P:x", a), cri(2, "stdout", "F:y:z", b+c)),
			[]joinedRow{{0, 2, "httplog", "cri", "stdout", line, ""}},
		},
		"CRI, the other stream between": {
			join(cri(1, "stdout", "P", a), cri(1, "stderr", "F", other), cri(2, "stdout", "P", b), cri(2, "stderr", "P", "x"), cri(3, "stdout", "F", c), cri(4, "stderr", "F", "y")),
			[]joinedRow{
				{0, 3, "httplog", "cri", "stdout", line, ""}, {-1, 0, "httplog", "cri", "stderr", other, ""}, {-1, 2, "", "cri", "stderr", "xy", ""},
			},
		},
		"CRI, a header of HAProxy's in it": {
			join(cri(1, "stdout", "P", "<134>Nov 22 16:17:55 lb1 hapr"), cri(2, "stdout", "F", "oxy[1]: "+line)),
			[]joinedRow{{0, 2, "httplog", "cri+rfc3164", "stdout", "<134>Nov 22 16:17:55 lb1 haproxy[1]: " + line, ""}},
		},
		"CRI, no end": {
			join(cri(1, "stdout", "P", a), cri(2, "stdout", "P", b), cri(4, "stderr", "F", other)),
			[]joinedRow{{0, 0, "httplog", "cri", "stdout", a, "partial "}, {-1, 0, "", "cri", "stdout", b, "partial "}, {-1, 0, "httplog", "cri", "stderr", other, ""}},
		},
		"CRI, empty parts": {
			join(cri(1, "stdout", "P", ""), cri(2, "stdout", "P", line), strings.TrimSuffix(cri(3, "stdout", "F", ""), "\n")),
			[]joinedRow{{0, 3, "httplog", "cri", "stdout", line, "noLF "}},
		},
		"CRI, something else between": {
			join(cri(1, "stdout", "P", a), "nonsense\n", cri(2, "stdout", "F", b+c)),
			[]joinedRow{{0, 0, "httplog", "cri", "stdout", a, "partial "}, {-1, 0, "", "", "", "nonsense", ""}, {-1, 0, "", "cri", "stdout", b + c, ""}},
		},
		"CRI, an end only": {
			join(cri(1, "stdout", "F", c), cri(2, "stdout", "F", other)),
			[]joinedRow{{0, 0, "", "cri", "stdout", c, ""}, {-1, 0, "httplog", "cri", "stdout", other, ""}},
		},
		"Docker": {
			join(dockerRecord(1, "stdout", a, false), dockerRecord(1, "stderr", other, true), dockerRecord(2, "stdout", b, false), dockerRecord(3, "stdout", c, true)),
			[]joinedRow{{0, 3, "httplog", "docker", "stdout", line, ""}, {-1, 0, "httplog", "docker", "stderr", other, ""}},
		},
		"Docker, a backslash and an n at the end of a part": {
			join(dockerRecord(1, "stdout", `a\n`, false), dockerRecord(2, "stdout", `b\n`, true)),
			[]joinedRow{{0, 2, "", "docker", "stdout", `a\nb\n`, ""}},
		},
		"Docker and CRI do not go together": {
			join(dockerRecord(1, "stdout", a, false), cri(2, "stdout", "F", b)),
			[]joinedRow{{0, 0, "httplog", "docker", "stdout", a, "partial "}, {-1, 0, "", "cri", "stdout", b, ""}},
		},
		"no file of a runtime": {
			join(other+"\n", "2026-11-22T16:17:01.5Z stdout P x\n", "2026-11-22T16:17:01.5Z stdout F y\n"),
			[]joinedRow{{0, 0, "httplog", "", "", other, ""}, {-1, 0, "", "cri", "stdout", "x", "partial "}, {-1, 0, "", "cri", "stdout", "y", ""}},
		},
		"too long": {
			join(cri(1, "stdout", "P", strings.Repeat("x", maxJoined)), cri(2, "stdout", "F", "y"), cri(1, "stdout", "P", a), cri(2, "stdout", "F", b+c)),
			[]joinedRow{
				{0, 0, "", "cri", "stdout", strings.Repeat("x", maxJoined), "partial "}, {-1, 0, "", "cri", "stdout", "y", ""}, {-1, 2, "httplog", "cri", "stdout", line, ""},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := rowsOf(t, tc.raw, false)
			for i := range got {
				if i < len(tc.want) {
					tc.want[i].Offset = got[i].Offset // sourceBytes has checked them
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("rows (-want +got):\n%s", d)
			}
			if got[0].Offset != 1000 {
				t.Errorf("the first row is at %d", got[0].Offset)
			}
		})
	}
}

// TestJoinedLinesAtRandom has records of both streams in any order.
func TestJoinedLinesAtRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	e := newEncoder(t, wellKnown(t)...)
	joined := 0
	for range 300 {
		var raw strings.Builder
		docker := rng.IntN(3) == 0
		for range 1 + rng.IntN(40) {
			stream, tag := [...]string{"stdout", "stderr"}[rng.IntN(2)], [...]string{"P", "F"}[rng.IntN(2)]
			switch n := rng.IntN(60); {
			case n == 0:
				raw.WriteString("nonsense\n")
			case docker:
				raw.WriteString(dockerRecord(n, stream, long(n)[rng.IntN(80):], tag == "F"))
			default:
				raw.WriteString(cri(n, stream, tag, long(n)[rng.IntN(80):]))
			}
		}
		text := raw.String()
		if rng.IntN(5) == 0 {
			text = text[:len(text)-1]
		}
		o, err := e.Encode(cut(1, []byte(text), 1+rng.IntN(6000)), sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got := sourceBytes(t, o.Body, 0); string(got) != text {
			t.Fatalf("other bytes come back:\n got %q\nwant %q", got, text)
		}
		checkRawSum(t, o.Body, []byte(text))
		eachRow(t, o.Body, func(row *Row) {
			if row.Parts != nil {
				joined++
			}
		})
	}
	if joined < 500 {
		t.Errorf("only %d joined lines", joined)
	}
}

// TestRestOfACutLine has the rest of a line, which nobody takes for a line.
func TestRestOfACutLine(t *testing.T) {
	line := long(10)
	got := rowsOf(t, line+"\n"+line+"\n", true)
	want := []joinedRow{{1000, 0, "", "", "", line, "rest "}, {1000 + int64(len(line)) + 1, 0, "httplog", "", "", line, ""}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	b := batch(1, 0, []byte(line+"\n"))
	b.Header.Rest = true
	o, err := newEncoder(t, wellKnown(t)...).Encode([]Batch{b}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if o.Unparsed != 0 || o.Rests != 1 {
		t.Errorf("%d unparsed, %d rests", o.Unparsed, o.Rests)
	}
	// A record of a runtime that was cut is not looked into either.
	rowsOf(t, cri(1, "stdout", "P", "a")+cri(1, "stdout", "F", "b"), true)
}

// TestBrokenParts changes what the columns say about joined lines.
func TestBrokenParts(t *testing.T) {
	raw := cri(1, "stdout", "P", "a") + cri(1, "stderr", "F", "b") + cri(2, "stdout", "P", "c") + cri(3, "stdout", "F", "d") + cri(3, "stdout", "F", "e")
	w, err := newWindow([]Batch{batch(1, 0, []byte(raw))})
	if err != nil {
		t.Fatal(err)
	}
	parts := func(s string) func(*table) {
		return func(tb *table) {
			c := &tb.columns[colParts].chunk
			c.Texts.Reset()
			c.Texts.Append([]byte(s))
		}
	}
	for name, tc := range map[string]struct {
		breakTable func(*table)
		check      string
	}{
		"other gap":    {parts("33 0"), "lines"},
		"gap missing":  {parts("34"), "lines"},
		"gap too many": {parts("34 0 0"), "lines"},
		"gap too wide": {parts("34 99999"), "identity"},
		"negative gap": {parts("-34 0"), "identity"},
		"no number":    {parts("34 x"), "identity"},
		"empty":        {parts(""), "identity"},
		"kept bytes changed": {func(tb *table) {
			b := tb.columns[colRaw].chunk.Texts.Data
			b[bytes.IndexByte(b, '\n')-1]++
		}, "lines"},
		"the other stream's row gone": {func(tb *table) { tb.columns[colOffset].chunk.Int64s[1]++ }, "identity"},
		"rest of a cut line":          {func(tb *table) { tb.columns[colFlags].chunk.Int32s[0] |= flagRest }, "identity"},
	} {
		e := newEncoder(t, wellKnown(t)...)
		e.breakTable = tc.breakTable
		body, meta, err := e.write(w, sealed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.verifier.verify(body, w, meta, e.table)
		wantCheck(t, name, err, tc.check)
	}
}
