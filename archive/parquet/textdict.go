package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// textDict sorts dictionaries of texts: neighbours then share their beginning,
// which is what zstd needs to compress the dictionary page, and codes of
// similar values come to lie close together.
type textDict struct {
	order []textKey
	remap []uint32
	codes []uint32
	plain []byte
}

// textKey carries the start of a text so that most comparisons touch no text.
type textKey struct {
	prefix uint64
	index  uint32
}

// build makes plain and codes of a dictionary and its codes.
func (d *textDict) build(dict *Strings, codes []uint32) {
	d.order = d.order[:0]
	skip := commonPrefix(dict)
	for i := range dict.Len() {
		d.order = append(d.order, textKey{prefix(dict.At(i)[skip:]), uint32(i)}) //nolint:gosec // bounded
	}
	slices.SortFunc(d.order, func(a, b textKey) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return bytes.Compare(dict.At(int(a.index)), dict.At(int(b.index)))
	})
	d.remap = slices.Grow(d.remap[:0], dict.Len())[:dict.Len()]
	d.plain = d.plain[:0]
	for rank, k := range d.order {
		d.remap[k.index] = uint32(rank) //nolint:gosec // bounded
		d.plain = appendPlainText(d.plain, dict.At(int(k.index)))
	}
	d.codes = slices.Grow(d.codes[:0], len(codes))[:len(codes)]
	for i, c := range codes {
		d.codes[i] = d.remap[c]
	}
}

func appendPlainText(dst, v []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v))) //nolint:gosec // bounded
	return append(dst, v...)
}

// prefix gives the first eight bytes as a number that sorts like them.
func prefix(v []byte) uint64 {
	if len(v) >= 8 {
		return binary.BigEndian.Uint64(v)
	}
	var b [8]byte
	copy(b[:], v)
	return binary.BigEndian.Uint64(b[:])
}

// commonPrefix gives the number of bytes all texts start with.
func commonPrefix(dict *Strings) int {
	if dict.Len() == 0 {
		return 0
	}
	first := dict.At(0)
	n := len(first)
	for i := 1; i < dict.Len() && n > 0; i++ {
		v := dict.At(i)
		n = min(n, len(v))
		for j := range n {
			if v[j] != first[j] {
				n = j
				break
			}
		}
	}
	return n
}
