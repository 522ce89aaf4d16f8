package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	pq "github.com/parquet-go/parquet-go"
)

// TestRowGroups has parquet-go read a file of several row groups: columns have
// other values, encodings and numbers of nulls in each.
func TestRowGroups(t *testing.T) {
	w, err := NewWriter("test", "loghaul version 1.0.0 (build test)")
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{3000, 1, 64, 20011, 9}
	var groups [][]*sample
	for i, rows := range sizes {
		groups = append(groups, samples(rand.New(rand.NewPCG(2, uint64(i))), rows))
	}
	var cols []Column
	for _, s := range groups[0] {
		cols = append(cols, s.col)
	}
	for range 2 { // memory is used again
		for i, rows := range sizes {
			if i == 0 {
				w.BeginGroups(cols, rows)
			} else if err := w.NextGroup(rows); err != nil {
				t.Fatal(err)
			}
			if err := w.NextGroup(1); err == nil {
				t.Fatal("a row group without columns")
			}
			for _, s := range groups[i] {
				if err := w.Add(&s.chunk); err != nil {
					t.Fatal(err)
				}
			}
		}
		b, err := w.Finish(nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := pq.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.RowGroups()) != len(sizes) {
			t.Fatalf("%d row groups", len(f.RowGroups()))
		}
		for i, g := range f.RowGroups() {
			if g.NumRows() != int64(sizes[i]) {
				t.Errorf("row group %d has %d rows", i, g.NumRows())
			}
			for j, s := range groups[i] {
				t.Run(fmt.Sprintf("%d/%s", i, s.col.Name), func(t *testing.T) { compare(t, s, g.ColumnChunks()[j]) })
			}
		}
	}
	w.Begin(cols, sizes[2])
	for _, s := range groups[2] {
		if err := w.Add(&s.chunk); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := ReadFooter(bytes.NewReader(b), int64(len(b))); err != nil || f.Rows != sizes[2] {
		t.Errorf("a file of one row group after that: %v", err)
	}
}
