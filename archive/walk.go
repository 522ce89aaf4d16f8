package archive

import (
	"errors"
	"slices"

	"github.com/loghaul/loghaul/archive/parquet"
)

// walk is one pass over the rows of an object.
type walk struct {
	renderer
	meta *Meta
	fn   func(*Row) error
	row  Row
}

func isParquet(err error) bool { return errors.Is(err, parquet.ErrCorrupt) }

func (w *walk) all() error {
	for i := range w.meta.Ranges {
		if err := w.stretch(&w.meta.Ranges[i]); err != nil {
			return err
		}
	}
	return w.finishAll()
}

func (w *walk) finishAll() (err error) {
	defer recovered(&err, "decode")
	return w.finish()
}

// stretch passes the rows of one range on. Offsets are not only read but also
// counted along: they must agree, and end where the range ends.
func (w *walk) stretch(r *Range) error {
	offset := r.From
	for row := r.Row; row < r.Row+r.Lines; row++ {
		if err := w.read(row, r, offset); err != nil {
			return err
		}
		offset += int64(len(w.row.Raw))
		if !w.row.NoLF {
			offset++
		}
		if err := w.fn(&w.row); err != nil {
			return err
		}
	}
	if offset != r.To {
		return corrupt("identity", "", r.Row+r.Lines-1, "source %s ends at %d, want %d", r.Source.ID, offset, r.To)
	}
	return nil
}

// read fills w.row.
func (w *walk) read(row int, r *Range, offset int64) (err error) {
	defer recovered(&err, "decode")
	id := w.identity(row)
	if string(id.node) != r.Source.Node || string(id.source) != r.Source.ID ||
		string(id.path) != r.Source.Path || id.offset != offset {
		return corrupt("identity", "", row, "is %s/%s:%d, want %s/%s:%d", id.node, id.source, id.offset, r.Source.Node, r.Source.ID, offset)
	}
	w.row = Row{Index: row, Source: r.Source, Offset: offset, NoLF: id.noLF, ReadAt: id.readAt}
	p, err := w.planOf(row)
	if err != nil {
		return err
	}
	raw, kept := w.raw(row)
	if p == nil && !kept {
		return corrupt("lines", "raw", row, "neither fields nor bytes")
	}
	if kept {
		w.row.Raw = raw
	}
	if p == nil {
		return nil
	}
	w.times(row, p)
	w.build(row, p)
	record := &w.record
	w.row.Format, w.row.Record = string(p.name), record
	if p.variants != nil {
		record.Format = p.variantOf(record)
	}
	if !kept {
		w.line = p.format.Append(w.line[:0], record)
		w.row.Raw = w.line
		return nil
	}
	// The columns hold less than the line, so parse it again.
	if !p.parse(raw, record) {
		return corrupt("lines", "raw", row, "kept bytes are not of format %q", p.name)
	}
	return nil
}

// times peeks at the columns that build reads only when a date is printed.
func (w *walk) times(row int, p *plan) {
	c, z := &w.columns[colTime], &w.columns[colUTCOffset]
	if !slices.ContainsFunc(p.ops, func(o op) bool { return o.kind == opTime }) || !c.has(row) {
		return
	}
	w.row.Time, w.row.TimeOK = c.int64(), true
	c.value--
	if z.has(row) {
		w.row.UTCOffset = z.int32()
		z.value--
	}
}
