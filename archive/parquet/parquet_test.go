package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	pq "github.com/parquet-go/parquet-go"
)

// sample is one column with the values it should read as, "" for null.
type sample struct {
	col   Column
	chunk Chunk
	want  []string
}

// present picks which rows have a value.
func present(r *rand.Rand, rows int, how string) ([]uint64, []bool) {
	has := make([]bool, rows)
	for i := range has {
		switch how {
		case "all":
			has[i] = true
		case "none":
		default:
			has[i] = r.IntN(3) > 0
		}
	}
	bits := make([]uint64, (rows+63)/64)
	for i, h := range has {
		if h {
			bits[i/64] |= 1 << (i % 64)
		}
	}
	return bits, has
}

func samples(r *rand.Rand, rows int) []*sample {
	var all []*sample
	for _, how := range []string{"required", "all", "some", "none"} {
		for _, kind := range []string{"bool", "i32", "i32dict", "i32delta", "i64", "i64dict", "i64delta", "text", "dict", "bigdict", "constant", "huge"} {
			s := &sample{col: Column{Name: how + "_" + kind, Optional: how != "required"}, want: make([]string, rows)}
			h := how
			if how == "required" {
				h = "all"
			}
			bits, has := present(r, rows, h)
			if how != "required" {
				s.chunk.Present = bits
			}
			codes := map[string]uint32{}
			for i := range rows {
				if has[i] {
					s.want[i] = s.add(r, kind, codes)
				}
			}
			s.finish(kind)
			all = append(all, s)
		}
	}
	return all
}

func (s *sample) finish(kind string) {
	switch kind {
	case "bool":
		s.col.Type = Boolean
	case "i32", "i32dict", "i32delta":
		s.col.Type = Int32
	case "i64", "i64dict", "i64delta":
		s.col.Type = Int64
		s.col.Logical = TimestampMillis
	default:
		s.col.Type, s.col.Logical = ByteArray, String
	}
	switch kind {
	case "i32dict", "i64dict":
		s.chunk.Encoding = RLEDictionary
	case "i32delta", "i64delta":
		s.chunk.Encoding = DeltaBinaryPacked
	case "dict", "bigdict", "constant":
		s.chunk.Coded = true
		s.chunk.Bloom = true
	}
}

func (s *sample) add(r *rand.Rand, kind string, codes map[string]uint32) string {
	c := &s.chunk
	text := func(v string) string {
		code, ok := codes[v]
		if !ok {
			code = uint32(len(codes))
			codes[v] = code
			c.Texts.Append([]byte(v))
		}
		c.Codes = append(c.Codes, code)
		return v
	}
	switch kind {
	case "bool":
		c.Bools = append(c.Bools, r.IntN(2) == 0)
		return fmt.Sprint(c.Bools[len(c.Bools)-1])
	case "i32", "i32delta":
		c.Int32s = append(c.Int32s, []int32{math.MinInt32, math.MaxInt32, -1, 0, int32(r.Uint32())}[r.IntN(5)])
		return fmt.Sprint(c.Int32s[len(c.Int32s)-1])
	case "i32dict":
		c.Int32s = append(c.Int32s, int32(r.IntN(300)-1))
		return fmt.Sprint(c.Int32s[len(c.Int32s)-1])
	case "i64", "i64delta":
		c.Int64s = append(c.Int64s, []int64{math.MinInt64, math.MaxInt64, -1, 0, int64(r.Uint64())}[r.IntN(5)])
		return fmt.Sprint(c.Int64s[len(c.Int64s)-1])
	case "i64dict":
		c.Int64s = append(c.Int64s, 1<<40+int64(r.IntN(5)))
		return fmt.Sprint(c.Int64s[len(c.Int64s)-1])
	case "dict":
		return text(fmt.Sprintf("value %d", r.IntN(100)))
	case "bigdict":
		return text(fmt.Sprintf("value %d", r.IntN(70000)))
	case "constant":
		return text("é" + string(bytes.Repeat([]byte("~\x7f"), 100)))
	case "huge":
		v := bytes.Repeat([]byte{'a' + byte(r.IntN(26))}, r.IntN(900)+1)
		c.Texts.Append(v)
		return string(v)
	}
	v := fmt.Sprintf("%x", r.Uint64()>>r.IntN(64))
	c.Texts.Append([]byte(v))
	return v
}

func write(t testing.TB, w *Writer, all []*sample, rows int) []byte {
	t.Helper()
	var cols []Column
	for _, s := range all {
		cols = append(cols, s.col)
	}
	w.Begin(cols, rows)
	for _, s := range all {
		if err := w.Add(&s.chunk); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.Finish([]KeyValue{{"key", "value"}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReadByOther has parquet-go read everything the writer can write.
func TestReadByOther(t *testing.T) {
	w, err := NewWriter("test", "loghaul version 1.0.0 (build test)")
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{1, 7, 8, 9, 63, 64, 65, 257, 1000, 20011} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			all := samples(rand.New(rand.NewPCG(1, uint64(rows))), rows)
			b := write(t, w, all, rows)
			f, err := ReadFooter(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.CheckPages(b); err != nil {
				t.Fatal(err)
			}
			file, err := pq.OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range all {
				chunk := file.RowGroups()[0].ColumnChunks()[i]
				compare(t, s, chunk)
				if s.chunk.Bloom {
					for j := range s.chunk.Texts.Len() {
						if ok, err := chunk.BloomFilter().Check(pq.ByteArrayValue(s.chunk.Texts.At(j))); err != nil || !ok {
							t.Fatalf("%s: bloom filter lacks entry %d: %v", s.col.Name, j, err)
						}
					}
				}
			}
		})
	}
}

func compare(t *testing.T, s *sample, chunk pq.ColumnChunk) {
	t.Helper()
	pages := chunk.Pages()
	defer pages.Close()
	row := 0
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", s.col.Name, err)
		}
		vals := make([]pq.Value, p.NumValues())
		n, err := p.Values().ReadValues(vals)
		if n != len(vals) {
			t.Fatalf("%s: %d of %d values: %v", s.col.Name, n, len(vals), err)
		}
		for _, v := range vals {
			got := ""
			if !v.IsNull() {
				got = v.String()
			}
			if got != s.want[row] {
				t.Fatalf("%s: row %d is %.60q, want %.60q", s.col.Name, row, got, s.want[row])
			}
			row++
		}
		pq.Release(p)
	}
	if row != len(s.want) {
		t.Fatalf("%s: %d rows, want %d", s.col.Name, row, len(s.want))
	}
}

// TestNoRows makes a file that has a schema and metadata only.
func TestNoRows(t *testing.T) {
	w, err := NewWriter("test", "loghaul version 1.0.0 (build test)")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, samples(rand.New(rand.NewPCG(1, 1)), 100), 100) // memory is used again
	all := samples(rand.New(rand.NewPCG(1, 1)), 0)
	b := write(t, w, all, 0)
	f, err := ReadFooter(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CheckPages(b); err != nil || f.Rows != 0 || len(f.Columns) != len(all) {
		t.Errorf("%d rows of %d columns: %v", f.Rows, len(f.Columns), err)
	}
	file, err := pq.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil || file.NumRows() != 0 || len(file.RowGroups()) != 0 || len(file.Schema().Columns()) != len(all) {
		t.Errorf("parquet-go: %v", err)
	}
	longer := append(append(append([]byte{}, b[:4]...), 0), b[4:]...)
	if _, err := ReadFooter(bytes.NewReader(longer), int64(len(longer))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte that nothing accounts for: %v", err)
	}
}

func TestDictionaryIsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, letters := range []int{1, 2, 256} {
		seen := map[string]bool{}
		var dict Strings
		var values []uint32
		for range 3000 {
			v := bytes.Repeat([]byte("/same/"), r.IntN(2)*3)
			for range r.IntN(20) {
				v = append(v, byte(r.IntN(letters)))
			}
			if !seen[string(v)] {
				seen[string(v)] = true
				values = append(values, uint32(dict.Len()))
				dict.Append(v)
			}
		}
		var d textDict
		d.build(&dict, new(codes), values)
		for i := 1; i < dict.Len(); i++ {
			if a, b := dict.At(int(d.keys[i-1])), dict.At(int(d.keys[i])); bytes.Compare(a, b) >= 0 {
				t.Fatalf("%q stands before %q", a, b)
			}
		}
		if lo, hi := leastMost(&dict); !bytes.Equal(lo, d.min) || !bytes.Equal(hi, d.max) {
			t.Errorf("from %q to %q, want %q to %q", d.min, d.max, lo, hi)
		}
	}
}
