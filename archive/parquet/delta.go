package parquet

import (
	"encoding/binary"
	"math/bits"
)

// DELTA_BINARY_PACKED in blocks of 128 values and 4 miniblocks of 32, which
// is what every reader has met.
const (
	deltaBlock = 128
	deltaMini  = 32
)

type integer interface{ ~int32 | ~int64 }

// appendDelta appends values as DELTA_BINARY_PACKED. Differences wrap around
// in the width of T, as the format wants it. mask has the bits of T set.
func appendDelta[T integer](dst []byte, values []T, mask uint64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaBlock/deltaMini)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(values[0]))
	var deltas [deltaBlock]T
	prev := values[0]
	for rest := values[1:]; len(rest) > 0; {
		n := min(deltaBlock, len(rest))
		least := rest[0] - prev
		for i, v := range rest[:n] {
			deltas[i] = v - prev
			least = min(least, deltas[i])
			prev = v
		}
		dst = appendBlock(dst, deltas[:n], least, mask)
		rest = rest[n:]
	}
	return dst
}

func appendBlock[T integer](dst []byte, deltas []T, least T, mask uint64) []byte {
	dst = binary.AppendVarint(dst, int64(least))
	widths := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for m := 0; m*deltaMini < len(deltas); m++ {
		mini := deltas[m*deltaMini : min(len(deltas), (m+1)*deltaMini)]
		var all uint64
		for i := range mini {
			all |= uint64(mini[i]-least) & mask //nolint:gosec // bit pattern
		}
		w := bits.Len64(all)
		dst[widths+m] = byte(w)
		dst = packMini(dst, mini, least, w, mask)
	}
	return dst
}

// packMini packs one miniblock of 32 values, zeros behind the last one.
func packMini[T integer](dst []byte, mini []T, least T, w int, mask uint64) []byte {
	end := len(dst) + deltaMini*w/8
	var acc uint64
	n := 0
	for _, d := range mini {
		v := uint64(d-least) & mask //nolint:gosec // bit pattern
		acc |= v << n
		if n+w >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			acc = v >> (64 - n) // a shift by 64 gives 0
			n += w - 64
			continue
		}
		n += w
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	for len(dst) < end {
		dst = append(dst, 0)
	}
	return dst
}
