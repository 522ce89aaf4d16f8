package archive

import (
	"bytes"
	"fmt"
	"testing"
)

// TestHeadersThatStopRepeating has a captured header that gives up its
// dictionary, and then the first blocks once more, which were remembered.
func TestHeadersThatStopRepeating(t *testing.T) {
	var raw []byte
	line := func(i int) {
		raw = fmt.Appendf(raw, "198.51.100.1:%d [22/Nov/2026:16:10:39.048] web web/srv1 0/0/1/2/3 200 120 - - ---- 1/1/0/0/0 0/0 "+
			"{host|request-%d} {} \"GET /%d HTTP/1.1\"\n", 1024+i, i, i)
	}
	const unique = 2*plainCheck + 100
	for i := range unique {
		line(i)
	}
	for i := range 200 {
		line(i)
	}
	e := newEncoder(t, wellKnown(t)...)
	for range 2 { // the second time without a dictionary from the start
		o, err := e.Encode(cut(1, raw, 64<<10), sealed)
		if err != nil {
			t.Fatal(err)
		}
		if o.Unparsed+o.RawKept+o.Refused > 0 || !bytes.Equal(readBack(t, o.Body), raw) {
			t.Errorf("%d unparsed, %d kept, %d refused", o.Unparsed, o.RawKept, o.Refused)
		}
	}
	if e.table.columns[colReqHeader1+1].chunk.Coded {
		t.Error("the column has a dictionary still")
	}
}

func TestHash(t *testing.T) {
	d := newDict()
	seen := map[uint64]string{}
	add := func(v []byte) {
		h := d.hash(v)
		if old, ok := seen[h]; ok && old != string(v) {
			t.Fatalf("%q and %q have the same hash", old, v)
		}
		seen[h] = string(v)
	}
	for n := range 70 {
		base := bytes.Repeat([]byte{'a'}, n)
		add(base)
		for i := range n { // each bit of each byte counts
			for bit := range 8 {
				base[i] ^= 1 << bit
				add(base)
				base[i] ^= 1 << bit
			}
		}
	}
	if len(seen) != 70+8*69*70/2 {
		t.Errorf("%d hashes", len(seen))
	}
	if other := newDict(); other.hash([]byte("text")) == d.hash([]byte("text")) {
		t.Error("the hash does not depend on the seed")
	}
}
