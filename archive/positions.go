package archive

// Position is which line a row is and when it was, without what it says.
type Position struct {
	// Row is the number of the row in its object, Range what it is part of.
	Row   int
	Range *Range
	// Offset is where the line starts in its source.
	Offset int64
	// At is its time, see Row.At, in Unix milliseconds.
	At int64
}

// Positions calls fn for each selected row, in order, until fn returns an error,
// which it then returns as it is. It reads the columns of the offset and of the
// time alone. The Position is only valid until fn returns. Errors are those of Rows.
func (s *Selection) Positions(fn func(*Position) error) error {
	if err := s.settle(); err != nil || s.rows == nil || s.rows.empty() {
		return err
	}
	m := &s.rd.meta
	columns := []int{colOffset, colTime}
	if m.Timed < m.Lines {
		columns = append(columns, colReadTime)
	}
	if err := s.load(columns...); err != nil {
		return err
	}
	offsets, times, reads := &s.walk.columns[colOffset], &s.walk.columns[colTime], &s.walk.columns[colReadTime]
	ranges := m.Ranges
	var p Position
	for row := range s.rows.rows {
		for row >= ranges[0].Row+ranges[0].Lines {
			ranges = ranges[1:]
		}
		p.Row, p.Range = row, &ranges[0]
		err := guard("decode", func() {
			p.Offset = at(offsets, row)
			c := times
			if c.seek(row); !c.has(row) {
				c = reads
				c.seek(row)
				c.has(row)
			}
			p.At = c.int64()
		})
		if err != nil {
			return err
		}
		if p.Offset < p.Range.From || p.Offset >= p.Range.To {
			return corrupt("identity", "", row, "is at %d, want %d to %d", p.Offset, p.Range.From, p.Range.To)
		}
		if err := fn(&p); err != nil {
			return err
		}
	}
	return nil
}

// at gives the value that a row has in a column without nulls.
func at(c *decodedColumn, row int) int64 {
	c.seek(row)
	c.has(row)
	return c.int64()
}
