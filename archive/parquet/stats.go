package parquet

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// statsLimit is the longest min_value or max_value of a text column, in bytes.
const statsLimit = 64

// bounds are the statistics of a column chunk.
type bounds struct {
	nulls              int64
	min, max           []byte // nil: not known
	minExact, maxExact bool
}

// leastMost gives the first and the last of values in their order.
func leastMost(values *Strings) (lo, hi []byte) {
	lo, hi = values.At(0), values.At(0)
	for i := 1; i < values.Len(); i++ {
		v := values.At(i)
		if bytes.Compare(v, lo) < 0 {
			lo = v
		} else if bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	return lo, hi
}

// textBounds gives the bounds of texts from lo to hi, cut to statsLimit. A cut
// minimum is a prefix, which sorts before; a cut maximum has its last
// character raised by one, so that it sorts behind everything with the same
// prefix. scratch holds what must be changed.
func textBounds(lo, hi, scratch []byte) bounds {
	b := bounds{min: lo, max: hi, minExact: true, maxExact: true}
	if len(lo) > statsLimit {
		b.min, b.minExact = lo[:runeStart(lo, statsLimit)], false
	}
	if len(hi) > statsLimit {
		b.max, b.maxExact = raise(append(scratch[:0], hi[:runeStart(hi, statsLimit)]...)), false
	}
	if b.max == nil {
		b.min = nil
	}
	return b
}

// runeStart gives the last start of a character at or before i.
func runeStart(b []byte, i int) int {
	for i > 0 && !utf8.RuneStart(b[i]) {
		i--
	}
	return i
}

// raise gives the smallest text above all texts that start with b, or nil.
// Only ASCII characters are raised, so that the result stays valid UTF-8.
func raise(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < utf8.RuneSelf-1 {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

func int32Bounds(lo, hi int32, scratch *[16]byte) bounds {
	binary.LittleEndian.PutUint32(scratch[0:], uint32(lo)) //nolint:gosec // bit pattern
	binary.LittleEndian.PutUint32(scratch[8:], uint32(hi)) //nolint:gosec // bit pattern
	return bounds{min: scratch[0:4], max: scratch[8:12], minExact: true, maxExact: true}
}

func int64Bounds(lo, hi int64, scratch *[16]byte) bounds {
	binary.LittleEndian.PutUint64(scratch[0:], uint64(lo)) //nolint:gosec // bit pattern
	binary.LittleEndian.PutUint64(scratch[8:], uint64(hi)) //nolint:gosec // bit pattern
	return bounds{min: scratch[0:8], max: scratch[8:16], minExact: true, maxExact: true}
}

// minMax gives the bounds of values, 0 if there are none. Four pairs of bounds
// keep the comparisons from waiting for each other.
func minMax[T integer](values []T) (lo, hi T) {
	if len(values) == 0 {
		return 0, 0
	}
	first := values[0]
	l, h := [4]T{first, first, first, first}, [4]T{first, first, first, first}
	for ; len(values) >= 4; values = values[4:] {
		a, b, c, d := values[0], values[1], values[2], values[3]
		l[0], l[1], l[2], l[3] = min(l[0], a), min(l[1], b), min(l[2], c), min(l[3], d)
		h[0], h[1], h[2], h[3] = max(h[0], a), max(h[1], b), max(h[2], c), max(h[3], d)
	}
	for _, v := range values {
		l[0], h[0] = min(l[0], v), max(h[0], v)
	}
	return min(l[0], l[1], l[2], l[3]), max(h[0], h[1], h[2], h[3])
}
