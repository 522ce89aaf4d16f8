package archive

import (
	"slices"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// renderRows is how many rows are rendered together. Their lines and one column
// of values must fit the cache next to the core.
const renderRows = 128

// renderer makes values, records and lines from decoded columns.
type renderer struct {
	decoded
	headers
	plans   []plan
	byName  map[string]*plan
	last    *plan // that planOf gave
	record  parser.Record
	asap    [renderRows]parser.State
	plus    bool // one of them is
	lone    [renderRows]parser.Value
	parts   [4][renderRows]parser.Value // of requests
	scratch []byte                      // texts that are joined out of several columns
	line    []byte
	printer parser.Printer
	values  [renderRows]parser.Value // of one field
	prints  map[*plan][]printed      // for each op
}

func newRenderer(plans []plan) renderer {
	r := renderer{plans: plans, byName: map[string]*plan{}, prints: map[*plan][]printed{}}
	r.split = wrapper.NewSplitter(wrapper.Auto, nil)
	for i := range plans {
		r.byName[string(plans[i].name)] = join(r.byName[string(plans[i].name)], &plans[i])
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
	if p := r.last; p != nil && string(name) == string(p.name) {
		return p, nil
	}
	p := r.byName[string(name)]
	r.last = p
	if p == nil {
		return nil, corrupt("values", "format", row, "format %q is not in the footer", name)
	}
	return p, nil
}

// begin readies fields for n rows of one format, from row on. It fills r.lone
// and reports whether there is any lone block. Texts that fields gives are valid
// until the caller empties r.scratch.
func (r *renderer) begin(row, n int, p *plan) (lone bool) {
	r.plus = false
	if p.asap {
		c := &r.columns[colASAP]
		for i := range n {
			r.asap[i] = 0
			if c.has(row+i) && c.bool() {
				r.asap[i], r.plus = parser.Plus, true
			}
		}
	}
	if p.blocks == nil {
		return false
	}
	return r.lists(row, colHeader1, r.lone[:n])
}

// fields fills out with one field of the rows from row on.
func (r *renderer) fields(row int, p *plan, o *op, out []parser.Value) {
	c := &r.columns[o.col]
	switch {
	case o.kind == opInt32:
		c.int32s(row, out)
	case o.kind == opInt64:
		c.int64s(row, out)
	case o.kind == opText && o.kindP != parser.KindList:
		c.texts(row, out)
	case o.kind == opFrontend:
		c.texts(row, out)
		for i := range out {
			if t := &r.columns[colFrontendTLS]; out[i].State != 0 && t.has(row+i) && t.bool() {
				out[i].Text = r.join(out[i].Text, '~', nil)
			}
		}
	case o.kind == opRetries:
		c.int32s(row, out)
		for i := range out {
			if t := &r.columns[colRedispatched]; out[i].State != 0 && t.has(row+i) && t.bool() {
				out[i].State |= parser.Plus
			}
		}
	case o.kind == opList:
		r.lists(row, o.col, out)
	case o.kind == opRequest:
		r.requests(row, out)
	default:
		for i := range out {
			out[i].State = 0
			r.field(row+i, o, &out[i])
		}
	}
	if o.asap {
		for i := range out {
			if out[i].State != 0 {
				out[i].State |= r.asap[i]
			}
		}
	}
	if slices.Contains(p.blocks, o.field) {
		for i := range out {
			if r.lone[i].State != 0 {
				out[i] = parser.Value{State: parser.Unsure}
			}
		}
	}
}

func (r *renderer) field(row int, o *op, v *parser.Value) {
	c := &r.columns[o.col]
	switch o.kind {
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
	case opQuery:
		v.Text = r.join(nil, '?', c.text())
	case opTime:
		r.time(row, v)
	case opWall:
		v.Int, v.Zone = c.int64(), 0
		if z := &r.columns[o.col+1]; z.has(row) {
			v.Zone = z.int32()
		}
	case opInt32, opInt64, opFrontend, opRetries, opList, opRequest, opURI: // above
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
	r.scratch = appendText(append(appendText(r.scratch, a), sep), b)
	return r.scratch[from:]
}

func (r *renderer) time(row int, v *parser.Value) {
	v.Int, v.Zone = r.columns[colTime].int64(), 0
	if z := &r.columns[colUTCOffset]; z.has(row) {
		v.Zone = z.int32()
		v.Int += int64(v.Zone) * 1000
	}
}

// requests fills out with whole requests, from colRequest or from their parts.
func (r *renderer) requests(row int, out []parser.Value) {
	method, path, query, version := r.requestParts(row, out)
	for i := range out {
		if method[i].State == 0 {
			continue
		}
		from := len(r.scratch)
		b := append(appendText(r.scratch, method[i].Text), ' ')
		if path[i].State != 0 {
			b = appendText(b, path[i].Text)
		}
		if query[i].State != 0 {
			b = appendText(append(b, '?'), query[i].Text)
		}
		if version[i].State != 0 {
			b = appendText(append(b, ' '), version[i].Text)
		}
		r.scratch = b
		out[i].State, out[i].Text = parser.Present, b[from:]
	}
}

// requestParts fills out from colRequest, and gives the parts of the other
// requests. All columns are read before any text is touched, so that the
// processor can wait for many texts at once.
func (r *renderer) requestParts(row int, out []parser.Value) (method, path, query, version []parser.Value) {
	n := len(out)
	r.columns[colRequest].texts(row, out)
	method, path, query, version = r.parts[0][:n], r.parts[1][:n], r.parts[2][:n], r.parts[3][:n]
	r.columns[colMethod].texts(row, method)
	r.columns[colHTTPPath].texts(row, path)
	r.columns[colQuery].texts(row, query)
	r.columns[colHTTPVersion].texts(row, version)
	for i := range out {
		later := path[i].State | query[i].State | version[i].State
		switch {
		case method[i].State == 0 && later == 0:
		case method[i].State == 0, out[i].State != 0:
			panic(unread{"http_method and what goes with it", 1})
		}
		if path[i].State == 0 {
			path[i].Text = nil
		}
	}
	return method, path, query, version
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

// lists fills out from the slots from column first on, and reports whether any
// row has a first one.
func (r *renderer) lists(row, first int, out []parser.Value) (some bool) {
	r.columns[first].texts(row, out)
	for i := range out {
		v := &out[i]
		if v.State == 0 {
			continue
		}
		some = true
		v.Int = 1
		from, b := len(r.scratch), r.scratch
		for n := 1; n < slots; n++ {
			c := &r.columns[first+n]
			if !c.has(row + i) {
				break
			}
			if n == 1 {
				b = appendText(b, v.Text)
			}
			b = appendText(append(b, '|'), c.text())
			v.Int++
		}
		if v.Int > 1 {
			r.scratch, v.Text = b, b[from:]
		}
	}
	return some
}

// appendText is append, faster for the short texts that most fields are.
func appendText(dst, text []byte) []byte {
	const short = 16
	n := len(dst)
	if len(text) > short || cap(text) < short || cap(dst)-n < short {
		return append(dst, text...)
	}
	*(*[short]byte)(dst[n : n+short]) = [short]byte(text[:short]) // what is behind text is cut off again
	return dst[:n+len(text)]
}

// identity is the columns that every row has.
type identity struct {
	node, source, path []byte
	offset, readAt     int64
	noLF, partial      bool
	unsure             bool // of the time
	rest               bool
}

func (r *renderer) identity(row int) identity {
	for _, c := range [...]int{colNode, colSource, colPath, colOffset, colReadTime, colFlags} {
		r.columns[c].has(row)
	}
	flags := r.columns[colFlags].int32()
	return identity{
		node: r.columns[colNode].text(), source: r.columns[colSource].text(), path: r.columns[colPath].text(),
		offset: r.columns[colOffset].int64(), readAt: r.columns[colReadTime].int64(),
		noLF: flags&flagNoLF != 0, partial: flags&flagPartial != 0, unsure: flags&flagTimeUnsure != 0,
		rest: flags&flagRest != 0,
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
