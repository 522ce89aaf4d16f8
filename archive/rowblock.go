package archive

import (
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

const (
	// recordRows is how many rows are read together if records are made of
	// them: their values must fit the cache next to the core.
	recordRows = 16
	// lineRows is how many are read together if only their lines are wanted.
	lineRows = 64
)

// blockOfRows is consecutive rows of one range, read column by column: to go
// from column to column for each row takes twice the time.
type blockOfRows struct {
	row, n  int // rows [row, row+n)
	plans   [lineRows]*plan
	raws    [lineRows][]byte
	kept    [lineRows]bool
	times   [lineRows]rowTime
	offsets [lineRows]int64
	read    [lineRows]int64 // when
	flags   [lineRows]int32
	// If records are made:
	lone   [recordRows]parser.Value
	values [][recordRows]parser.Value // of each field
}

// rowTime is the time of an event, as the columns have it.
type rowTime struct {
	ms     int64
	offset int32
	ok     bool
}

// fill reads the rows from row on, which all columns are at, but none from end
// on. All are of the range r.
func (w *walk) fill(row, end int, r *Range) error {
	b := &w.block
	most := lineRows
	if w.records {
		most = recordRows
	}
	b.row, b.n = row, 0
	n := min(most, end-row)
	if err := w.identify(row, n, r); err != nil {
		return err
	}
	for i := range n {
		p, err := w.planOf(row + i)
		if err != nil {
			return err
		}
		b.plans[i] = p
		b.raws[i], b.kept[i] = w.raw(row + i)
	}
	w.scratch = w.scratch[:0]
	for from := 0; from < n; {
		p, to := b.plans[from], from+1
		for to < n && b.plans[to] == p {
			to++
		}
		clear(b.times[from:to])
		switch {
		case p == nil || w.lean:
		case w.records:
			w.fillRows(from, to, p)
		default:
			w.print(row+from, from, to, p)
			if p.dated {
				w.keepDates(from, w.dates[:to-from])
			}
		}
		if p == nil || !p.dated {
			w.fillTimes(from, to)
		}
		from = to
	}
	b.n = n
	return nil
}

// identify reads the columns that every row has.
func (w *walk) identify(row, n int, r *Range) error {
	b := &w.block
	for _, c := range [...]struct {
		col  int
		want string
	}{{colNode, r.Source.Node}, {colSource, r.Source.ID}, {colPath, r.Source.Path}} {
		if i := w.columns[c.col].differs(row, n, c.want); i < n {
			return corrupt("identity", w.columns[c.col].def.Name, row+i, "is not %q, of which the metadata has this row", c.want)
		}
	}
	offsets, reads, flags := &w.columns[colOffset], &w.columns[colReadTime], &w.columns[colFlags]
	for i := range n {
		offsets.has(row + i)
		reads.has(row + i)
		flags.has(row + i)
		b.offsets[i], b.read[i], b.flags[i] = offsets.int64(), reads.int64(), flags.int32()
	}
	return nil
}

// differs gives the index of the first of n rows whose text is not want, n if
// all of them have it.
func (c *decodedColumn) differs(row, n int, want string) int {
	var known []byte
	for i := range n {
		if !c.has(row + i) {
			return i
		}
		// Rows have their texts from a dictionary: one that was right before is
		// right again.
		if text := c.text(); !sameSlice(text, known) {
			if string(text) != want {
				return i
			}
			known = text
		}
	}
	return n
}

// sameSlice reports whether a and b are the same bytes in memory.
func sameSlice(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// fillRows reads the fields of the rows [from, to) of the block, which are of
// one format, and prints their lines.
func (w *walk) fillRows(from, to int, p *plan) {
	b := &w.block
	row := b.row + from
	var lone []parser.Value
	if w.begin(row, to-from, p) {
		lone = w.lone[:to-from]
		copy(b.lone[from:to], lone)
	} else {
		clear(b.lone[from:to])
	}
	w.printer.Begin(p.format, from, to, lone)
	for i := range p.ops {
		o := &p.ops[i]
		for o.field >= len(b.values) {
			b.values = append(b.values, [recordRows]parser.Value{})
		}
		values := b.values[o.field][from:to]
		w.fields(row, p, o, values)
		w.printer.Field(o.field, values)
		if o.kind == opTime {
			w.keepDates(from, values)
		}
	}
}

// keepDates takes the times of rows from their dates.
func (w *walk) keepDates(from int, dates []parser.Value) {
	for i := range dates {
		d := &dates[i]
		w.block.times[from+i] = rowTime{d.Int - int64(d.Zone)*1000, d.Zone, d.State != 0}
	}
}

// fillTimes reads the times of rows whose format has none: they are those of the
// headers.
func (w *walk) fillTimes(from, to int) {
	c, z := &w.columns[colTime], &w.columns[colUTCOffset]
	for i := from; i < to && w.wrapped; i++ {
		if !c.has(w.block.row + i) {
			continue
		}
		t := &w.block.times[i]
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

// times sets the event's time of a row of the block: the date of the format, or
// without one that of the header, which the same columns hold.
func (w *walk) times(at int, p *plan) {
	t := &w.block.times[at]
	w.row.Time, w.row.UTCOffset, w.row.TimeOK = t.ms, t.offset, t.ok
	switch {
	case !t.ok || p != nil && p.dated:
	case w.header.Kind == wrapper.None:
		panic(unread{"time", 1})
	default:
		w.header.Time.UTCOffset = t.offset
	}
}
