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

// addRecord adds the fields of a parsed line and reports whether the columns
// hold all of it. If not, the line's bytes must be kept.
func (t *table) addRecord(row int, p *plan, r *parser.Record) bool {
	exact := r.Exact()
	plus, plain := false, false
	for i := 0; i < len(p.ops); i++ {
		o := &p.ops[i]
		v := &r.Values[o.field]
		if v.State&parser.Present == 0 {
			continue
		}
		if i == p.route && t.addRoute(row, v, &r.Values[o.field+1], &r.Values[o.field+2]) {
			i += 2
			continue
		}
		if o.asap {
			plus = plus || v.State&parser.Plus != 0
			plain = plain || v.State&parser.Plus == 0
		} else if v.State&parser.Plus != 0 && o.kind != opRetries {
			exact = false
		}
		if !t.addField(row, o, v, r) {
			exact = false
		}
	}
	if plus || plain {
		t.columns[colASAP].addBool(row, plus)
	}
	if r.Lone.State&parser.Present != 0 && !t.addList(row, colHeader1, &r.Lone) {
		exact = false
	}
	return exact && !(plus && plain)
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
