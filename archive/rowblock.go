package archive

import "github.com/loghaul/loghaul/parser"

// walkRows is how many rows are read together: their values must fit the cache
// next to the core.
const walkRows = 16

// blockOfRows is the fields of consecutive rows, read column by column: to go
// from column to column for each row takes twice the time.
type blockOfRows struct {
	row, n int // rows [row, row+n)
	plans  [walkRows]*plan
	raws   [walkRows][]byte
	kept   [walkRows]bool
	lone   [walkRows]parser.Value
	times  [walkRows]rowTime        // of rows whose format has no date
	values [][walkRows]parser.Value // of each field
}

// rowTime is what the columns time and utc_offset have for a row.
type rowTime struct {
	ms     int64
	offset int32
	ok     bool
}

// fill reads the fields of the rows from row on, which all columns are at, but
// none from end on.
func (w *walk) fill(row, end int) error {
	b := &w.block
	b.row, b.n = row, min(walkRows, end-row)
	for i := range b.n {
		p, err := w.planOf(row + i)
		if err != nil {
			b.n = 0
			return err
		}
		b.plans[i] = p
		b.raws[i], b.kept[i] = w.raw(row + i)
	}
	w.scratch = w.scratch[:0]
	for from := 0; from < b.n; {
		p, to := b.plans[from], from+1
		for to < b.n && b.plans[to] == p {
			to++
		}
		if p != nil && !w.lean {
			w.fillRows(from, to, p)
		}
		if w.wrapped && (p == nil || !p.dated) {
			w.fillTimes(from, to)
		}
		from = to
	}
	return nil
}

// fillRows fills the rows [from, to) of the block, which are of one format.
func (w *walk) fillRows(from, to int, p *plan) {
	b := &w.block
	row := b.row + from
	if w.begin(row, to-from, p) {
		copy(b.lone[from:to], w.lone[:])
	} else {
		clear(b.lone[from:to])
	}
	for i := range p.ops {
		o := &p.ops[i]
		for o.field >= len(b.values) {
			b.values = append(b.values, [walkRows]parser.Value{})
		}
		w.fields(row, p, o, b.values[o.field][from:to])
	}
}

// fillTimes reads the times of rows whose format has none.
func (w *walk) fillTimes(from, to int) {
	c, z := &w.columns[colTime], &w.columns[colUTCOffset]
	for i := from; i < to; i++ {
		t := &w.block.times[i]
		if *t = (rowTime{}); !c.has(w.block.row + i) {
			continue
		}
		t.ms, t.ok = c.int64(), true
		if z.has(w.block.row + i) {
			t.offset = z.int32()
		}
	}
}

// build fills w.record with the fields of a row of the block.
func (w *walk) build(at int, p *plan) {
	r := &w.record
	r.Reset(p.format)
	r.Lone = w.block.lone[at]
	for i := range p.ops {
		field := p.ops[i].field
		r.Values[field] = w.block.values[field][at]
	}
}
