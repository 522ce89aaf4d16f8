package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
)

// printed remembers how a format prints the numbers of a column's dictionary,
// each of which many rows have.
type printed struct {
	object int // that list is of
	list   []parser.Printed
}

// printedShare: a dictionary is printed if it has one entry per so many rows at
// most.
const printedShare = 4

// numbers compares a field of the waiting rows if that can be done by codes: a
// number that all of them have, from a dictionary.
func (v *verifier) numbers(op int) bool {
	o := &v.plan.ops[op]
	if o.kind != opInt32 || o.asap && v.plus {
		return false
	}
	c := &v.columns[o.col]
	codes := c.codes(v.row, v.n)
	if codes == nil || len(c.page.dict32)*printedShare > v.rows {
		return false
	}
	all := v.prints[v.plan]
	if all == nil {
		all = make([]printed, len(v.plan.ops))
		v.prints[v.plan] = all
	}
	p := &all[op]
	if p.object != v.object {
		p.object, p.list = v.object, v.plan.format.Print(p.list[:0], o.field, c.page.dict32)
	}
	if p.list == nil {
		return false
	}
	v.match.Numbers(o.field, codes, c.page.dict32, p.list)
	c.value += v.n
	return true
}

// codes gives the codes of n rows from row on, nil if not all of them have one
// in the same page.
func (c *decodedColumn) codes(row, n int) []int32 {
	if !c.has(row) || !c.page.coded || row+n > c.end {
		return nil
	}
	if c.levels != nil && bytes.Count(c.levels[row-c.start:][:n], []byte{1}) < n {
		return nil
	}
	return c.page.codes[c.value:][:n]
}
