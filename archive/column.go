package archive

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/loghaul/loghaul/archive/parquet"
)

// column collects the values of one column while an object is built.
type column struct {
	chunk parquet.Chunk // first: its first fields are used on every row
	columnDef
	bits []uint64 // memory of chunk.Present
	dict dict
	// last is one more than the code that addText gave last, 0: none.
	last  uint32
	spare parquet.Strings // memory for expand
	// plain says that a dictionary does not pay for these values; after retry
	// more objects it is tried again.
	plain bool
	retry int
}

const (
	// plainCheck is the number of distinct values at which, and at each
	// multiple of which, it is asked whether a dictionary pays.
	plainCheck = 2048
	// plainObjects is for how many objects the answer "no" holds.
	plainObjects = 16
	// fewTexts is up to how many distinct values the last one is tried before
	// the dictionary: among more it seldom comes again.
	fewTexts = 64
)

func newColumn(d columnDef) column {
	c := column{columnDef: d}
	if d.Type == parquet.ByteArray {
		c.dict = newDict()
	}
	c.chunk.Encoding = d.encoding
	c.chunk.Bloom = d.bloom
	c.chunk.Unbounded = d.Logical == parquet.None && d.Type == parquet.ByteArray
	c.plain = c.chunk.Unbounded
	return c
}

// reset makes the column empty for an object of rows rows.
func (c *column) reset(rows int) {
	k := &c.chunk
	if c.Type == parquet.ByteArray && !k.Unbounded {
		if k.Coded {
			c.dict.reset()
		}
		c.last = 0
		if c.plain {
			c.retry--
			c.plain = c.retry > 0
		}
	}
	k.Coded = c.Type == parquet.ByteArray && !c.plain
	k.Bools, k.Int32s, k.Int64s, k.Codes = k.Bools[:0], k.Int32s[:0], k.Int64s[:0], k.Codes[:0]
	k.Texts.Reset()
	if !c.Optional {
		return
	}
	words := (rows + 63) / 64
	if cap(c.bits) < words {
		c.bits = make([]uint64, words+words/4)
	}
	c.bits = c.bits[:words]
	clear(c.bits)
	k.Present = c.bits
}

// mark says that row has a value.
func (c *column) mark(row int) {
	if p := c.chunk.Present; p != nil {
		p[row>>6] |= 1 << (row & 63)
	}
}

// markRows says that the rows from row on whose bits are set have a value.
func (c *column) markRows(row int, rows uint64) {
	p := c.chunk.Present
	if p == nil || rows == 0 {
		return
	}
	p[row>>6] |= rows << (row & 63)
	if over := rows >> (64 - row&63); over != 0 { // a shift by 64 gives 0
		p[row>>6+1] |= over
	}
}

func (c *column) addBool(row int, v bool) {
	c.mark(row)
	c.chunk.Bools = append(c.chunk.Bools, v)
}

func (c *column) addInt32(row int, v int32) {
	c.chunk.Present[row>>6] |= 1 << (row & 63)
	c.chunk.Int32s = append(c.chunk.Int32s, v)
}

func (c *column) addInt64(row int, v int64) {
	c.mark(row)
	c.chunk.Int64s = append(c.chunk.Int64s, v)
}

// addText adds v, or nothing when v is not valid UTF-8 and the column has to
// be: engines refuse whole files for one such value. It tells which.
func (c *column) addText(row int, v []byte) bool {
	k := &c.chunk
	if !k.Coded {
		if c.Logical == parquet.String && !utf8.Valid(v) {
			return false
		}
		k.Texts.Append(v)
		c.mark(row)
		return true
	}
	before := k.Texts.Len()
	code, ok := c.codeText(v, 0)
	if ok {
		c.addCode(row, code)
		c.weigh(before)
	}
	return ok
}

// codeText gives the code of v in the dictionary, which it may be added to, or
// false when v is no text for this column. hash is that of v, or 0.
func (c *column) codeText(v []byte, hash uint64) (uint32, bool) {
	t := &c.chunk.Texts
	if c.last != 0 && t.Len() <= fewTexts && bytes.Equal(t.At(int(c.last-1)), v) {
		return c.last - 1, true
	}
	if hash == 0 {
		hash = c.dict.hash(v)
	}
	code, added := c.dict.codeOf(hash)
	if added && !c.admit(code, v) {
		return 0, false
	}
	c.last = code + 1
	return code, true
}

// weigh asks whether the dictionary pays when it has reached another multiple
// of plainCheck since it had before texts.
func (c *column) weigh(before int) {
	n := c.chunk.Texts.Len()
	if n/plainCheck != before/plainCheck && n*2 > len(c.chunk.Codes) {
		c.expand()
	}
}

// texts are the values of one column for the rows of a block.
type texts struct {
	rows   uint64 // which have a value
	at     [blockRows][]byte
	hashes [blockRows]uint64
}

func (b *texts) set(i int, v []byte) {
	b.rows |= 1 << i
	b.at[i] = v
}

// addTexts does what addText does for the rows from row on, and gives those
// that it refused.
func (c *column) addTexts(row int, b *texts) (refused uint64) {
	k := &c.chunk
	if !k.Coded {
		for rows := b.rows; rows != 0; rows &= rows - 1 {
			i := bits.TrailingZeros64(rows)
			if c.Logical == parquet.String && !utf8.Valid(b.at[i]) {
				refused |= 1 << i
				continue
			}
			k.Texts.Append(b.at[i])
		}
		c.markRows(row, b.rows&^refused)
		return refused
	}
	before := k.Texts.Len()
	clear(b.hashes[:])
	if before > fewTexts {
		// All hashes first: then the look-ups, which wait for memory, overlap.
		for rows := b.rows; rows != 0; rows &= rows - 1 {
			i := bits.TrailingZeros64(rows)
			b.hashes[i] = c.dict.hash(b.at[i])
		}
	}
	k.Codes = slices.Grow(k.Codes, blockRows)
	for rows := b.rows; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		code, ok := c.codeText(b.at[i], b.hashes[i])
		if !ok {
			refused |= 1 << i
			continue
		}
		k.Codes = append(k.Codes, code)
	}
	c.markRows(row, b.rows&^refused)
	c.weigh(before)
	return refused
}

// addRun adds v for the rows [from, to).
func (c *column) addRun(from, to int, v []byte) {
	k := &c.chunk
	if from == to || !c.addText(from, v) {
		return
	}
	if from++; !k.Coded {
		for ; from < to; from++ {
			c.addText(from, v)
		}
		return
	}
	n := len(k.Codes)
	k.Codes = slices.Grow(k.Codes, to-from)[:n+to-from]
	for i := n; i < len(k.Codes); i++ {
		k.Codes[i] = k.Codes[n-1]
	}
	for ; from < to; from += 64 {
		c.markRows(from, ^uint64(0)>>(64-min(64, to-from)))
	}
}

// admit adds the text of a new code, or takes the code back when the text is
// not UTF-8. That is rare, so the table is simply built anew.
func (c *column) admit(code uint32, v []byte) bool {
	t := &c.chunk.Texts
	if utf8.Valid(v) {
		t.Append(v)
		return true
	}
	c.dict.reset()
	for i := range int(code) {
		c.dict.code(t.At(i))
	}
	return false
}

// addCode adds a value by its code in the dictionary.
func (c *column) addCode(row int, code uint32) {
	c.chunk.Codes = append(c.chunk.Codes, code)
	c.mark(row)
}

// expand turns codes into the texts themselves.
func (c *column) expand() {
	k := &c.chunk
	c.spare.Reset()
	for _, code := range k.Codes {
		c.spare.Append(k.Texts.At(int(code)))
	}
	k.Texts, c.spare = c.spare, k.Texts
	k.Codes = k.Codes[:0]
	k.Coded = false
	c.plain, c.retry = true, plainObjects
	c.dict.reset()
}
