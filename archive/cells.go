package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/loghaul/loghaul/archive/parquet"
)

// Schema is the columns of a derived file: the core columns, and the dynamic
// ones in the order in which objects that Cells read brought them. Several
// objects may be read with it at once, and a Derived uses it after that.
type Schema struct {
	mu   sync.Mutex // guards defs while objects are read
	defs []columnDef
}

// NewSchema gives the core columns.
func NewSchema() *Schema { return &Schema{defs: coreColumns()} }

// place gives the column of s that a column of an object lies in. A name that
// stands for two types in different objects gets a number.
func (s *Schema) place(d *columnDef) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := d.Column
	for n := 2; ; n++ {
		i := slices.IndexFunc(s.defs, func(have columnDef) bool { return have.Name == want.Name })
		if i < 0 {
			added := *d
			added.Column = want
			s.defs = append(s.defs, added)
			return len(s.defs) - 1
		}
		if s.defs[i].Type == want.Type && s.defs[i].Logical == want.Logical {
			return i
		}
		want.Name = fmt.Sprintf("%s_%d", d.Name, n)
	}
}

// Cells calls fn for each line like Lines, and gives it the values of all columns
// of the row, in an encoding of its own that a Derived takes. They are those
// that Lines made the line of. cells is valid during the call.
func (rd *Reader) Cells(s *Schema, fn func(r *Row, cells []byte) error) error {
	file := make([]byte, rd.size)
	if n, err := rd.r.ReadAt(file, 0); n != len(file) {
		return fmt.Errorf("reading an object of %d bytes: %w", rd.size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if err := rd.footer.CheckPages(file); err != nil {
		return corrupt("pages", "", -1, "%w", err)
	}
	var d decoded
	defer d.release()
	if err := d.open(file, rd.defs, rd.meta.Version, rd.meta.Lines); err != nil {
		return err
	}
	places := s.places(rd.defs)
	var cells []byte
	return rd.Lines(func(r *Row) error {
		var err error
		if cells, err = d.appendCells(cells[:0], r.Index, places); err != nil {
			return err
		}
		return fn(r, cells)
	})
}

func (s *Schema) places(defs []columnDef) []int {
	places := make([]int, len(defs))
	for i := range defs {
		places[i] = s.place(&defs[i])
	}
	return places
}

// Cells is Lines that also gives the values of all columns of a row, as
// Reader.Cells does.
func (s *Selection) Cells(schema *Schema, fn func(r *Row, cells []byte) error) error {
	if s.rows == nil {
		return nil
	}
	columns := make([]int, len(s.rd.defs))
	for i := range columns {
		columns[i] = i
	}
	if err := s.load(columns...); err != nil {
		return err
	}
	// The walk has its own places in the same pages.
	d := decoded{columns: slices.Clone(s.walk.columns)}
	places := schema.places(s.rd.defs)
	var cells []byte
	return s.Lines(func(r *Row) error {
		var err error
		if cells, err = d.appendCells(cells[:0], r.Index, places); err != nil {
			return err
		}
		return fn(r, cells)
	})
}

// appendCells appends the values of a row: for each that is there its place and
// the value.
func (d *decoded) appendCells(dst []byte, row int, places []int) (_ []byte, err error) {
	defer recovered(&err, "decode")
	for i := range d.columns {
		c := &d.columns[i]
		if c.seek(row); !c.has(row) {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(places[i])) //nolint:gosec // not negative
		switch c.def.Type {
		case parquet.Boolean:
			v := byte(0)
			if c.bool() {
				v = 1
			}
			dst = append(dst, v)
		case parquet.Int32:
			dst = binary.AppendVarint(dst, int64(c.int32()))
		case parquet.Int64:
			dst = binary.AppendVarint(dst, c.int64())
		case parquet.ByteArray:
			v := c.text()
			dst = binary.AppendUvarint(dst, uint64(len(v)))
			dst = append(dst, v...)
		}
	}
	return dst, nil
}

// errCells is a row that Cells did not make.
var errCells = errors.New("broken cells")

// cell is one value that is taken off cells.
type cell struct {
	place  int
	number int64
	text   []byte
}

// nextCell takes a value off cells.
func (s *Schema) nextCell(cells []byte) (c cell, rest []byte, err error) {
	place, n := binary.Uvarint(cells)
	if n <= 0 || place >= uint64(len(s.defs)) {
		return c, nil, errCells
	}
	c.place, cells = int(place), cells[n:] //nolint:gosec // checked
	switch s.defs[c.place].Type {
	case parquet.Boolean:
		if len(cells) == 0 {
			return c, nil, errCells
		}
		c.number, cells = int64(cells[0]), cells[1:]
	case parquet.Int32, parquet.Int64:
		if c.number, n = binary.Varint(cells); n <= 0 {
			return c, nil, errCells
		}
		cells = cells[n:]
	case parquet.ByteArray:
		size, n := binary.Uvarint(cells)
		if n <= 0 || size > uint64(len(cells)-n) {
			return c, nil, errCells
		}
		c.text, cells = cells[n:][:size], cells[n:][size:]
	}
	return c, cells, nil
}
