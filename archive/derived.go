package archive

import (
	"encoding/json"
	"fmt"

	"github.com/loghaul/loghaul/archive/parquet"
)

// DerivedVersion is the version of derived files that this build writes.
const DerivedVersion = 1

// derivedKey is the entry of the footer's key-value metadata that holds
// DerivedMeta as JSON. No reader of objects takes a derived file for one: it
// lacks their entry.
const derivedKey = "loghaul_derived"

const (
	// derivedGroup is how many rows a row group has: few enough that an engine
	// which looks for one frontend and hour reads little, enough for dictionaries
	// to pay.
	derivedGroup = 1 << 17
	// derivedGroupBytes bounds the values of a row group.
	derivedGroupBytes = 64 << 20
)

// DerivedMeta is what the footer of a derived file says.
type DerivedMeta struct {
	Version int `json:"version"`
	// From names the archive that the rows come from.
	From string `json:"from"`
	// Lines counts the rows, RawBytes the bytes of their lines, LFs included; 0 if
	// nobody has counted them.
	Lines    int64 `json:"lines"`
	RawBytes int64 `json:"raw_bytes,omitempty"`
}

// Derived writes files that have the columns of objects, but rows of any objects
// in any order. An object proves by itself that it holds each byte of its ranges
// once; a derived file does not, and is a copy for SQL engines. One goroutine may
// use it at a time.
type Derived struct {
	schema  *Schema
	writer  *parquet.Writer
	columns []column
	parquet []parquet.Column
	begun   bool
	rows    int // of the row group at hand
	bytes   int
	total   int
}

// NewDerived makes a Derived for rows that were read with a schema. All objects
// have been read. createdBy is the version of the program, for the footer.
func NewDerived(s *Schema, createdBy string) (*Derived, error) {
	w, err := parquet.NewWriter(schemaRoot, "loghaul version "+createdBy+" (build go)")
	if err != nil {
		return nil, err
	}
	d := &Derived{schema: s, writer: w}
	for i := range s.defs {
		d.parquet = append(d.parquet, s.defs[i].Column)
	}
	d.reset()
	return d, nil
}

// reset makes all columns anew: what they learned of the values before must not
// show in a file, which is to be the same whenever it is made.
func (d *Derived) reset() {
	d.columns = d.columns[:0]
	for i := range d.schema.defs {
		c := newColumn(d.schema.defs[i])
		c.reset(derivedGroup)
		d.columns = append(d.columns, c)
	}
	d.rows, d.bytes = 0, 0
}

// Rows gives the number of rows of the file at hand.
func (d *Derived) Rows() int { return d.total }

// Add adds a row. It keeps nothing of cells.
func (d *Derived) Add(cells []byte) error {
	if d.rows == derivedGroup || d.bytes >= derivedGroupBytes {
		if err := d.endGroup(); err != nil {
			return err
		}
	}
	d.bytes += len(cells)
	for rest := cells; len(rest) > 0; {
		v, after, err := d.schema.nextCell(rest)
		if err != nil {
			return err
		}
		rest = after
		c := &d.columns[v.place]
		switch c.Type {
		case parquet.Boolean:
			c.addBool(d.rows, v.number != 0)
		case parquet.Int32:
			c.mark(d.rows)
			c.chunk.Int32s = append(c.chunk.Int32s, int32(v.number)) //nolint:gosec // it was one
		case parquet.Int64:
			c.addInt64(d.rows, v.number)
		case parquet.ByteArray:
			if !c.addText(d.rows, v.text) {
				return fmt.Errorf("column %s: not UTF-8: %w", c.Name, errCells)
			}
		}
	}
	d.rows++
	d.total++
	return nil
}

// endGroup writes the row group at hand.
func (d *Derived) endGroup() error {
	if d.begun {
		if err := d.writer.NextGroup(d.rows); err != nil {
			return err
		}
	} else {
		d.writer.BeginGroups(d.parquet, d.rows)
		d.begun = true
	}
	for i := range d.columns {
		if err := d.writer.Add(&d.columns[i].chunk); err != nil {
			return err
		}
	}
	d.reset()
	return nil
}

// Finish gives the file, which is valid until the next Add, and begins another
// one. Without any Add it has no rows.
func (d *Derived) Finish(meta DerivedMeta) ([]byte, error) {
	if err := d.endGroup(); err != nil {
		return nil, err
	}
	meta.Version = DerivedVersion
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("encoding the file's metadata: %w", err)
	}
	d.begun, d.total = false, 0
	return d.writer.Finish([]parquet.KeyValue{{Key: derivedKey, Value: string(text)}})
}

// Place is what decides where in a derived copy a row stands.
type Place struct {
	// Time is that of the event in Unix milliseconds, or when the line was read.
	Time int64
	// Frontend is "" for none.
	Frontend string
}

// PlaceOf gives the place of a row.
func (s *Schema) PlaceOf(r *Row, cells []byte) (p Place, err error) {
	p.Time = r.ReadAt
	if r.TimeOK {
		p.Time = r.Time
	}
	for len(cells) > 0 {
		var c cell
		if c, cells, err = s.nextCell(cells); err != nil {
			return p, err
		}
		if c.place == colFrontend {
			p.Frontend = string(c.text)
		}
	}
	return p, nil
}
