package archive

import "hash/maphash"

// dict numbers texts by their 64-bit hash: open addressing over maphash. It
// does not keep the texts, so that a look-up touches one place in memory.
//
// Two texts with the same hash would get the same number. With 100,000 texts
// that happens once in four thousand million objects, nobody can provoke it
// (the seed is random), and no line is lost by it: the row does not render
// back, so the verification refuses it and its bytes are kept.
type dict struct {
	seed  maphash.Seed
	table []dictSlot
	count int
}

// dictSlot holds one more than the code; 0 means free.
type dictSlot struct {
	hash uint64
	code uint32
}

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

// code gives the code of v; added says that it is a new one, the next number.
func (d *dict) code(v []byte) (code uint32, added bool) {
	return d.codeOf(maphash.Bytes(d.seed, v))
}

func (d *dict) codeOf(h uint64) (code uint32, added bool) {
	mask := uint64(len(d.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &d.table[i]
		if s.code == 0 {
			d.count++
			*s = dictSlot{h, uint32(d.count)} //nolint:gosec // bounded by MaxLines
			if d.count*2 > len(d.table) {
				d.grow()
			}
			return uint32(d.count - 1), true //nolint:gosec // bounded
		}
		if s.hash == h {
			return s.code - 1, false
		}
	}
}

func (d *dict) grow() {
	old := d.table
	d.table = make([]dictSlot, len(old)*2)
	mask := uint64(len(d.table) - 1)
	for _, s := range old {
		if s.code == 0 {
			continue
		}
		i := s.hash & mask
		for d.table[i].code != 0 {
			i = (i + 1) & mask
		}
		d.table[i] = s
	}
}
