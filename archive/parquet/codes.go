package parquet

import (
	"encoding/binary"
	"slices"
)

// code is an index into a dictionary.
type code interface{ uint8 | uint16 | uint32 }

// codes are the indexes of a chunk's values into its dictionary, in the
// smallest type that holds them: what is passed over several times should be
// small. A dictionary of one entry needs none.
type codes struct {
	entries int // of the dictionary; 0: there is none
	width   int // of an index in bits, as the pages have it
	small   []uint8
	medium  []uint16
	large   []uint32
}

// reset prepares for n values and a dictionary of entries.
func (c *codes) reset(entries, n int) {
	c.entries, c.width = entries, indexWidth(entries)
	switch {
	case entries <= 1:
	case c.width <= 8:
		c.small = slices.Grow(c.small[:0], n)[:n]
	case c.width <= 16:
		c.medium = slices.Grow(c.medium[:0], n)[:n]
	default:
		c.large = slices.Grow(c.large[:0], n)[:n]
	}
}

// size estimates the bytes of n codes in a page.
func (c *codes) size(n int) int {
	if c.entries <= 1 {
		return 8
	}
	return n * c.width / 8
}

// appendPage appends the codes of the values [from, to) as a data page has
// them behind the levels.
func (c *codes) appendPage(dst []byte, from, to int) []byte {
	dst = append(dst, byte(c.width))
	switch {
	case from == to:
		return dst
	case c.entries <= 1:
		return appendRun(dst, 0, to-from, c.width)
	case c.width <= 8:
		return appendHybrid(dst, c.small[from:to], c.width)
	case c.width <= 16:
		return appendHybrid(dst, c.medium[from:to], c.width)
	}
	return appendHybrid(dst, c.large[from:to], c.width)
}

// remap sets the codes to ranks[v] for each v of values, which are below
// entries.
func (c *codes) remap(values, ranks []uint32) {
	c.reset(len(ranks), len(values))
	switch {
	case c.entries <= 1:
	case c.width <= 8:
		remap(c.small, values, ranks)
	case c.width <= 16:
		remap(c.medium, values, ranks)
	default:
		remap(c.large, values, ranks)
	}
}

func remap[C code](dst []C, values, ranks []uint32) {
	for i, v := range values[:len(dst)] {
		dst[i] = C(ranks[v])
	}
}

// count sets the codes to ranks[v-lo] for each v of values.
func count[T integer](c *codes, values []T, lo T, ranks []uint32) {
	switch {
	case c.entries <= 1:
	case c.width <= 8:
		countInto(c.small, values, lo, ranks)
	case c.width <= 16:
		countInto(c.medium, values, lo, ranks)
	default:
		countInto(c.large, values, lo, ranks)
	}
}

func countInto[C code, T integer](dst []C, values []T, lo T, ranks []uint32) {
	for i, v := range values[:len(dst)] {
		dst[i] = C(ranks[v-lo])
	}
}

// packBits appends codes of width bits, the first in the lowest bits.
func packBits[C code](dst []byte, codes []C, width int) []byte {
	switch c := any(codes).(type) {
	case []uint8:
		return packSmall(dst, c, width)
	case []uint16:
		if width == 16 {
			for _, v := range c {
				dst = append(dst, byte(v), byte(v>>8))
			}
			return dst
		}
	}
	var acc uint64
	n := 0
	for _, c := range codes {
		acc |= uint64(c) << n
		n += width
		for n >= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
			n -= 8
		}
	}
	if n > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// packSmall packs 1, 2, 4 or 8 bits per code, eight codes at a time.
func packSmall(dst []byte, codes []uint8, width int) []byte {
	if width == 8 {
		return append(dst, codes...)
	}
	for ; len(codes) >= 8; codes = codes[8:] {
		dst = packEight(dst, binary.LittleEndian.Uint64(codes), width)
	}
	if len(codes) > 0 {
		var last [8]byte
		copy(last[:], codes)
		dst = packEight(dst, binary.LittleEndian.Uint64(last[:]), width)
	}
	return dst
}

// packEight packs the eight bytes of x to width bits each.
func packEight(dst []byte, x uint64, width int) []byte {
	switch width {
	case 1:
		return append(dst, byte(x*0x0102040810204080>>56))
	case 2:
		x = (x | x>>6) & 0x000f000f000f000f
		x |= x >> 12
		return append(dst, byte(x), byte(x>>32))
	}
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return binary.LittleEndian.AppendUint32(dst, uint32(x|x>>16)) //nolint:gosec // the upper half is done
}
