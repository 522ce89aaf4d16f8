package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
)

// table is the columns of the object being built.
type table struct {
	columns []column
	zone    *parser.Zone
	groups  groups
}

func newTable(defs []columnDef, zone *parser.Zone) *table {
	t := &table{columns: make([]column, len(defs)), zone: zone, groups: newGroups()}
	for i, d := range defs {
		t.columns[i] = newColumn(d)
	}
	return t
}

func (t *table) reset(rows int) {
	for i := range t.columns {
		t.columns[i].reset(rows)
	}
	t.groups.reset()
}

// blockRows is how many parsed records wait to be added together. Adding field
// by field instead of row by row halves the cost: each column's memory stays
// close. More rows no longer fit the caches next to the core.
const blockRows = 64

// block is consecutive rows of one format.
type block struct {
	plan    *plan
	row     int // of the first
	n       int
	records [blockRows]*parser.Record
	lines   [blockRows][]byte
	// What addBlock finds out about each row.
	exact       [blockRows]bool // the columns hold all of it
	plus, plain [blockRows]bool // some number that logasap marks was, was not marked
}

func newBlock() (k block) {
	for i := range k.records {
		k.records[i] = new(parser.Record)
	}
	return k
}

// addBlock adds the fields of the records of k and says in k.exact for which
// rows the columns hold all of them. The bytes of the others must be kept.
func (t *table) addBlock(k *block) {
	p := k.plan
	records := k.records[:k.n]
	format := &t.columns[colFormat]
	for i, r := range records {
		format.addText(k.row+i, p.name)
		k.exact[i], k.plus[i], k.plain[i] = r.Exact(), false, false
	}
	for i := 0; i < len(p.ops); i++ {
		if i == p.route {
			t.addRoutes(k, p.ops[i:i+3])
			i += 2
			continue
		}
		t.addOp(k, &p.ops[i])
	}
	for i, r := range records {
		if k.plus[i] || k.plain[i] {
			t.columns[colASAP].addBool(k.row+i, k.plus[i])
			k.exact[i] = k.exact[i] && k.plus[i] != k.plain[i]
		}
		if r.Lone.State&parser.Present != 0 && !t.addList(k.row+i, colHeader1, &r.Lone) {
			k.exact[i] = false
		}
	}
}

// addOp adds one field of all records.
func (t *table) addOp(k *block, o *op) {
	c := &t.columns[o.col]
	for i, r := range k.records[:k.n] {
		v := &r.Values[o.field]
		if v.State&parser.Present == 0 {
			continue
		}
		if o.asap {
			k.plus[i] = k.plus[i] || v.State&parser.Plus != 0
			k.plain[i] = k.plain[i] || v.State&parser.Plus == 0
		} else if v.State&parser.Plus != 0 && o.kind != opRetries {
			k.exact[i] = false
		}
		var ok bool
		switch o.kind {
		case opInt32:
			if ok = int64(int32(v.Int)) == v.Int; ok { //nolint:gosec // that is the test
				c.addInt32(k.row+i, int32(v.Int)) //nolint:gosec // checked
			}
		case opText:
			ok = c.addText(k.row+i, v.Text)
		default:
			ok = t.addField(k.row+i, o, v, r)
		}
		if !ok {
			k.exact[i] = false
		}
	}
}

// addRoutes adds frontend, backend and server of all records, by one look-up
// where that is possible.
func (t *table) addRoutes(k *block, ops []op) {
	for i, r := range k.records[:k.n] {
		v := r.Values[ops[0].field:][:3]
		if v[0].State&parser.Present != 0 && t.addRoute(k.row+i, &v[0], &v[1], &v[2]) {
			continue
		}
		for j := range v {
			if v[j].State&parser.Present != 0 && !t.addField(k.row+i, &ops[j], &v[j], r) {
				k.exact[i] = false
			}
		}
	}
}

func (t *table) addField(row int, o *op, v *parser.Value, r *parser.Record) bool {
	c := &t.columns[o.col]
	switch o.kind {
	case opText:
		return c.addText(row, v.Text)
	case opInt32:
		if int64(int32(v.Int)) != v.Int { //nolint:gosec // that is the test
			return false
		}
		c.addInt32(row, int32(v.Int)) //nolint:gosec // checked
	case opInt64:
		c.addInt64(row, v.Int)
	case opFrontend:
		name, tls := bytes.CutSuffix(v.Text, []byte{'~'})
		t.columns[colFrontendTLS].addBool(row, tls)
		return c.addText(row, name)
	case opRetries:
		if int64(int32(v.Int)) != v.Int { //nolint:gosec // that is the test
			return false
		}
		c.addInt32(row, int32(v.Int)) //nolint:gosec // checked
		t.columns[colRedispatched].addBool(row, v.State&parser.Plus != 0)
	case opRequest:
		return t.addRequest(row, v.Text)
	case opURI:
		return t.addURI(row, v.Text)
	case opQuery:
		query, ok := bytes.CutPrefix(v.Text, []byte{'?'})
		return ok && c.addText(row, query)
	case opList:
		return t.addList(row, o.col, v)
	case opTime:
		return t.addTime(row, v, r)
	case opWall:
		c.addInt64(row, v.Int)
		t.columns[o.col+1].addInt32(row, v.Zone)
	}
	return true
}

func (t *table) addRequest(row int, text []byte) bool {
	method, path, query, version, hasQuery, ok := parser.SplitRequest(text)
	if !ok {
		return t.columns[colRequest].addText(row, text)
	}
	ok = t.columns[colMethod].addText(row, method)
	ok = t.columns[colHTTPPath].addText(row, path) && ok
	if hasQuery {
		ok = t.columns[colQuery].addText(row, query) && ok
	}
	if version != nil {
		ok = t.columns[colHTTPVersion].addText(row, version) && ok
	}
	return ok
}

func (t *table) addURI(row int, text []byte) bool {
	path, query, hasQuery := bytes.Cut(text, []byte{'?'})
	ok := t.columns[colHTTPPath].addText(row, path)
	if hasQuery {
		ok = t.columns[colQuery].addText(row, query) && ok
	}
	return ok
}

// addTime fills time and utc_offset, and reports whether the printed clock can
// be had back from them.
func (t *table) addTime(row int, v *parser.Value, r *parser.Record) bool {
	ms, offset, ok := r.Time(t.zone)
	if !ok {
		return false
	}
	t.columns[colTime].addInt64(row, ms)
	t.columns[colUTCOffset].addInt32(row, offset)
	return ms+int64(offset)*1000 == v.Int && (v.Zone == 0 || v.Zone == offset)
}
