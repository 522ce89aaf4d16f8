package parquet

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// longRun is the number of equal codes from which an RLE run is written
// instead of bit-packed groups: shorter runs would cost the decoder more than
// zstd saves by the repetition.
const longRun = 256

// indexWidth rounds the bits that n dictionary entries need up to 1, 2, 4, 8
// or 16: whole symbols lie on the same bits of every byte, which is what
// zstd's entropy coder can see. Beyond 16 bits the exact width is used.
func indexWidth(n int) int {
	if n <= 1 {
		return 1
	}
	w := bits.Len(uint(n - 1))
	switch {
	case w <= 2:
		return w
	case w <= 4:
		return 4
	case w <= 8:
		return 8
	case w <= 16:
		return 16
	}
	return w
}

// appendHybrid appends codes in the RLE/bit-packing hybrid of the given width.
func appendHybrid[C code](dst []byte, codes []C, width int) []byte {
	for start := 0; start < len(codes); {
		// Find the next long run; what lies before it is bit-packed. Runs are
		// looked for at multiples of eight from start, because a bit-packed
		// group holds eight codes.
		lit, run := start, 0
		for lit < len(codes) {
			// Most places are seen to start no long run by its last code.
			if end := lit + longRun - 1; end >= len(codes) || codes[end] != codes[lit] {
				lit += 8
				continue
			}
			run = runLength(codes[lit:])
			if run >= longRun {
				break
			}
			lit += max(8, run&^7)
			run = 0
		}
		lit = min(lit, len(codes))
		if lit > start {
			dst = appendPacked(dst, codes[start:lit], width)
		}
		if run > 0 {
			dst = appendRun(dst, uint32(codes[lit]), run, width)
		}
		start = lit + run
	}
	return dst
}

func runLength[C code](codes []C) int {
	for i, c := range codes {
		if c != codes[0] {
			return i
		}
	}
	return len(codes)
}

func appendRun(dst []byte, code uint32, n, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1) //nolint:gosec // n > 0
	for i := 0; i < width; i += 8 {
		dst = append(dst, byte(code>>i))
	}
	return dst
}

// appendPacked appends one bit-packed run. Only the last run of a page may
// hold a number of codes that is no multiple of eight; zeros fill it up.
func appendPacked[C code](dst []byte, codes []C, width int) []byte {
	groups := (len(codes) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1) //nolint:gosec // groups > 0
	end := len(dst) + groups*width
	dst = packBits(slices.Grow(dst, groups*width), codes, width)
	for len(dst) < end {
		dst = append(dst, 0)
	}
	return dst[:end]
}

// appendLevels appends the definition levels of rows [from, to) as a v1 page
// wants them: four bytes of length, then the hybrid of width 1. present is a
// bitmap, least significant bit first; from must be a multiple of 64.
func appendLevels(dst []byte, present []uint64, from, to, values int) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	rows := to - from
	switch values {
	case rows:
		dst = appendRun(dst, 1, rows, 1)
	case 0:
		dst = appendRun(dst, 0, rows, 1)
	default:
		groups := (rows + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1) //nolint:gosec // groups > 0
		words := present[from/64 : (to+63)/64]
		for len(words) > 0 && groups >= 8 {
			dst = binary.LittleEndian.AppendUint64(dst, words[0])
			words, groups = words[1:], groups-8
		}
		for i := range groups {
			dst = append(dst, byte(words[0]>>(8*i)))
		}
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4)) //nolint:gosec // a page is small
	return dst
}

// countBits gives the number of set bits of rows [from, to); from must be a
// multiple of 64.
func countBits(present []uint64, from, to int) int {
	n := 0
	for i := from; i < to; i += 64 {
		w := present[i/64]
		if to-i < 64 {
			w &= 1<<(to-i) - 1
		}
		n += bits.OnesCount64(w)
	}
	return n
}
