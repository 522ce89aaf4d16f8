package parquet

import "encoding/binary"

// intDict builds sorted dictionaries of integers whose range is small, by
// counting: no hashing. It keeps its table between columns.
type intDict struct {
	table []uint32
	plain []byte // the dictionary page
}

const (
	// dictRange is the widest range of values that is counted.
	dictRange = 1 << 18
	// dictShare: a dictionary may hold one entry per so many values at most.
	dictShare = 4
)

// intDictionary makes codes and plain of values, which are from lo to hi, or
// leaves codes without entries when a dictionary does not pay.
func intDictionary[T integer](d *intDict, codes *codes, values []T, lo, hi T, width int) {
	codes.entries = 0
	if len(values) == 0 || uint64(int64(hi))-uint64(int64(lo)) >= dictRange { //nolint:gosec // the difference as an unsigned number
		return
	}
	span := int(hi-lo) + 1
	if cap(d.table) < span {
		d.table = make([]uint32, span)
	}
	table := d.table[:span]
	clear(table)
	if span == 1 {
		table[0] = 1
	} else {
		for _, v := range values {
			table[v-lo] = 1
		}
	}
	n := 0
	d.plain = d.plain[:0]
	for i, used := range table {
		if used == 0 {
			continue
		}
		table[i] = uint32(n) //nolint:gosec // n < dictRange
		n++
		if v := int64(lo) + int64(i); width == 4 {
			d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(v)) //nolint:gosec // bit pattern
		} else {
			d.plain = binary.LittleEndian.AppendUint64(d.plain, uint64(v)) //nolint:gosec // bit pattern
		}
	}
	if n > 16 && n > len(values)/dictShare {
		return
	}
	codes.reset(n, len(values))
	count(codes, values, lo, table)
}
