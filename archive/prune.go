package archive

import (
	"math"
	"slices"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// evidence is what is known of an object without its rows: by its footer, or by
// its summary.
type evidence struct {
	meta   *Meta
	places func(*filter.Test) (places []place, all bool)
	bounds func(column int) bounds
	// doubtful reports whether rows that keep their bytes may have another value
	// than a column says.
	doubtful func(column int) bool
	// bloom reports whether a column may hold one of the values; nil: no filter.
	bloom func(column int, values [][]byte) bool
}

// bounds is what is known of the values of a column.
type bounds struct {
	none    bool // all rows are null
	nulls   bool // some may be
	numbers bool // lo and hi bound all values
	lo, hi  int64
	min     []byte // of texts; nil: not known
	max     []byte
	values  []string // all there are, nil if they are not known
}

// may reports whether a value can pass.
func (b *bounds) may(t *filter.Test) bool {
	switch {
	case b.none:
		return false
	case b.numbers:
		return t.MayMatchRange(b.lo, b.hi)
	case b.values != nil:
		return slices.ContainsFunc(b.values, func(v string) bool { return t.MatchText([]byte(v)) })
	case b.min != nil || b.max != nil:
		return t.MayMatchTextRange(b.min, b.max)
	}
	return true
}

// excludes says what excludes that any row passes, "" if nothing does. ask is
// asked for single tests.
func excludes(n *filter.Node, ask func(*filter.Test) (by string)) (by string) {
	switch n.Op {
	case filter.And:
		for _, sub := range n.Nodes {
			if by = excludes(sub, ask); by != "" {
				return by
			}
		}
		return ""
	case filter.Or:
		by = "the filter"
		for _, sub := range n.Nodes {
			if by = excludes(sub, ask); by == "" {
				return ""
			}
		}
		return by
	case filter.Leaf:
	}
	return ask(n.Test)
}

// byStatistics says by which column's statistics no row can pass.
func (e *evidence) byStatistics(t *filter.Test) (by string) {
	places, all := e.places(t)
	if !all || t.Absent() && len(places) != 1 {
		return ""
	}
	by = "no such field"
	for i := range places {
		at := &places[i]
		b := e.bounds(at.column)
		if at.flag != 0 || at.label != "" || b.may(t) || t.Absent() && (at.format != nil || b.none || b.nulls) ||
			!certain(t, at.column) && e.doubtful(at.column) {
			return ""
		}
		by = "statistics of " + at.name
	}
	return by
}

// byBloom says by which column's bloom filter no row can pass.
func (e *evidence) byBloom(t *filter.Test) (by string) {
	places, all := e.places(t)
	values := t.Equals()
	if !all || len(places) != 1 || values == nil || !certain(t, places[0].column) || e.bloom == nil || e.bloom(places[0].column, values) {
		return ""
	}
	return "bloom filter of " + places[0].name
}

// coarsely says what excludes all rows besides the filter: "source", "time", or "".
func (q *Query) coarsely(m *Meta, lo, hi int64) (by string) {
	switch {
	case m.Lines == 0:
		return "no lines"
	case q.Range != nil && !slices.ContainsFunc(m.Ranges, func(r Range) bool { return q.Range(&r) }):
		return "source"
	case lo >= q.To || hi < q.From:
		return "time"
	}
	return ""
}

// Times bounds Row.At of all rows, both included, by a summary.
func (s *Summary) Times() (lo, hi int64) {
	read := s.Columns["read_time"]
	return times(s.Meta, read.Min, read.Max)
}

func times(m *Meta, minRead, maxRead *int64) (lo, hi int64) {
	if m.Timed == m.Lines {
		return m.MinTime, m.MaxTime
	}
	lo, hi = AnyTime()
	if minRead != nil && maxRead != nil {
		lo, hi = *minRead, *maxRead
	} else {
		hi--
	}
	if m.Timed > 0 {
		lo, hi = min(lo, m.MinTime), max(hi, m.MaxTime)
	}
	return lo, hi
}

// Excluded says what excludes that an object has rows that q selects, by its
// summary: "" if nothing does. Blooms of the summary are not looked at; mayHold
// reports whether a column may have one of the values, in their place.
func (s *Summary) Excluded(q *Query, mayHold func(column string, values [][]byte) bool) (by string) {
	lo, hi := s.Times()
	if by = q.coarsely(s.Meta, lo, hi); by != "" {
		return by
	}
	defs := coreColumns()
	e := evidence{
		meta: s.Meta,
		places: func(t *filter.Test) ([]place, bool) {
			if t.Field.Place != filter.InColumn {
				return nil, false
			}
			i := slices.IndexFunc(defs, func(d columnDef) bool { return d.Name == t.Field.Column })
			return []place{{column: max(i, 0), name: t.Field.Column}}, i >= 0
		},
		bounds: func(column int) bounds {
			c, ok := s.Columns[defs[column].Name]
			b := bounds{none: !ok, nulls: defs[column].Optional, values: c.Values}
			if c.Min != nil && c.Max != nil {
				b.numbers, b.lo, b.hi = true, *c.Min, *c.Max
			}
			return b
		},
		doubtful: func(column int) bool {
			_, keeps := s.Columns["raw"]
			return keeps && hides(column, defs[column].Type)
		},
		bloom: func(column int, values [][]byte) bool { return mayHold(defs[column].Name, values) },
	}
	return excludes(q.tree(), func(t *filter.Test) string {
		if by := e.byStatistics(t); by != "" {
			return by
		}
		return e.byBloom(t)
	})
}

// Times bounds Row.At of all rows, both included.
func (rd *Reader) Times() (lo, hi int64) {
	var minRead, maxRead *int64
	if c := rd.column(colReadTime); c != nil {
		minRead, maxRead = number(c.Min), number(c.Max)
	}
	return times(&rd.meta, minRead, maxRead)
}

// Excluded says what excludes that the object has rows that q selects, by its
// footer and its bloom filters: "" if nothing does. It reads 32 bytes for each
// value that is looked up in a bloom filter.
func (rd *Reader) Excluded(q *Query) (by string, err error) {
	lo, hi := rd.Times()
	if by = q.coarsely(&rd.meta, lo, hi); by != "" {
		return by, nil
	}
	file := rd.sparse()
	e := evidence{
		meta: &rd.meta, places: rd.places, bounds: rd.bounds, doubtful: rd.doubtful,
		bloom: func(column int, values [][]byte) bool {
			c := rd.column(column)
			if c == nil || c.BloomSize == 0 || err != nil {
				return true
			}
			var may bool
			may, err = file.mayHold(c, values)
			return may
		},
	}
	if by = excludes(q.tree(), e.byStatistics); by == "" {
		by = excludes(q.tree(), e.byBloom)
	}
	if err != nil {
		return "", err
	}
	rd.asked = q
	return by, nil
}

// bounds gives what the footer says of a column.
func (rd *Reader) bounds(column int) bounds {
	c := rd.column(column)
	if c == nil || rd.allNull(column) {
		return bounds{none: true, nulls: true}
	}
	b := bounds{nulls: c.Nulls > 0, min: c.Min, max: c.Max}
	if lo, hi := number(c.Min), number(c.Max); c.Type != parquet.ByteArray && lo != nil && hi != nil {
		b.numbers, b.lo, b.hi = true, *lo, *hi
	}
	if c.Type != parquet.ByteArray {
		b.min, b.max = nil, nil
	}
	return b
}

// doubtful reports whether rows that keep their bytes may have another value than
// a column says. Such a row has no value in the column, but its format has a field
// that would be there.
func (rd *Reader) doubtful(column int) bool {
	if !hides(column, rd.defs[column].Type) || rd.allNull(colRaw) {
		return false
	}
	m := &rd.meta
	raw := rd.column(colRaw)
	events := int64(m.Lines)-raw.Nulls > int64(m.Unparsed+m.Rests+m.RawKept)
	return slices.ContainsFunc(rd.plans, func(p plan) bool {
		return p.uses(column) && (m.RawKept > 0 || events && string(p.name) == parser.EventFormat)
	})
}

// mayHold asks the bloom filter of a column.
func (s *sparse) mayHold(c *parquet.FooterColumn, values [][]byte) (bool, error) {
	for _, v := range values {
		var block [parquet.BloomBlock]byte
		hash := parquet.BloomHash(v)
		if err := s.readFull(block[:], c.BloomBlockAt(hash)); err != nil {
			return true, err
		}
		if parquet.BloomMayHold(block[:], hash) {
			return true, nil
		}
	}
	return false, nil
}

// AnyTime gives the bounds of a Query that is for all times.
func AnyTime() (from, to int64) { return math.MinInt64, math.MaxInt64 }
