package archive

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"
)

// TestDerived writes the rows of two objects into one file in another order: all
// values come back, DuckDB counts what HAProxy's second channel counted, and
// there are several row groups.
func TestDerived(t *testing.T) {
	var want summary
	if err := json.Unmarshal(readCorpus(t, corpusDir+"/httplog-200k.summary.json"), &want); err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, wellKnown(t)...)
	batches := cut(1, readCorpus(t, corpusDir+"/httplog-200k.log.zst"), 1<<20)
	s := NewSchema()
	var all [][]byte
	for _, part := range [][]Batch{batches[:len(batches)/2], batches[len(batches)/2:]} {
		o, err := e.Encode(part, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if err := openBody(t, o.Body).Cells(s, func(_ *Row, cells []byte) error {
			all = append(all, bytes.Clone(cells))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewDerived(s, "test")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if err := d.Add(all[len(all)-1-i]); err != nil {
			t.Fatal(err)
		}
	}
	body, err := d.Finish(DerivedMeta{From: "here", Lines: int64(len(all))})
	if err != nil {
		t.Fatal(err)
	}
	next := len(all)
	meta, err := ReadDerived(body, s, func(cells []byte) error {
		if next--; !bytes.Equal(cells, all[next]) {
			t.Fatalf("row %d has other values", next)
		}
		return nil
	})
	if err != nil || next != 0 || meta.From != "here" {
		t.Errorf("%d rows were not read: %+v, %v", next, meta, err)
	}
	f, err := pq.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil || len(f.RowGroups()) != 2 {
		t.Errorf("%d row groups, %v", len(f.RowGroups()), err)
	}
	if _, err := Open(bytes.NewReader(body), int64(len(body))); err == nil {
		t.Error("a derived file is taken for an object")
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	var got summary
	if err := json.Unmarshal(duck(t, "counts", macroFile, path), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HAProxy's summary (-), DuckDB over the copy (+):\n%s", diff)
	}
	// A writer that has made a file before makes the same as a new one.
	fresh, err := NewDerived(s, "test")
	if err != nil {
		t.Fatal(err)
	}
	var made [2][]byte
	for i, w := range []*Derived{d, fresh} {
		for _, cells := range all[:1000] {
			if err := w.Add(cells); err != nil {
				t.Fatal(err)
			}
		}
		if made[i], err = w.Finish(DerivedMeta{Lines: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("a second file differs from a first one")
	}
}

// TestDerivedMixesSchemas has dynamic columns of one name and two types, and
// objects of all versions.
func TestDerivedMixesSchemas(t *testing.T) {
	s := NewSchema()
	var all [][]byte
	read := func(body []byte) {
		if err := openBody(t, body).Cells(s, func(_ *Row, cells []byte) error {
			all = append(all, bytes.Clone(cells))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, spec := range []string{"%ST %(ts:str)[req.hdr(a)] x", "%ST %Ts %Ts"} {
		o, err := newEncoder(t, compile(t, spec)).Encode(cut(1, []byte("200 a x\n404 7 7\n"), 100), sealed)
		if err != nil {
			t.Fatal(err)
		}
		read(o.Body)
	}
	for _, version := range []string{"1", "2", "3", "4"} {
		read(readCorpus(t, goldenDir+"/v"+version+"/object.parquet"))
	}
	d, err := NewDerived(s, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all {
		if err := d.Add(cells); err != nil {
			t.Fatal(err)
		}
	}
	body, err := d.Finish(DerivedMeta{Lines: int64(len(all))})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	if _, err := ReadDerived(body, s, func(cells []byte) error {
		if !bytes.Equal(cells, all[next]) {
			t.Errorf("row %d has other values", next)
		}
		next++
		return nil
	}); err != nil || next != len(all) {
		t.Errorf("%d of %d rows: %v", next, len(all), err)
	}
	var names []string
	for _, d := range s.defs[coreCount:] {
		names = append(names, d.Name)
	}
	if d := cmp.Diff([]string{"x_ts", "x_state", "x_ts_2"}, names); d != "" {
		t.Errorf("dynamic columns (-want +got)\n%s", d)
	}
}

// FuzzDerivedCells gives a Derived anything as a row: it refuses what Cells did
// not make.
func FuzzDerivedCells(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 'n', 1, 1, 's', 2, 4, 3, 1, 'p', 4, 2, 5, 0})
	f.Add([]byte{200, 200, 200, 200, 200, 200, 200, 200, 200, 1})
	f.Add([]byte{0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, cells []byte) {
		s := NewSchema()
		for rest := cells; len(rest) > 0; {
			c, after, err := s.nextCell(rest)
			if err != nil {
				return
			}
			if len(after) >= len(rest) || c.place >= len(s.defs) {
				t.Fatalf("%+v of %x leaves %x", c, rest, after)
			}
			rest = after
		}
	})
}
