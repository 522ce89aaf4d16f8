package archive

import (
	"math"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser/filter"
)

// Query says which rows of an object are wanted. It is not changed by its use,
// and any number of goroutines may use it at once.
type Query struct {
	// From and To bound the time of a row, Row.At, in Unix milliseconds:
	// [From, To). AnyTime gives those that leave nothing out.
	From, To int64
	// Range selects by where lines come from; nil is all. It may be called at
	// once for several objects.
	Range func(*Range) bool
	// Rows are the wanted rows, as stretches [from, to) within the object; nil is
	// all.
	Rows [][2]int
	// Where is what has to hold for the line; nil is nothing.
	Where *filter.Filter
}

// timed reports whether the query looks at times.
func (q *Query) timed() bool { return q.From != math.MinInt64 || q.To != math.MaxInt64 }

func (q *Query) at(ms int64) bool { return ms >= q.From && ms < q.To }

// tree gives what has to hold for the line.
func (q *Query) tree() *filter.Node {
	if q.Where == nil {
		return &filter.Node{Op: filter.And}
	}
	return q.Where.Tree()
}

// At is the time by which rows are selected and ordered: that of the event, or
// else when the forwarder read the line, in Unix milliseconds.
func (r *Row) At() int64 {
	if r.TimeOK {
		return r.Time
	}
	return r.ReadAt
}

// Selection is the rows of one object that a Query selects. It has read as much
// of the object as it took to find them. Close gives its memory back. One
// goroutine may use it at a time.
type Selection struct {
	rd    *Reader
	query *Query
	file  sparse
	walk  *walk
	begun bool // walk.begin was called
	have  []bool
	rows  bitmap // nil: none
	// doubt is the rows for which the columns alone cannot tell; they are asked
	// again when they are rendered. nil: none.
	doubt  bitmap
	pruned string
	match  *filter.Matcher
	line   filter.Line
}

// Select finds the rows that q selects. It leaves the object when what the
// footer says, a bloom filter or a dictionary excludes all of them, and else
// reads only the columns that the query asks for. Errors are those of Rows.
func (rd *Reader) Select(q *Query) (*Selection, error) {
	s := &Selection{rd: rd, query: q, file: rd.sparse()}
	err := s.find()
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// sparse gives what was read of the object so far.
func (rd *Reader) sparse() sparse {
	return sparse{r: rd.r, extents: []extent{{rd.footer.At, rd.footer.End}}}
}

// Meta gives what the footer says about the object.
func (s *Selection) Meta() *Meta { return &s.rd.meta }

// Pruned says by what the object was found to have none of the rows, "" if the
// rows themselves were asked.
func (s *Selection) Pruned() string { return s.pruned }

// Close gives memory back. The Selection must not be used any more.
func (s *Selection) Close() {
	if s.walk != nil {
		s.walk.release()
		s.walk = nil
	}
	s.rows = nil
}

func (s *Selection) find() error {
	if s.rd.asked != s.query {
		if by, err := s.rd.Excluded(s.query); err != nil || by != "" {
			s.pruned = by
			return err
		}
	}
	s.rows = s.byRange(s.query.Range)
	if s.query.Rows != nil {
		wanted := newBitmap(s.rd.meta.Lines)
		for _, r := range s.query.Rows {
			wanted.setRange(r[0], r[1])
		}
		s.rows.and(wanted)
	}
	if err := s.byTime(); err != nil || s.rows == nil {
		return err
	}
	rows, err := s.eval(s.query.tree(), s.rows)
	if err == nil && rows.empty() {
		rows = nil
	}
	s.rows = rows
	return err
}

// byRange gives the rows of the ranges that fn wants.
func (s *Selection) byRange(fn func(*Range) bool) bitmap {
	m := &s.rd.meta
	rows := newBitmap(m.Lines)
	for i := range m.Ranges {
		if r := &m.Ranges[i]; fn == nil || fn(r) {
			rows.setRange(r.Row, r.Row+r.Lines)
		}
	}
	return rows
}

// Keep leaves the rows of the ranges that fn wants, of those that are selected.
func (s *Selection) Keep(fn func(*Range) bool) {
	if s.rows != nil {
		s.rows.and(s.byRange(fn))
	}
}

// byTime leaves the rows of the wanted times.
func (s *Selection) byTime() error {
	lo, hi := s.rd.Times()
	if !s.query.timed() || lo >= s.query.From && hi < s.query.To {
		return nil
	}
	columns := []int{colTime}
	if m := &s.rd.meta; m.Timed < m.Lines {
		columns = append(columns, colReadTime)
	}
	if err := s.load(columns...); err != nil {
		return err
	}
	times, reads := &s.walk.columns[colTime], &s.walk.columns[colReadTime]
	wanted := newBitmap(s.rd.meta.Lines)
	err := guard("decode", func() {
		for row := range s.rows.rows {
			c := times
			if c.seek(row); !c.has(row) {
				c = reads
				c.seek(row)
				c.has(row)
			}
			if s.query.at(c.int64()) {
				wanted.set(row)
			}
		}
	})
	if s.rows = wanted; wanted.empty() {
		s.rows = nil
	}
	return err
}

// guard calls fn and turns a panic of the decoder into an error.
func guard(check string, fn func()) (err error) {
	defer recovered(&err, check)
	fn()
	return nil
}

// column gives a column of the footer, nil if the object is older than it.
func (rd *Reader) column(i int) *parquet.FooterColumn {
	if rd.place[i] < 0 || rd.footer.Rows == 0 {
		return nil
	}
	return &rd.footer.Columns[rd.place[i]]
}

// allNull reports whether no row has a value in a column.
func (rd *Reader) allNull(i int) bool {
	c := rd.column(i)
	return c == nil || c.Optional && c.Nulls == int64(rd.footer.Rows)
}

// load reads, checks and decodes columns that are not there yet. Columns without
// values are not read.
func (s *Selection) load(columns ...int) error {
	if !s.begun {
		s.walk = s.rd.newWalk(nil)
		if err := s.walk.start(&s.file, s.rd.size, s.rd.defs, s.rd.meta.Version, s.rd.meta.Lines); err != nil {
			return err
		}
		s.begun, s.have = true, make([]bool, len(s.rd.defs))
	}
	var spans []span
	for _, i := range columns {
		if c := s.rd.column(i); !s.have[i] && !s.rd.allNull(i) {
			spans = append(spans, span{c.Start, c.Start + c.Size})
		}
	}
	if err := s.file.fetch(spans); err != nil {
		return err
	}
	for _, i := range columns {
		if s.have[i] {
			continue
		}
		s.have[i] = true
		if s.rd.allNull(i) {
			s.walk.columns[i].chunk = nil // as if there were no such column
		} else {
			c := s.rd.column(i)
			if err := s.rd.footer.CheckChunk(s.rd.place[i], s.file.view(c.Start, c.Size)); err != nil {
				return corrupt("pages", "", -1, "%w", err)
			}
		}
		if err := s.walk.load(i); err != nil {
			return err
		}
	}
	return nil
}

// Count gives the number of rows.
func (s *Selection) Count() (int, error) {
	if err := s.settle(); err != nil || s.rows == nil {
		return 0, err
	}
	return s.rows.count(), nil
}

// settle asks the rows that are in doubt.
func (s *Selection) settle() error {
	if err := s.settleKept(); err != nil || s.rows == nil || s.doubt == nil {
		return err
	}
	doubt := s.doubt
	s.doubt = nil
	return s.ask(doubt, false)
}

// settleKept asks those rows that keep their bytes, for which no other columns
// have to be read.
func (s *Selection) settleKept() error {
	if s.rows == nil || s.doubt == nil || !s.begun || !s.have[colRaw] {
		return nil
	}
	all := func([]byte) bool { return true }
	kept, err := s.walk.columns[colRaw].test(s.doubt, false, all, nil)
	if err != nil {
		return err
	}
	s.doubt.andNot(kept)
	if s.doubt.empty() {
		s.doubt = nil
	}
	return s.ask(kept, true)
}

// ask leaves those of the given rows that pass, of those that are selected.
func (s *Selection) ask(rows bitmap, kept bool) error {
	rows = rows.clone().and(s.rows)
	sure := s.rows.clone().andNot(rows)
	err := s.each(rows, kept, s.looksAtFields(), func(r *Row) error {
		if s.matches(r) {
			sure.set(r.Index)
		}
		return nil
	})
	s.rows = sure
	return err
}

// Runs calls fn for each stretch of consecutive rows, both ends inclusive, in order.
// It reads no more than it takes to know them.
func (s *Selection) Runs(fn func(first, last int)) error {
	if err := s.settle(); err != nil || s.rows == nil {
		return err
	}
	next := 0
	for row := range s.rows.rows {
		if row >= next {
			next = s.rows.runEnd(row, s.rd.meta.Lines)
			fn(row, next-1)
		}
	}
	return nil
}

// Rows calls fn for each row, in order, until fn returns an error, which it then
// returns as it is.
func (s *Selection) Rows(fn func(*Row) error) error { return s.give(true, fn) }

// Lines is Rows in less time: rows may have no Record.
func (s *Selection) Lines(fn func(*Row) error) error { return s.give(false, fn) }

func (s *Selection) give(records bool, fn func(*Row) error) error {
	if err := s.settleKept(); err != nil || s.rows == nil {
		return err
	}
	return s.each(s.rows, false, records || s.doubt != nil && s.looksAtFields(), func(r *Row) error {
		if s.doubt != nil && s.doubt.has(r.Index) && !s.matches(r) {
			return nil
		}
		return fn(r)
	})
}

// each reads the given rows. kept says that all of them keep their bytes: then
// the columns of fields are not read, nor is the time that a format has.
func (s *Selection) each(rows bitmap, kept, records bool, fn func(*Row) error) error {
	if rows.empty() {
		return nil
	}
	var columns []int
	for i := range s.rd.defs {
		if !kept || i <= colUTCOffset || i >= colWrapper && i < coreCount {
			columns = append(columns, i)
		}
	}
	if err := s.load(columns...); err != nil {
		return err
	}
	w := s.walk
	w.begun()
	w.lean, w.records = kept, records
	var live []*decodedColumn // those that have to be moved along
	for i := range w.columns {
		if !w.columns[i].empty() {
			live = append(live, &w.columns[i])
		}
	}
	w.block.n = 0
	ranges, next := s.rd.meta.Ranges, 0
	for row := range rows.rows {
		for row >= ranges[0].Row+ranges[0].Lines {
			ranges = ranges[1:]
		}
		r := &ranges[0]
		if row >= next { // behind rows that are left out
			next = rows.runEnd(row, r.Row+r.Lines)
			if err := guard("decode", func() { seekAll(live, row) }); err != nil {
				return err
			}
		}
		if err := w.read(row, next, r, r.From, r.To); err != nil {
			return err
		}
		if err := fn(&w.row); err != nil {
			return err
		}
	}
	return nil
}

func seekAll(columns []*decodedColumn, row int) {
	for _, c := range columns {
		c.seek(row)
	}
}
