package archive

import (
	"bytes"
	"unicode/utf8"

	"github.com/loghaul/loghaul/archive/parquet"
)

// column collects the values of one column while an object is built.
type column struct {
	chunk parquet.Chunk // first: its first fields are used on every row
	columnDef
	bits []uint64 // memory of chunk.Present
	dict dict
	// last is the text that addText coded last, which often comes again.
	last     []byte
	lastCode uint32
	spare    parquet.Strings // memory for expand
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
		c.last = c.last[:0]
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
	if len(k.Codes) > 0 && bytes.Equal(c.last, v) {
		c.addCode(row, c.lastCode)
		return true
	}
	code, added := c.dict.code(v)
	if added && !c.admit(code, v) {
		return false
	}
	c.addCode(row, code)
	c.last, c.lastCode = append(c.last[:0], v...), code
	if added && k.Texts.Len()%plainCheck == 0 && k.Texts.Len()*2 > len(k.Codes) {
		c.expand()
	}
	return true
}

// addRun adds v for the rows [from, to).
func (c *column) addRun(from, to int, v []byte) {
	for row := from; row < to; row++ {
		if k := &c.chunk; row > from && k.Coded {
			k.Codes = append(k.Codes, k.Codes[len(k.Codes)-1])
			continue
		}
		c.addText(row, v)
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
