package archive

import (
	"slices"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser/filter"
)

// eval gives those of the rows that may pass: s.doubt has the rows of which the
// columns do not tell for certain.
func (s *Selection) eval(n *filter.Node, rows bitmap) (bitmap, error) {
	switch n.Op {
	case filter.And:
		for _, sub := range s.cheapFirst(n.Nodes) {
			var err error
			if rows, err = s.eval(sub, rows); err != nil || rows.empty() {
				return rows, err
			}
		}
		return rows, nil
	case filter.Or:
		some, left := newBitmap(s.rd.meta.Lines), rows.clone()
		for _, sub := range s.cheapFirst(n.Nodes) {
			got, err := s.eval(sub, left)
			if err != nil {
				return nil, err
			}
			some.or(got)
			left.andNot(got)
		}
		return some, nil
	case filter.Leaf:
	}
	return s.evalTest(n.Test, rows)
}

// cheapFirst orders nodes by the bytes that their columns take.
func (s *Selection) cheapFirst(nodes []*filter.Node) []*filter.Node {
	cost := func(n *filter.Node) (sum int64) {
		for t := range n.Tests {
			places, all := s.rd.places(t)
			if !all {
				return 1 << 40 // whole lines
			}
			for _, at := range places {
				if c := s.rd.column(at.column); c != nil {
					sum += c.Size
				}
			}
		}
		return sum
	}
	nodes = slices.Clone(nodes)
	slices.SortStableFunc(nodes, func(a, b *filter.Node) int { return int(cost(a) - cost(b)) })
	return nodes
}

// evalTest is eval for one test.
func (s *Selection) evalTest(t *filter.Test, rows bitmap) (bitmap, error) {
	places, all := s.rd.places(t)
	if !all {
		s.doubts(rows)
		return rows, nil
	}
	// A test with Not has to hold in all places, any other in one of them.
	passed := newBitmap(s.rd.meta.Lines)
	if t.Absent() {
		passed = rows.clone()
	}
	for i := range places {
		at := &places[i]
		here := rows
		if at.format != nil {
			of, err := s.ofFormat(at.format)
			if err != nil {
				return nil, err
			}
			here = rows.clone().and(of)
		}
		if here.empty() {
			continue
		}
		got, err := s.evalPlace(t, at, here)
		if err != nil {
			return nil, err
		}
		if t.Absent() {
			passed.andNot(here.clone().andNot(got))
		} else {
			passed.or(got)
		}
	}
	return passed, nil
}

// doubts adds rows to those that have to be asked again.
func (s *Selection) doubts(rows bitmap) {
	if s.doubt == nil {
		s.doubt = newBitmap(s.rd.meta.Lines)
	}
	s.doubt.or(rows)
}

// ofFormat gives the rows of a format.
func (s *Selection) ofFormat(name []byte) (bitmap, error) {
	if err := s.load(colFormat); err != nil {
		return nil, err
	}
	all := newBitmap(s.rd.meta.Lines)
	all.setRange(0, s.rd.meta.Lines)
	is := func(v []byte) bool { return string(v) == string(name) }
	return s.walk.columns[colFormat].test(all, false, is, nil)
}

// evalPlace is eval for one test in one place.
func (s *Selection) evalPlace(t *filter.Test, at *place, rows bitmap) (bitmap, error) {
	if err := s.load(at.column); err != nil {
		return nil, err
	}
	text, number := t.MatchText, t.MatchInt
	switch {
	case at.flag != 0:
		number = func(v int64) bool { return t.MatchInt(min(1, v&int64(at.flag))) }
	case at.label != "":
		text = func(v []byte) bool {
			value, ok := filter.Label(v, at.label)
			return ok && t.MatchText(value) || !ok && t.Absent()
		}
	}
	got, err := s.walk.columns[at.column].test(rows, t.Absent(), text, number)
	if err != nil {
		return nil, err
	}
	if at.loose {
		s.doubts(got)
	}
	if certain(t, at.column) || !s.rd.doubtful(at.column) {
		return got, nil
	}
	doubt, err := s.doubted(at.column)
	if err != nil {
		return nil, err
	}
	doubt.and(rows)
	s.doubts(doubt)
	return got.or(doubt), nil
}

// doubted gives the rows that keep their bytes and have no value in a column,
// although their format has a field that would be there.
func (s *Selection) doubted(column int) (bitmap, error) {
	if err := s.load(column); err != nil {
		return nil, err
	}
	rows := newBitmap(s.rd.meta.Lines)
	for i := range s.rd.plans {
		if p := &s.rd.plans[i]; p.uses(column) {
			of, err := s.ofFormat(p.name)
			if err != nil {
				return nil, err
			}
			rows.or(of)
		}
	}
	text, number := func([]byte) bool { return true }, func(int64) bool { return true }
	there, err := s.walk.columns[column].test(rows, false, text, number)
	if err != nil {
		return nil, err
	}
	// The kept bytes are much to read, and most often no row is left.
	if rows = rows.andNot(there); rows.empty() {
		return rows, nil
	}
	if err := s.load(colRaw); err != nil {
		return nil, err
	}
	return s.walk.columns[colRaw].test(rows, false, text, nil)
}

// test gives those of the rows whose value passes, and if absent those without
// one. It leaves the column's place for reading alone.
func (c *decodedColumn) test(rows bitmap, absent bool, text func([]byte) bool, number func(int64) bool) (got bitmap, err error) {
	err = guard("decode", func() {
		got = make(bitmap, len(rows))
		from := 0
		var verdicts []byte // per entry of the dictionary, which the pages share
		for i := range c.pages {
			p := &c.pages[i]
			switch {
			case p.values == 0 && absent:
				got.setRange(from, from+p.rows)
			case p.values == 0:
			case p.coded:
				if verdicts == nil {
					verdicts = p.verdicts(c.def, text, number)
				}
				p.spread(got, from, absent, func(k int) byte { return verdicts[p.codes[k]] })
			default:
				p.each(c.def, got, from, absent, text, number)
			}
			from += p.rows
		}
		got.and(rows)
	})
	return got, err
}

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// verdicts asks each entry of the dictionary: 1 passes.
func (p *decodedPage) verdicts(def *columnDef, text func([]byte) bool, number func(int64) bool) []byte {
	var all []byte
	switch def.Type {
	case parquet.Int32:
		for _, v := range p.dict32 {
			all = append(all, truth(number(int64(v))))
		}
	case parquet.Int64:
		for _, v := range p.dict64 {
			all = append(all, truth(number(v)))
		}
	case parquet.ByteArray:
		for i := range len(p.offsets) - 1 {
			all = append(all, truth(text(p.data[p.offsets[i]:p.offsets[i+1]])))
		}
	case parquet.Boolean: // never coded
	}
	return all
}

// each is spread for values that have no dictionary.
func (p *decodedPage) each(def *columnDef, got bitmap, from int, absent bool, text func([]byte) bool, number func(int64) bool) {
	switch def.Type {
	case parquet.Boolean:
		p.spread(got, from, absent, func(k int) byte { return truth(number(int64(p.bools[k>>3] >> (k & 7) & 1))) })
	case parquet.Int32:
		p.spread(got, from, absent, func(k int) byte { return truth(number(int64(p.i32[k]))) })
	case parquet.Int64:
		p.spread(got, from, absent, func(k int) byte { return truth(number(p.i64[k])) })
	case parquet.ByteArray:
		p.spread(got, from, absent, func(k int) byte { return truth(text(p.data[p.offsets[k]:p.offsets[k+1]])) })
	}
}

// spread sets the bit of each row, the first of which is from, to the verdict of
// its value.
func (p *decodedPage) spread(got bitmap, from int, absent bool, verdict func(k int) byte) {
	k, none := 0, uint64(truth(absent))
	all := p.values == p.rows
	for i := range p.rows {
		bit := none
		if all || p.levels[i] == 1 {
			bit = uint64(verdict(k))
			k++
		}
		got[(from+i)>>6] |= bit << ((from + i) & 63)
	}
}
