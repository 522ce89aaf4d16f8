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
	spare []uint64 // memory for sorting
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
	// manyTexts is from how many on sorting by digits pays.
	manyTexts = 192
)

// build makes plain of a dictionary and sets codes by its codes.
func (d *textDict) build(dict *Strings, codes *codes, values []uint32) {
	n := dict.Len()
	d.keys = slices.Grow(d.keys[:0], n)[:n]
	for i := range d.keys {
		d.keys[i] = uint64(i)
	}
	d.spare = slices.Grow(d.spare[:0], n)[:n]
	sortTexts(dict, d.keys, d.spare, 0)
	d.ranks = slices.Grow(d.ranks[:0], n)[:n]
	d.plain = d.plain[:0]
	for rank, k := range d.keys {
		d.ranks[k] = uint32(rank) //nolint:gosec // bounded
		d.plain = appendPlainText(d.plain, dict.At(int(k)))
	}
	d.min, d.max = dict.At(int(d.keys[0])), dict.At(int(d.keys[n-1]))
	codes.remap(values, d.ranks)
}

// sortTexts sorts indexes of texts that agree in their first from bytes. spare
// is as long.
func sortTexts(dict *Strings, indexes, spare []uint64, from int) {
	if len(indexes) <= fewTexts || dict.Len() > 1<<keyIndex {
		sortWhole(dict, indexes)
		return
	}
	for i, k := range indexes {
		indexes[i] = prefix(dict.At(int(k))[from:])>>keyIndex<<keyIndex | k
	}
	if len(indexes) < manyTexts {
		slices.Sort(indexes)
	} else {
		sortKeys(indexes, spare)
	}
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
			sortTexts(dict, group, spare[:len(group)], from+keyBytes)
		}
	}
}

// sortKeys sorts by the key's bytes, from the last to the first, which guesses
// no branch. Indexes that are in order stay so among equal keys.
func sortKeys(keys, spare []uint64) {
	var counts [keyBytes][256]uint32
	for _, k := range keys {
		for digit := range counts {
			counts[digit][byte(k>>(keyIndex+8*digit))]++
		}
	}
	from, to := keys, spare
	for digit := range counts {
		count, shift := &counts[digit], keyIndex+8*digit
		if int(count[byte(keys[0]>>shift)]) == len(keys) {
			continue // all the same
		}
		at := uint32(0)
		for i, n := range count {
			count[i] = at
			at += n
		}
		for _, k := range from {
			slot := &count[byte(k>>shift)]
			to[*slot] = k
			*slot++
		}
		from, to = to, from
	}
	copy(keys, from) // it may be there already
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
