package archive

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// dict numbers texts by their 64-bit hash, with open addressing. It does not
// keep the texts, so that a look-up touches one place in memory.
//
// Two texts with the same hash would get the same number. With 100,000 texts
// that happens once in four thousand million objects, nobody can provoke it
// (the seed is random), and no line is lost by it: the row does not render
// back, so the verification refuses it and its bytes are kept.
type dict struct {
	seed  [2]uint64
	table []dictSlot
	count int
}

// dictSlot holds one more than the code; 0 means free.
type dictSlot struct {
	hash uint64
	code uint32
}

const dictMin = 1 << 6

func newDict() dict {
	return dict{seed: [2]uint64{rand.Uint64(), rand.Uint64()}, table: make([]dictSlot, dictMin)} //nolint:gosec // the operating system seeds it
}

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
	return d.codeOf(d.hash(v))
}

// hash multiplies 16 bytes at a time, as wyhash does (see
// https://github.com/wangyi-fudan/wyhash): most texts here are so short that
// the call of maphash would take longer than the hashing.
func (d *dict) hash(v []byte) uint64 {
	n := len(v)
	h := d.seed[0]
	var a, b uint64
	switch {
	case n > 16:
		for rest := v; len(rest) > 16; rest = rest[16:] {
			h = mix(binary.LittleEndian.Uint64(rest)^d.seed[1], binary.LittleEndian.Uint64(rest[8:])^h)
		}
		a, b = binary.LittleEndian.Uint64(v[n-16:]), binary.LittleEndian.Uint64(v[n-8:])
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[n-4:]))
	case n > 0:
		a = uint64(v[0])<<16 | uint64(v[n/2])<<8 | uint64(v[n-1])
	}
	return mix(d.seed[1]^uint64(n), mix(a^d.seed[1], b^h)^h)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
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
