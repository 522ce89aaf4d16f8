package gaps

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

const testStream = "logs-haproxy.log-test"

func sample(t testing.TB) (File, []byte) {
	t.Helper()
	at := time.Date(2026, 11, 26, 12, 0, 1, 0, time.UTC)
	object := func(ms string) string { return "dt=2026-11-26/hour=12/agg-1-" + ms + "-0123456789ab.parquet" }
	f := File{Slot: Slot{Writer: "agg-1", Hour: hourOf(at)}, Made: at}
	b, err := encode(testStream, &f, []Entry{
		{From: at.UnixMilli(), To: at.UnixMilli() + 1000, Lines: 7, Reason: Killed, At: 1},
		{Key: object("1795694401000"), Rows: []Span{{0, 9}, {20, 29}}, Lines: 20, Reason: "queue_full", At: 1},
		{Key: object("1795694402000"), Lines: 300, Reason: "unreachable", At: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, b
}

func unpack(t testing.TB, b []byte) string {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := z.DecodeAll(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func pack(t testing.TB, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

type corruption struct {
	name string
	file func(testing.TB, []byte) []byte
	want error
	// named says that the name has the checksum of the corrupted file: what is
	// refused is the content.
	named bool
}

func corruptions() []corruption {
	text := func(from, to string) func(testing.TB, []byte) []byte {
		return func(t testing.TB, b []byte) []byte {
			s := unpack(t, b)
			if !strings.Contains(s, from) {
				t.Fatalf("the file has no %s: %s", from, s)
			}
			return pack(t, strings.Replace(s, from, to, 1))
		}
	}
	all := []corruption{
		{name: "empty file", file: func(testing.TB, []byte) []byte { return nil }},
		{name: "file cut", file: func(_ testing.TB, b []byte) []byte { return b[:len(b)-1] }},
		{name: "bit flipped", file: func(_ testing.TB, b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{name: "other file under the name", file: text(`"lines":300`, `"lines":301`)},
	}
	for _, c := range []struct{ name, from, to string }{
		{"no version", `"version":1`, `"version":0`},
		{"unknown member", `"version":1`, `"version":1,"news":true`},
		{"first line that is no JSON", `{"version"`, `["version"`},
		{"other stream", testStream, testStream + "-2"},
		{"other writer", `"writer":"agg-1"`, `"writer":"agg-2"`},
		{"other hour", `"hour":"2026-11-26T12:`, `"hour":"2026-11-26T13:`},
		{"other kind", `"rejected":false`, `"rejected":true`},
		{"entry too many", `"entries":3`, `"entries":2`},
		{"entry gone", `"entries":3`, `"entries":4`},
		{"other number of lines", `"lines":300`, `"lines":301`},
		{"negative number of lines", `"lines":20`, `"lines":-20`},
		{"more lines than rows", `"lines":20`, `"lines":21`},
		{"no reason", `"queue_full"`, `""`},
		{"rejected lines among others", `"queue_full"`, `"rejected"`},
		{"key that is none", `agg-1-1795694401000-0123456789ab`, `agg-1`},
		{"object of another writer", `agg-1-1795694401000`, `agg-2-1795694401000`},
		{"object of another hour", `hour=12/agg-1-1795694401000`, `hour=13/agg-1-1795698001000`},
		{"rows out of order", `[[0,9],[20,29]]`, `[[20,29],[0,9]]`},
		{"rows that touch", `[[0,9],[20,29]]`, `[[0,9],[10,29]]`},
		{"no rows", `[[0,9],[20,29]]`, `[]`},
		{"rows backwards", `[0,9]`, `[9,0]`},
		{"negative row", `[0,9]`, `[-1,9]`},
		{"stretch of three", `[0,9]`, `[0,9,9]`},
		{"row that no object has", `[20,29]`, `[20,99999999]`},
		{"time outside of the hour", `"to":1795694402000`, `"to":1795700002000`},
		{"time backwards", `"to":1795694402000`, `"to":1795694400000`},
		{"object and time", `"to":1795694402000`, `"to":1795694402000,"key":"dt=2026-11-26/hour=12/agg-1-1795694401000-0123456789ab.parquet"`},
	} {
		all = append(all, corruption{name: c.name, file: text(c.from, c.to), named: true})
	}
	return append(all, corruption{name: "newer version", file: text(`"version":1`, `"version":2,"news":true`), want: ErrVersion, named: true})
}

func TestCorruptions(t *testing.T) {
	good, b := sample(t)
	if entries, err := decode(testStream, &good, b); err != nil || len(entries) != 3 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, c := range corruptions() {
		t.Run(c.name, func(t *testing.T) {
			f, _ := sample(t)
			broken := c.file(t, bytes.Clone(b))
			if c.named {
				f.Hash = digest(broken)
			}
			want := c.want
			if want == nil {
				want = ErrDamaged
			}
			if entries, err := decode(testStream, &f, broken); !errors.Is(err, want) || entries != nil {
				t.Errorf("%v, %v; want %v", entries, err, want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	f, _ := sample(t)
	f.Writer = "agg-1-2-missing"
	if got, ok := parseFile(f.name()); !ok || got != f {
		t.Errorf("%s is read as %+v, %v", f.name(), got, ok)
	}
	b := Beat{Writer: "agg-1", Since: f.Made, At: f.Made.Add(time.Minute), Run: "0011aaff"}
	if got, ok := parseBeat(b.name()); !ok || got != b {
		t.Errorf("%s is read as %+v, %v", b.name(), got, ok)
	}
	for _, name := range []string{
		"", "x", ".jsonl.zst", strings.Replace(f.name(), "hour=12", "hour=13x", 1), strings.Replace(f.name(), "-327-", "--1-", 1),
		strings.Replace(f.name(), "-missing-0", "-other-0", 1), "x/" + f.name(), f.name() + "x", strings.Replace(b.name(), "hour=12", "hour=13", 1),
		strings.Replace(b.name(), "-0011", "-0G11", 1), strings.ToUpper(b.name()),
	} {
		_, file := parseFile(name)
		if _, beat := parseBeat(name); name != f.name() && (file || beat) {
			t.Errorf("%q is a name", name)
		}
	}
}

// FuzzGapFile reads arbitrary bytes: no panic, and nothing but entries that can be
// written again, or one of the two errors.
func FuzzGapFile(f *testing.F) {
	_, b := sample(f)
	f.Add(b)
	for _, c := range corruptions() {
		f.Add(c.file(f, bytes.Clone(b)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		name, _ := sample(t)
		check(t, name, b)
	})
}

// FuzzGapText reads arbitrary texts in a file that is right otherwise.
func FuzzGapText(f *testing.F) {
	_, b := sample(f)
	f.Add(unpack(f, b))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		name, _ := sample(t)
		// Let the first line be right more often than by chance.
		if first, _, ok := strings.Cut(text, "\n"); ok {
			var h header
			if json.Unmarshal([]byte(first), &h) == nil && h.Lines >= 0 && h.Lines <= maxLines {
				name.Lines = h.Lines
			}
		}
		check(t, name, pack(t, text))
	})
}

func check(t *testing.T, name File, b []byte) {
	t.Helper()
	name.Hash = digest(b)
	entries, err := decode(testStream, &name, b)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Errorf("error %v is neither ErrDamaged nor ErrVersion", err)
		}
		return
	}
	again := name
	if _, err := encode(testStream, &again, entries); err != nil || again.Lines != name.Lines {
		t.Errorf("what was read cannot be written: %v", err)
	}
	var s Set
	for _, e := range entries {
		s.AddEntry(name.Slot, e)
	}
	for _, e := range s.Entries(name.Slot) {
		if err := e.check(name.Slot); err != nil {
			t.Errorf("a set makes %+v of it: %v", e, err)
		}
	}
}
