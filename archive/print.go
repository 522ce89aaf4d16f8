package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
)

// print prints the lines from to to of r.printer as the columns of as many rows
// of one format say, from row on: field by field, so that no records are made.
// All columns must be at row.
func (r *renderer) print(row, from, to int, p *plan) {
	n := to - from
	var lone []parser.Value
	if r.begin(row, n, p) {
		lone = r.lone[:n]
	}
	r.printer.Begin(p.format, from, to, lone)
	values := r.values[:n]
	for i := range p.ops {
		o := &p.ops[i]
		switch prints := p.format.PrintsText(o.field); {
		case r.numbers(row, n, p, i):
		case o.kind == opRequest && prints:
			r.printer.Pieces(o.field, values, r.requestParts(row, values), beforeParts)
		case o.kind == opText && prints && r.texts(row, n, o):
		case o.kind == opList && prints && lone == nil:
			r.printer.Pieces(o.field, values, r.items(row, o.col, values), beforeItems)
		case o.kind == opTime:
			r.fields(row, p, o, r.dates[:n])
			r.printer.Field(o.field, r.dates[:n])
		default:
			r.fields(row, p, o, values)
			r.printer.Field(o.field, values)
		}
	}
}

// beforeItems has the byte before each item of a list but the first.
const beforeItems = "||||||||"

// printed remembers how a format prints the numbers of a column's dictionary,
// each of which many rows have.
type printed struct {
	opened int // see decoded: the file that list is of
	list   []parser.Printed
}

// printedShare: a dictionary is printed if it has one entry per so many rows at
// most.
const printedShare = 4

// numbers prints a field if that can be done by codes: a number that all rows
// have, from a dictionary.
func (r *renderer) numbers(row, n int, p *plan, op int) bool {
	o := &p.ops[op]
	if o.kind != opInt32 || o.asap && r.plus {
		return false
	}
	c := &r.columns[o.col]
	if !c.filled(row, n) || !c.page.coded || len(c.page.dict32)*printedShare > r.rows {
		return false
	}
	all := r.prints[p]
	if all == nil {
		all = make([]printed, len(p.ops))
		r.prints[p] = all
	}
	known := &all[op]
	if known.opened != r.opened {
		known.opened, known.list = r.opened, p.format.Print(known.list[:0], o.field, c.page.dict32)
	}
	if known.list == nil {
		return false
	}
	r.printer.Numbers(o.field, c.page.codes[c.value:][:n], c.page.dict32, known.list)
	c.value += n
	return true
}

// texts prints a text that all rows have.
func (r *renderer) texts(row, n int, o *op) bool {
	c := &r.columns[o.col]
	if !c.filled(row, n) {
		return false
	}
	if c.page.coded {
		r.printer.Texts(o.field, c.page.codes[c.value:][:n], c.page.data, c.page.offsets)
	} else {
		r.printer.Texts(o.field, nil, c.page.data, c.page.offsets[c.value:])
	}
	c.value += n
	return true
}

// filled goes to the page of row, and reports whether n rows from row on are all
// in it and have a value.
func (c *decodedColumn) filled(row, n int) bool {
	return c.has(row) && row+n <= c.end &&
		(c.levels == nil || bytes.Count(c.levels[row-c.start:][:n], []byte{1}) == n)
}
