package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive/parquet"
)

// TestSummary compares summaries of real logs with the values that another
// library reads.
func TestSummary(t *testing.T) {
	s, err := NewSummarizer()
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, wellKnown(t)...)
	listed, bounded, blooms := 0, 0, 0
	for _, log := range []string{"/dates-paris-spring/httplog.log", "/tcp/tcplog.log", "/http-asap/clf.log", "/errors-legacy/error.log"} {
		o, err := e.Encode(cut(1, readCorpus(t, corpusDir+log), 64<<10), sealed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Summarize(o.Body)
		if err != nil {
			t.Fatal(err)
		}
		var d decoded
		if err := d.open(o.Body, e.defs, Version, o.Lines); err != nil {
			t.Fatal(err)
		}
		for i := range d.columns {
			c := &d.columns[i]
			sum, there := got.Columns[c.def.Name]
			if there == c.empty() {
				t.Errorf("%s: column %s, all null: %v, listed: %v", log, c.def.Name, c.empty(), there)
			}
			if !there {
				continue
			}
			if lo, hi := c.bounds(); c.def.Type == parquet.Int32 || c.def.Type == parquet.Int64 {
				bounded++
				if diff := cmp.Diff([]*int64{number(lo), number(hi)}, []*int64{sum.Min, sum.Max}); diff != "" {
					t.Errorf("%s: column %s (-values +summary): %s", log, c.def.Name, diff)
				}
			}
			if c.def.Logical != parquet.String {
				continue
			}
			var values []string
			c.eachText(func(v []byte) { values = append(values, string(v)) })
			slices.Sort(values)
			values = slices.Compact(values)
			if sum.Values != nil {
				listed++
				if diff := cmp.Diff(values, sum.Values); diff != "" {
					t.Errorf("%s: column %s (-values +summary): %s", log, c.def.Name, diff)
				}
			} else if c.pages[0].coded && len(values) <= maxValues && len(strings.Join(values, "")) <= maxValuesBytes {
				t.Errorf("%s: column %s has %q, which the summary does not list", log, c.def.Name, values)
			}
			if b := got.Blooms[c.def.Name]; c.def.bloom {
				blooms++
				for _, v := range values {
					h := parquet.BloomHash([]byte(v))
					block := parquet.BloomBlockOf(h, uint64(len(b)/parquet.BloomBlock))
					if !parquet.BloomMayHold(b[block*parquet.BloomBlock:][:parquet.BloomBlock], h) {
						t.Errorf("%s: the filter of %s has no %q", log, c.def.Name, v)
					}
				}
			}
		}
		d.release()
	}
	if listed < 40 || bounded < 40 || blooms < 2 {
		t.Errorf("only %d columns with values, %d with bounds, %d with filters were seen", listed, bounded, blooms)
	}
}

func TestSummaryOfLossesAlone(t *testing.T) {
	o, err := newEncoder(t, wellKnown(t)...).Encode([]Batch{lost(1, 0, 10, 0, "truncated")}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSummarizer()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Summarize(o.Body); err != nil || len(got.Columns)+len(got.Blooms) > 0 || len(got.Meta.Losses) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestBrokenDictionaries changes each byte of a dictionary page: the page is
// refused as corrupt, or gives the same entries.
func TestBrokenDictionaries(t *testing.T) {
	o, err := newEncoder(t, wellKnown(t)...).Encode(cut(1, readCorpus(t, corpusDir+"/tcp/tcplog.log"), 64<<10), sealed)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.ReadFooter(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := parquet.NewDictionaries()
	if err != nil {
		t.Fatal(err)
	}
	c := &f.Columns[colClientIP]
	page := bytes.Clone(o.Body[c.Start:c.Data])
	want, err := d.Texts(c, page)
	if err != nil || len(want) == 0 {
		t.Fatal(want, err)
	}
	want = slices.Clone(want)
	for i := range want {
		want[i] = bytes.Clone(want[i])
	}
	for i := range page {
		page[i] ^= 0x11
		if got, err := d.Texts(c, page); err == nil && !cmp.Equal(got, want) || err != nil && !errors.Is(err, parquet.ErrCorrupt) {
			t.Errorf("byte %d changed: %q, %v", i, got, err)
		}
		page[i] ^= 0x11
	}
	if _, err := d.Texts(c, page[:len(page)-1]); !errors.Is(err, parquet.ErrCorrupt) {
		t.Errorf("a page cut short: %v", err)
	}
	if _, err := parquet.Bloom(binary.LittleEndian.AppendUint64(nil, 1)); !errors.Is(err, parquet.ErrCorrupt) {
		t.Errorf("a filter without a header: %v", err)
	}
}
