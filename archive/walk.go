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
	meta  *Meta
	plans []plan
	set   *parser.Set // of the formats of plans, once a line needs it
	fn    func(*Row) error
	row   Row
	tiles tiles
	parts []Part // memory of row.Parts
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
	for row := r.Row; row < r.Row+r.Lines; row++ {
		if err := w.read(row, r, w.tiles.at, w.tiles.at+1); err != nil {
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

// read fills w.row with a row of r whose offset is in [from, to).
func (w *walk) read(row int, r *Range, from, to int64) (err error) {
	defer recovered(&err, "decode")
	id := w.identity(row)
	if string(id.node) != r.Source.Node || string(id.source) != r.Source.ID ||
		string(id.path) != r.Source.Path || id.offset < from || id.offset >= to {
		return corrupt("identity", "", row, "is %s/%s:%d, want %s/%s from %d on", id.node, id.source, id.offset, r.Source.Node, r.Source.ID, from)
	}
	w.row = Row{Index: row, Source: r.Source, Offset: id.offset, NoLF: id.noLF, TimeUnsure: id.unsure, ReadAt: id.readAt, Rest: id.rest}
	w.readOrigin(row)
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
	if err := w.readParts(row, kept); err != nil {
		return err
	}
	wrapped, err := w.readHeader(row)
	if err != nil {
		return err
	}
	w.header.Partial = wrapped && id.partial
	w.times(row, p)
	w.row.Header = w.header
	if err := w.readFields(row, p, kept); err != nil {
		return err
	}
	return w.message()
}

// readFields makes the record of a row, and the line unless that is kept.
func (w *walk) readFields(row int, p *plan, kept bool) error {
	if p == nil {
		return nil
	}
	w.build(row, p)
	record := &w.record
	w.row.Format, w.row.Record = string(p.name), record
	if p.variants != nil {
		record.Format = p.variantOf(record)
	}
	if !kept {
		w.line = w.line[:0]
		if w.header.Kind != wrapper.None && w.hasPrefix {
			w.line = append(w.line, w.prefix...)
		}
		w.line = p.format.Append(w.line, record)
		w.row.Raw = w.line
		return nil
	}
	// The columns hold less than the line, so parse it again.
	if !w.reparse(p, w.row.Raw) {
		return corrupt("lines", "raw", row, "kept bytes are not of format %q", p.name)
	}
	return nil
}

// readParts reads where the records of a joined line lay.
func (w *walk) readParts(row int, kept bool) (err error) {
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

// times reads the event's time. The columns are those of the printed date too
// if the format has one: then build reads them, and times only peeks. Without
// a format, or a date in it, the time is that of the header.
func (w *walk) times(row int, p *plan) {
	dated := p != nil && p.dated
	if !dated && w.header.Kind == wrapper.None {
		return
	}
	c, z := &w.columns[colTime], &w.columns[colUTCOffset]
	if !c.has(row) {
		return
	}
	w.row.Time, w.row.TimeOK = c.int64(), true
	if z.has(row) {
		w.row.UTCOffset = z.int32()
		if dated {
			z.value--
		}
	}
	if dated {
		c.value--
	} else {
		w.header.Time.UTCOffset = w.row.UTCOffset
	}
}
