package archive

import (
	"github.com/loghaul/loghaul/parser"
)

// renderer makes records, and out of them lines, from decoded columns.
type renderer struct {
	decoded
	plans   []plan
	byName  map[string]*plan
	records [blockRows]parser.Record
	asap    [blockRows]parser.State
	scratch []byte // texts that are joined out of several columns
	line    []byte
}

func newRenderer(plans []plan) renderer {
	r := renderer{plans: plans, byName: map[string]*plan{}}
	for i := range plans {
		r.byName[string(plans[i].name)] = &plans[i]
	}
	return r
}

// planOf gives the plan of a row, nil for one that no format matched.
func (r *renderer) planOf(row int) (*plan, error) {
	c := &r.columns[colFormat]
	if !c.has(row) {
		return nil, nil //nolint:nilnil // no plan is an answer
	}
	name := c.text()
	p := r.byName[string(name)]
	if p == nil {
		return nil, corrupt("values", "format", row, "format %q is not in the footer", name)
	}
	return p, nil
}

// build fills r.records with the fields of n rows of one format, from row on.
// Going through them field by field is what makes it fast, see blockRows.
func (r *renderer) build(row, n int, p *plan) {
	r.scratch = r.scratch[:0]
	for i := range n {
		r.records[i].Reset(p.format)
		r.asap[i] = 0
		if c := &r.columns[colASAP]; p.asap && c.has(row+i) && c.bool() {
			r.asap[i] = parser.Plus
		}
	}
	for i := range p.ops {
		r.fields(row, n, &p.ops[i])
	}
	if p.blocks == nil {
		return
	}
	for i := range n {
		if !r.list(row+i, colHeader1, &r.records[i].Lone) {
			continue
		}
		for _, f := range p.blocks {
			r.records[i].Values[f].State = parser.Unsure
		}
	}
}

// fields fills one field of n records.
func (r *renderer) fields(row, n int, o *op) {
	c := &r.columns[o.col]
	switch {
	case o.kind == opInt32:
		for i := range n {
			if c.has(row + i) {
				v := &r.records[i].Values[o.field]
				v.State, v.Int = parser.Present, int64(c.int32())
			}
		}
	case o.kind == opText && o.kindP != parser.KindList:
		for i := range n {
			if c.has(row + i) {
				v := &r.records[i].Values[o.field]
				v.State, v.Text = parser.Present, c.text()
			}
		}
	default:
		for i := range n {
			r.field(row+i, o, &r.records[i].Values[o.field])
		}
	}
	if !o.asap {
		return
	}
	for i := range n {
		if v := &r.records[i].Values[o.field]; v.State != 0 {
			v.State |= r.asap[i]
		}
	}
}

func (r *renderer) field(row int, o *op, v *parser.Value) {
	c := &r.columns[o.col]
	switch o.kind {
	case opList:
		r.list(row, o.col, v)
		return
	case opRequest:
		r.request(row, v)
		return
	case opURI:
		r.uri(row, v)
		return
	default:
		if !c.has(row) {
			return
		}
	}
	v.State = parser.Present
	switch o.kind {
	case opText:
		v.Text = c.text()
		if o.kindP == parser.KindList {
			v.Int = items(v.Text)
		}
	case opInt32:
		v.Int = int64(c.int32())
	case opInt64:
		v.Int = c.int64()
	case opFrontend:
		v.Text = c.text()
		if t := &r.columns[colFrontendTLS]; t.has(row) && t.bool() {
			v.Text = r.join(v.Text, '~', nil)
		}
	case opRetries:
		v.Int = int64(c.int32())
		if t := &r.columns[colRedispatched]; t.has(row) && t.bool() {
			v.State |= parser.Plus
		}
	case opQuery:
		v.Text = r.join(nil, '?', c.text())
	case opTime:
		r.time(row, v)
	case opWall:
		v.Int = c.int64()
		if z := &r.columns[o.col+1]; z.has(row) {
			v.Zone = z.int32()
		}
	case opRequest, opURI, opList: // above
	}
}

func items(text []byte) int64 {
	n := int64(1)
	for _, c := range text {
		if c == '|' {
			n++
		}
	}
	return n
}

// join gives a, sep and b as one text in the scratch space.
func (r *renderer) join(a []byte, sep byte, b []byte) []byte {
	from := len(r.scratch)
	r.scratch = append(append(append(r.scratch, a...), sep), b...)
	return r.scratch[from:]
}

func (r *renderer) time(row int, v *parser.Value) {
	v.Int = r.columns[colTime].int64()
	if z := &r.columns[colUTCOffset]; z.has(row) {
		v.Zone = z.int32()
		v.Int += int64(v.Zone) * 1000
	}
}

func (r *renderer) request(row int, v *parser.Value) {
	if c := &r.columns[colRequest]; c.has(row) {
		v.State, v.Text = parser.Present, c.text()
		return
	}
	c := &r.columns[colMethod]
	if !c.has(row) {
		return
	}
	v.State = parser.Present
	from := len(r.scratch)
	b := append(append(r.scratch, c.text()...), ' ')
	if c := &r.columns[colHTTPPath]; c.has(row) {
		b = append(b, c.text()...)
	}
	if c := &r.columns[colQuery]; c.has(row) {
		b = append(append(b, '?'), c.text()...)
	}
	if c := &r.columns[colHTTPVersion]; c.has(row) {
		b = append(append(b, ' '), c.text()...)
	}
	r.scratch, v.Text = b, b[from:]
}

func (r *renderer) uri(row int, v *parser.Value) {
	c := &r.columns[colHTTPPath]
	if !c.has(row) {
		return
	}
	v.State, v.Text = parser.Present, c.text()
	if q := &r.columns[colQuery]; q.has(row) {
		v.Text = r.join(v.Text, '?', q.text())
	}
}

// list fills v from the slots from column first on, and reports whether there
// is a first one.
func (r *renderer) list(row, first int, v *parser.Value) bool {
	n, from := 0, len(r.scratch)
	b := r.scratch
	for ; n < slots; n++ {
		c := &r.columns[first+n]
		if !c.has(row) {
			break
		}
		if n > 0 {
			b = append(b, '|')
		}
		b = append(b, c.text()...)
	}
	if n == 0 {
		return false
	}
	r.scratch = b
	v.State, v.Text, v.Int = parser.Present, b[from:], int64(n)
	return true
}

// identity is the columns that every row has.
type identity struct {
	node, source, path []byte
	offset, readAt     int64
	noLF               bool
}

func (r *renderer) identity(row int) identity {
	for _, c := range [...]int{colNode, colSource, colPath, colOffset, colReadTime, colFlags} {
		r.columns[c].has(row)
	}
	return identity{
		node: r.columns[colNode].text(), source: r.columns[colSource].text(), path: r.columns[colPath].text(),
		offset: r.columns[colOffset].int64(), readAt: r.columns[colReadTime].int64(),
		noLF: r.columns[colFlags].int32()&flagNoLF != 0,
	}
}

// raw gives the bytes of a row that keeps them.
func (r *renderer) raw(row int) (line []byte, ok bool) {
	c := &r.columns[colRaw]
	if !c.has(row) {
		return nil, false
	}
	return c.text(), true
}

// finish checks that every value of every column belonged to a row that was
// read.
func (r *renderer) finish() error {
	for i := range r.columns {
		if err := r.columns[i].finish(); err != nil {
			return err
		}
	}
	return nil
}
