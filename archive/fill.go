package archive

import "github.com/loghaul/loghaul/parser"

// These fill a value for each of the rows from row on with what the column has
// for it, a block at a time. They advance the column as has, text, int32 and
// int64 do.

func (c *decodedColumn) texts(row int, out []parser.Value) {
	for n := 0; len(out) > 0; row, out = row+n, out[n:] {
		var levels []byte
		switch n, levels = c.stretch(row, out); {
		case c.page.values == 0:
		case levels != nil:
			c.someTexts(levels, out[:n])
		case c.page.coded:
			data, offsets := c.page.data, c.page.offsets
			for i, code := range c.page.codes[c.value:][:n] {
				out[i].State, out[i].Text = parser.Present, data[offsets[code]:offsets[code+1]]
			}
			c.value += n
		default:
			data, offsets := c.page.data, c.page.offsets[c.value:]
			for i := range out[:n] {
				out[i].State, out[i].Text = parser.Present, data[offsets[i]:offsets[i+1]]
			}
			c.value += n
		}
	}
}

// someTexts is texts for rows that not all have a value.
func (c *decodedColumn) someTexts(levels []byte, out []parser.Value) {
	p, k := c.page, c.value
	for i := range out {
		v := &out[i]
		if levels[i] != 1 {
			v.State = 0
			continue
		}
		j := k
		if p.coded {
			j = int(p.codes[k])
		}
		v.State, v.Text = parser.Present, p.data[p.offsets[j]:p.offsets[j+1]]
		k++
	}
	c.value = k
}

func (c *decodedColumn) int32s(row int, out []parser.Value) {
	for n := 0; len(out) > 0; row, out = row+n, out[n:] {
		var levels []byte
		if n, levels = c.stretch(row, out); c.page.values == 0 {
			continue
		}
		p, k := c.page, c.value
		for i := range out[:n] {
			v := &out[i]
			if levels != nil && levels[i] != 1 {
				v.State = 0
				continue
			}
			v.State = parser.Present
			if p.coded {
				v.Int = int64(p.dict32[p.codes[k]])
			} else {
				v.Int = int64(p.i32[k])
			}
			k++
		}
		c.value = k
	}
}

func (c *decodedColumn) int64s(row int, out []parser.Value) {
	for n := 0; len(out) > 0; row, out = row+n, out[n:] {
		var levels []byte
		if n, levels = c.stretch(row, out); c.page.values == 0 {
			continue
		}
		p, k := c.page, c.value
		for i := range out[:n] {
			v := &out[i]
			if levels != nil && levels[i] != 1 {
				v.State = 0
				continue
			}
			v.State = parser.Present
			if p.coded {
				v.Int = p.dict64[p.codes[k]]
			} else {
				v.Int = p.i64[k]
			}
			k++
		}
		c.value = k
	}
}

// stretch goes to the page of row and gives the number of rows, at most those
// of out, that are in it from there on, and their levels: nil if all have a
// value, or if none has. Then it sets the states.
func (c *decodedColumn) stretch(row int, out []parser.Value) (n int, levels []byte) {
	for row >= c.end {
		c.next()
	}
	n = min(len(out), c.end-row)
	if c.levels != nil {
		return n, c.levels[row-c.start:][:n]
	}
	if c.page.values == 0 {
		for i := range out[:n] {
			out[i].State = 0
		}
	}
	return n, nil
}
