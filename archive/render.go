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
	pieces  [slots][renderRows]parser.Value // of requests and lists
	parts   [slots][]parser.Value           // memory of what gives pieces
	scratch []byte                          // texts that are joined out of several columns
	line    []byte
	printer parser.Printer
	values  [renderRows]parser.Value // of one field
	dates   [renderRows]parser.Value // of the date that print has printed last
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
	parts := r.requestParts(row, out)
	for i := range out {
		if parts[0][i].State == 0 {
			continue
		}
		from := len(r.scratch)
		b := appendText(r.scratch, parts[0][i].Text)
		for n := 1; n < len(parts); n++ {
			if v := &parts[n][i]; v.State != 0 {
				b = appendText(append(b, beforeParts[n]), v.Text)
			}
		}
		r.scratch = b
		out[i].State, out[i].Text = parser.Present, b[from:]
	}
}

// beforeParts has the byte before each of the parts of a request but the first.
const beforeParts = "  ? "

// requestParts fills out from colRequest, and gives the parts of the other
// requests: method, path, query and version. All columns are read before any
// text is touched, so that the processor can wait for many texts at once.
func (r *renderer) requestParts(row int, out []parser.Value) [][]parser.Value {
	r.columns[colRequest].texts(row, out)
	parts := r.parts[:0]
	for n, c := range [...]int{colMethod, colHTTPPath, colQuery, colHTTPVersion} {
		part := r.pieces[n][:len(out)]
		r.columns[c].texts(row, part)
		parts = append(parts, part)
	}
	for i := range out {
		method, path := &parts[0][i], &parts[1][i]
		later := path.State | parts[2][i].State | parts[3][i].State
		switch {
		case method.State == 0 && later == 0:
			continue
		case method.State == 0, out[i].State != 0:
			panic(unread{"http_method and what goes with it", 1})
		}
		if path.State == 0 { // the space before it is there all the same
			path.State, path.Text = parser.Present, nil
		}
	}
	return parts
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
	items := r.items(row, first, out)
	for i := range out {
		v := &out[i]
		if *v = (parser.Value{}); items[0][i].State == 0 {
			continue
		}
		some = true
		v.State, v.Text, v.Int = parser.Present, items[0][i].Text, 1
		from := len(r.scratch)
		for n := 1; n < len(items) && items[n][i].State != 0; n++ {
			if n == 1 {
				r.scratch = appendText(r.scratch, v.Text)
			}
			r.scratch = appendText(append(r.scratch, '|'), items[n][i].Text)
			v.Int++
		}
		if v.Int > 1 {
			v.Text = r.scratch[from:]
		}
	}
	return some
}

// items gives the slots from column first on, for as many rows as out has. Those
// of out are without value then.
func (r *renderer) items(row, first int, out []parser.Value) [][]parser.Value {
	items := r.parts[:0]
	for n := range slots {
		if c := &r.columns[first+n]; n == 0 || !c.empty() {
			item := r.pieces[n][:len(out)]
			c.texts(row, item)
			items = append(items, item)
			continue
		}
		break // what lies behind has no values either, or finish says so
	}
	for i := range out {
		out[i].State = 0
		for n := 1; n < len(items); n++ {
			if items[n][i].State != 0 && items[n-1][i].State == 0 {
				panic(unread{r.columns[first+n].def.Name, 1})
			}
		}
	}
	return items
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
