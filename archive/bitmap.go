package archive

import "math/bits"

// bitmap is a set of rows: bit i%64 of word i/64 is row i.
type bitmap []uint64

func newBitmap(rows int) bitmap { return make(bitmap, (rows+63)/64) }

func (b bitmap) set(row int)      { b[row>>6] |= 1 << (row & 63) }
func (b bitmap) has(row int) bool { return b[row>>6]>>(row&63)&1 != 0 }

// setRange adds the rows [from, to).
func (b bitmap) setRange(from, to int) {
	for ; from < to && from&63 != 0; from++ {
		b.set(from)
	}
	for ; to-from >= 64; from += 64 {
		b[from>>6] = ^uint64(0)
	}
	for ; from < to; from++ {
		b.set(from)
	}
}

func (b bitmap) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// and keeps the rows that are in o, too.
func (b bitmap) and(o bitmap) bitmap {
	for i := range b {
		b[i] &= o[i]
	}
	return b
}

// andNot removes the rows of o.
func (b bitmap) andNot(o bitmap) bitmap {
	for i := range b {
		b[i] &^= o[i]
	}
	return b
}

// or adds the rows of o.
func (b bitmap) or(o bitmap) bitmap {
	for i := range b {
		b[i] |= o[i]
	}
	return b
}

func (b bitmap) clone() bitmap { return append(make(bitmap, 0, len(b)), b...) }

// rows calls yield for each row, in order, until it returns false.
func (b bitmap) rows(yield func(row int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i<<6 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// runEnd gives the first row behind row that is not in b, or limit.
func (b bitmap) runEnd(row, limit int) int {
	for row++; row < limit && b.has(row); row++ {
		if row&63 == 0 && b[row>>6] == ^uint64(0) {
			row += 63
		}
	}
	return min(row, limit)
}
