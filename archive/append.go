package archive

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/loghaul/loghaul/parser"
)

// table is the columns of the object being built.
type table struct {
	columns []column
	zone    *parser.Zone
	groups  groups
	plain   bool // no dictionaries
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
		if t.plain {
			t.columns[i].chunk.Coded = false
		}
	}
	t.groups.reset()
}

// blockRows is how many parsed records wait to be added together. Adding field
// by field instead of row by row halves the cost: each column's memory stays
// close. More rows no longer fit the caches next to the core, nor the bits of
// a number.
const blockRows = 64

// block is consecutive rows of one format.
type block struct {
	plan    *plan
	row     int // of the first
	n       int
	records [blockRows]*parser.Record
	lines   [blockRows][]byte
	values  [blockRows][]parser.Value // of records
	memory  [blockRows][]byte         // memory of messages that are not in their line
	kept    uint64                    // bit i: row row+i keeps its bytes whatever the columns hold
	// What addBlock finds out: bit i is for row row+i.
	exact       uint64 // the columns hold all of it
	plus, plain uint64 // some number that logasap marks was, was not marked
	texts       [4]texts
	items       [blockRows]int64 // of lists
}

// newBlock makes a block for records of as many fields.
func newBlock(fields int) (k block) {
	// One piece of memory, and no power of two from record to record: the
	// same field of all records has to fit the cache.
	fields |= 1
	values := make([]parser.Value, blockRows*fields)
	for i := range k.records {
		k.records[i] = &parser.Record{Values: values[i*fields:][:0:fields]}
	}
	return k
}

// addBlock adds the fields of the records of k and says in k.exact for which
// rows the columns hold all of them. The bytes of the others must be kept.
func (t *table) addBlock(k *block) {
	p := k.plan
	k.exact, k.plus, k.plain = 0, 0, 0
	lone := uint64(0)
	for i, r := range k.records[:k.n] {
		k.values[i] = r.Values
		if r.Exact() {
			k.exact |= 1 << i
		}
		if r.Lone.State&parser.Present != 0 {
			lone |= 1 << i
		}
	}
	t.columns[colFormat].addRun(k.row, k.row+k.n, p.name)
	for i := 0; i < len(p.ops); i++ {
		if i == p.route {
			t.addRoutes(k, p.ops[i:i+3])
			i += 2
			continue
		}
		t.addOp(k, &p.ops[i])
	}
	for rows := k.plus | k.plain; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		t.columns[colASAP].addBool(k.row+i, k.plus>>i&1 != 0)
	}
	k.exact &^= k.plus & k.plain
	if lone != 0 {
		b := &k.texts[0]
		b.rows = 0
		for rows := lone; rows != 0; rows &= rows - 1 {
			i := bits.TrailingZeros64(rows)
			b.set(i, k.records[i].Lone.Text)
			k.items[i] = k.records[i].Lone.Int
		}
		t.addLists(k, colHeader1, b)
	}
}

// present gives the rows that have a field, and notes in which of them a plus
// says something that only the bytes would tell.
func (k *block) present(o *op) uint64 {
	var present, plus uint64
	for i, values := range k.values[:k.n] {
		state := values[o.field].State
		if state&parser.Present != 0 {
			present |= 1 << i
		}
		if state&parser.Plus != 0 {
			plus |= 1 << i
		}
	}
	plus &= present
	switch {
	case o.asap:
		k.plus |= plus
		k.plain |= present &^ plus
	case o.kind != opRetries:
		k.exact &^= plus
	}
	return present
}

// addOp adds one field of all records.
func (t *table) addOp(k *block, o *op) {
	present := k.present(o)
	if present == 0 {
		return
	}
	c := &t.columns[o.col]
	switch o.kind {
	case opInt32:
		k.exact &^= c.addInt32s(k, o.field, present)
	case opText, opList:
		b := &k.texts[0]
		b.rows = present
		for rows := present; rows != 0; rows &= rows - 1 {
			i := bits.TrailingZeros64(rows)
			v := &k.values[i][o.field]
			b.at[i], k.items[i] = v.Text, v.Int
		}
		if o.kind == opList {
			t.addLists(k, o.col, b)
		} else {
			k.exact &^= c.addTexts(k.row, b)
		}
	case opRequest:
		t.addRequests(k, o.field, present)
	default:
		for rows := present; rows != 0; rows &= rows - 1 {
			i := bits.TrailingZeros64(rows)
			if !t.addField(k.row+i, o, &k.values[i][o.field], k.records[i]) {
				k.exact &^= 1 << i
			}
		}
	}
}

// addInt32s adds a number of the given rows and gives those where it is too
// large for the column.
func (c *column) addInt32s(k *block, field int, present uint64) (refused uint64) {
	numbers := slices.Grow(c.chunk.Int32s, blockRows)
	for rows := present; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		v := k.values[i][field].Int
		if int64(int32(v)) != v { //nolint:gosec // that is the test
			refused |= 1 << i
			continue
		}
		numbers = append(numbers, int32(v)) //nolint:gosec // checked
	}
	c.chunk.Int32s = numbers
	c.markRows(k.row, present&^refused)
	return refused
}

// addRequests adds the parts of the request lines of the given rows.
func (t *table) addRequests(k *block, field int, present uint64) {
	columns := [len(k.texts)]int{colMethod, colHTTPPath, colQuery, colHTTPVersion}
	for j := range k.texts {
		k.texts[j].rows = 0
	}
	for rows := present; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		text := k.values[i][field].Text
		method, path, query, version, hasQuery, ok := parser.SplitRequest(text)
		if !ok {
			if !t.columns[colRequest].addText(k.row+i, text) {
				k.exact &^= 1 << i
			}
			continue
		}
		k.texts[0].set(i, method)
		k.texts[1].set(i, path)
		if hasQuery {
			k.texts[2].set(i, query)
		}
		if version != nil {
			k.texts[3].set(i, version)
		}
	}
	for j, col := range columns {
		k.exact &^= t.columns[col].addTexts(k.row, &k.texts[j])
	}
}

// addField adds one field of one record.
func (t *table) addField(row int, o *op, v *parser.Value, r *parser.Record) bool {
	c := &t.columns[o.col]
	switch o.kind {
	case opText:
		return c.addText(row, v.Text)
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
	case opURI:
		return t.addURI(row, v.Text)
	case opQuery:
		query, ok := bytes.CutPrefix(v.Text, []byte{'?'})
		return ok && c.addText(row, query)
	case opTime:
		return t.addTime(row, v, r)
	case opWall:
		c.addInt64(row, v.Int)
		t.columns[o.col+1].addInt32(row, v.Zone)
	case opInt32, opRequest, opList: // addOp adds them
	}
	return true
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
	if r.TimeUnsure {
		t.columns[colFlags].chunk.Int32s[row] |= flagTimeUnsure
	}
	t.columns[colTime].addInt64(row, ms)
	t.columns[colUTCOffset].addInt32(row, offset)
	return ms+int64(offset)*1000 == v.Int && (v.Zone == 0 || v.Zone == offset)
}
