package archive

import (
	"bytes"
	"hash/maphash"

	"github.com/loghaul/loghaul/archive/parquet"
)

// dict finds the code of a text: open addressing over maphash, with the texts
// themselves in a parquet.Strings. It keeps its table between objects.
type dict struct {
	seed  maphash.Seed
	table []dictSlot
	count int
}

// dictSlot holds the upper half of the hash to spare most comparisons. code is
// one more than the code; 0 means free.
type dictSlot struct{ hash, code uint32 }

const dictMin = 1 << 6

func newDict() dict { return dict{seed: maphash.MakeSeed(), table: make([]dictSlot, dictMin)} }

// reset forgets all texts. A table that has grown far beyond what the last
// object needed is given up.
func (d *dict) reset() {
	if len(d.table) > dictMin && d.count*16 < len(d.table) {
		d.table = make([]dictSlot, dictMin)
	} else {
		clear(d.table)
	}
	d.count = 0
}

// code gives the code of v, adding it to texts when it is new.
func (d *dict) code(v []byte, texts *parquet.Strings) (code uint32, added bool) {
	h := maphash.Bytes(d.seed, v)
	upper := uint32(h >> 32) //nolint:gosec // half of a hash
	mask := len(d.table) - 1
	for i := int(h) & mask; ; i = (i + 1) & mask { //nolint:gosec // a hash
		s := d.table[i]
		if s.code == 0 {
			d.count++
			d.table[i] = dictSlot{upper, uint32(d.count)} //nolint:gosec // bounded by MaxLines
			texts.Append(v)
			if d.count*2 > len(d.table) {
				d.grow(texts)
			}
			return uint32(d.count - 1), true //nolint:gosec // bounded
		}
		if s.hash == upper && bytes.Equal(texts.At(int(s.code-1)), v) {
			return s.code - 1, false
		}
	}
}

func (d *dict) grow(texts *parquet.Strings) {
	d.table = make([]dictSlot, len(d.table)*4)
	d.fill(texts)
}

// rebuild makes the table anew for texts.
func (d *dict) rebuild(texts *parquet.Strings) {
	clear(d.table)
	d.count = texts.Len()
	d.fill(texts)
}

func (d *dict) fill(texts *parquet.Strings) {
	mask := len(d.table) - 1
	for code := range texts.Len() {
		h := maphash.Bytes(d.seed, texts.At(code))
		i := int(h) & mask //nolint:gosec // a hash
		for d.table[i].code != 0 {
			i = (i + 1) & mask
		}
		d.table[i] = dictSlot{uint32(h >> 32), uint32(code + 1)} //nolint:gosec // bounded
	}
}
