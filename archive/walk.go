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
	block blockOfRows
	known struct { // of the last row
		r                  *Range
		node, source, path []byte
	}
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
	if b := &w.block; row >= b.row+b.n || row < b.row {
		if err := w.fill(row, end); err != nil {
			return err
		}
	}
	id := w.identity(row)
	if !w.isOf(&id, r) || id.offset < from || id.offset >= to {
		return corrupt("identity", "", row, "is %s/%s:%d, want %s/%s from %d on", id.node, id.source, id.offset, r.Source.Node, r.Source.ID, from)
	}
	w.row = Row{Index: row, Source: r.Source, Offset: id.offset, NoLF: id.noLF, TimeUnsure: id.unsure, ReadAt: id.readAt, Rest: id.rest}
	if w.labelled {
		w.readOrigin(row)
	}
	at := row - w.block.row
	p, raw, kept := w.block.plans[at], w.block.raws[at], w.block.kept[at]
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
	if p != nil && !w.lean {
		w.build(at, p)
	}
	w.times(at, p)
	w.row.Header = w.header
	if err := w.readFields(row, p, kept); err != nil {
		return err
	}
	return w.message()
}

// isOf reports whether a row is of the source of r. Rows have their texts from a
// dictionary: one that was right before is right again.
func (w *walk) isOf(id *identity, r *Range) bool {
	k := &w.known
	if r == k.r && sameSlice(id.node, k.node) && sameSlice(id.source, k.source) && sameSlice(id.path, k.path) {
		return true
	}
	if string(id.node) != r.Source.Node || string(id.source) != r.Source.ID || string(id.path) != r.Source.Path {
		return false
	}
	k.r, k.node, k.source, k.path = r, id.node, id.source, id.path
	return true
}

// sameSlice reports whether a and b are the same bytes in memory.
func sameSlice(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// readFields finishes the record of a row, and makes the line unless that is kept.
func (w *walk) readFields(row int, p *plan, kept bool) error {
	if p == nil {
		return nil
	}
	record := &w.record
	w.row.Format, w.row.Record = p.label, record
	if p.variants != nil && !w.lean {
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

// times sets the event's time: the date of the format, or without one that of
// the header, which the same columns hold.
func (w *walk) times(at int, p *plan) {
	if p != nil && p.dated {
		if w.lean {
			return
		}
		if v := &w.record.Values[p.date]; v.State != 0 {
			w.row.Time, w.row.UTCOffset, w.row.TimeOK = v.Int-int64(v.Zone)*1000, v.Zone, true
		}
		return
	}
	if !w.wrapped {
		return
	}
	switch t := &w.block.times[at]; {
	case !t.ok:
	case w.header.Kind == wrapper.None:
		panic(unread{"time", 1})
	default:
		w.row.Time, w.row.UTCOffset, w.row.TimeOK = t.ms, t.offset, true
		w.header.Time.UTCOffset = t.offset
	}
}
