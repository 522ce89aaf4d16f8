package parquet

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// textDict sorts dictionaries of texts: neighbours then share their beginning,
// which is what zstd needs to compress the dictionary page, and codes of
// similar values come to lie close together.
type textDict struct {
	keys  []uint64
	ranks []uint32
	plain []byte
	// The least and the greatest text.
	min, max []byte
}

const (
	// keyBytes is how many bytes of a text are compared at a time: they and
	// the text's index fit a number, which sorts faster than anything else.
	keyBytes = 5
	keyIndex = 64 - 8*keyBytes // bits
	// fewTexts is how many texts are sorted by comparing them whole.
	fewTexts = 12
)

// build makes plain of a dictionary and sets codes by its codes.
func (d *textDict) build(dict *Strings, codes *codes, values []uint32) {
	n := dict.Len()
	d.keys = slices.Grow(d.keys[:0], n)[:n]
	for i := range d.keys {
		d.keys[i] = uint64(i)
	}
	sortTexts(dict, d.keys, 0)
	d.ranks = slices.Grow(d.ranks[:0], n)[:n]
	d.plain = d.plain[:0]
	for rank, k := range d.keys {
		d.ranks[k] = uint32(rank) //nolint:gosec // bounded
		d.plain = appendPlainText(d.plain, dict.At(int(k)))
	}
	d.min, d.max = dict.At(int(d.keys[0])), dict.At(int(d.keys[n-1]))
	codes.remap(values, d.ranks)
}

// sortTexts sorts indexes of texts that agree in their first from bytes.
func sortTexts(dict *Strings, indexes []uint64, from int) {
	if len(indexes) <= fewTexts || dict.Len() > 1<<keyIndex {
		sortWhole(dict, indexes)
		return
	}
	for i, k := range indexes {
		indexes[i] = prefix(dict.At(int(k))[from:])>>keyIndex<<keyIndex | k
	}
	slices.Sort(indexes)
	const index = 1<<keyIndex - 1
	for start := 0; start < len(indexes); {
		key := indexes[start] &^ index
		end := start
		for ; end < len(indexes) && indexes[end]&^index == key; end++ {
			indexes[end] &= index
		}
		group := indexes[start:end]
		start = end
		if len(group) == 1 {
			continue
		}
		// Texts that end within the key are padded with zeros, so that they
		// can agree with ones that go on with zeros.
		if slices.ContainsFunc(group, func(k uint64) bool { return len(dict.At(int(k))) < from+keyBytes }) {
			sortWhole(dict, group)
		} else {
			sortTexts(dict, group, from+keyBytes)
		}
	}
}

func sortWhole(dict *Strings, indexes []uint64) {
	slices.SortFunc(indexes, func(a, b uint64) int { return bytes.Compare(dict.At(int(a)), dict.At(int(b))) })
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
