package archive

import (
	"errors"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// walk is one pass over the rows of an object.
type walk struct {
	renderer
	meta     *Meta
	plans    []plan
	set      *parser.Set // of the formats of plans, once a line needs it
	fn       func(*Row) error
	row      Row
	source   *Range // of row
	block    blockOfRows
	records  bool // rows have records
	labelled bool // some row has something that readOrigin reads
	lean     bool // all rows keep their bytes: no columns of fields are there
	tiles    tiles
	parts    []Part // memory of row.Parts
	// contained takes what a runtime put around a line off for row.Message.
	contained *wrapper.Splitter
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
// counted along: they must agree, cover every byte once, and end where the
// range ends.
func (w *walk) stretch(r *Range) error {
	w.tiles.begin(r.From)
	end := r.Row + r.Lines
	for row := r.Row; row < end; row++ {
		if err := w.read(row, end, r, w.tiles.at, w.tiles.at+1); err != nil {
			return err
		}
		if err := w.cover(); err != nil {
			return corrupt("identity", "", row, "source %s: %w", r.Source.ID, err)
		}
		if err := w.fn(&w.row); err != nil {
			return err
		}
	}
	if w.tiles.at != r.To || len(w.tiles.ahead) > 0 {
		return corrupt("identity", "", r.Row+r.Lines-1, "source %s ends at %d, want %d", r.Source.ID, w.tiles.at, r.To)
	}
	return nil
}

// cover counts the bytes of w.row.
func (w *walk) cover() error {
	if w.row.Parts != nil {
		return w.tiles.coverParts(w.row.Parts, w.row.NoLF)
	}
	end := w.row.Offset + int64(len(w.row.Raw))
	if !w.row.NoLF {
		end++
	}
	return w.tiles.cover(w.row.Offset, end)
}

// read fills w.row with a row of r whose offset is in [from, to). Those up to
// end are read next.
func (w *walk) read(row, end int, r *Range, from, to int64) (err error) {
	defer recovered(&err, "decode")
	b := &w.block
	if row >= b.row+b.n || row < b.row {
		if err := w.fill(row, end, r); err != nil {
			return err
		}
	}
	at := row - b.row
	offset, flags := b.offsets[at], b.flags[at]
	if offset < from || offset >= to {
		return corrupt("identity", "offset", row, "is %d, want one in [%d, %d)", offset, from, to)
	}
	if w.source != r {
		w.source, w.row = r, Row{Source: r.Source}
	}
	w.row.Index, w.row.Offset, w.row.ReadAt = row, offset, b.read[at]
	w.row.NoLF, w.row.TimeUnsure, w.row.Rest = flags&flagNoLF != 0, flags&flagTimeUnsure != 0, flags&flagRest != 0
	w.row.Format, w.row.Record = "", nil
	if w.labelled {
		w.readOrigin(row)
	}
	p, kept := b.plans[at], b.kept[at]
	if p == nil && !kept {
		return corrupt("lines", "raw", row, "neither fields nor bytes")
	}
	if kept {
		w.row.Raw = b.raws[at]
	}
	if err := w.readParts(row, kept); err != nil {
		return err
	}
	wrapped, err := w.readHeader(row)
	if err != nil {
		return err
	}
	w.header.Partial = wrapped && flags&flagPartial != 0
	w.times(at, p)
	if w.wrapped {
		w.row.Header = w.header
	}
	if p != nil {
		w.row.Format = p.label
	}
	if p != nil && !kept {
		w.readLine(at)
	}
	if p != nil && w.records {
		if err := w.readRecord(at, p, kept); err != nil {
			return err
		}
	}
	return w.message()
}

// readLine sets the bytes of a row of the block that does not keep them.
func (w *walk) readLine(at int) {
	w.row.Raw = w.printer.Line(at)
	if w.header.Kind != wrapper.None && w.hasPrefix {
		w.line = append(append(w.line[:0], w.prefix...), w.row.Raw...)
		w.row.Raw = w.line
	}
}

// readRecord sets the record of a row of the block.
func (w *walk) readRecord(at int, p *plan, kept bool) error {
	w.row.Record = &w.record
	if kept {
		// The columns hold less than the line, so parse it again.
		if !w.reparse(p, w.row.Raw) {
			return corrupt("lines", "raw", w.row.Index, "kept bytes are not of format %q", p.name)
		}
		return nil
	}
	w.build(at, p)
	if p.variants != nil {
		w.record.Format = p.variantOf(&w.record)
	}
	return nil
}

// readParts reads where the records of a joined line lay.
func (w *walk) readParts(row int, kept bool) (err error) {
	w.row.Parts = nil
	if !w.joined || !w.columns[colParts].has(row) {
		return nil
	}
	gaps := w.columns[colParts].text()
	if !kept {
		return corrupt("lines", "parts", row, "the records of a joined line are not kept")
	}
	if w.parts, err = splitParts(w.parts, w.row.Raw, gaps, w.row.Offset); err != nil {
		return corrupt("identity", "parts", row, "%w", err)
	}
	w.row.Parts = w.parts
	return nil
}

// readOrigin reads what is the same for all rows of a batch, and may be null.
func (w *walk) readOrigin(row int) {
	for _, o := range [...]struct {
		col  int
		text *[]byte
	}{
		{colLabels, &w.row.Labels},
		{colNamespace, &w.row.Namespace},
		{colPod, &w.row.Pod},
		{colContainer, &w.row.Container},
		{colContainerID, &w.row.ContainerID},
	} {
		*o.text = nil
		if c := &w.columns[o.col]; c.has(row) {
			*o.text = c.text()
		}
	}
}

// message sets w.row.Message.
func (w *walk) message() error {
	w.row.Message = w.row.Raw
	records := w.lines[:0]
	switch {
	case w.row.Parts != nil:
		for i := range w.row.Parts {
			records = append(records, w.row.Parts[i].Raw)
		}
	case w.header.Kind.Container():
		records = append(records, w.row.Raw)
	default:
		return nil
	}
	w.lines = records
	message, ok := w.contained.Message(records...)
	if !ok {
		return corrupt("lines", "wrapper", w.row.Index, "the line is no record of a container runtime")
	}
	w.row.Message = message
	return nil
}
