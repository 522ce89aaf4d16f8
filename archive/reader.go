package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// maxObject is the largest object that is read. The writer stays far below:
// columns, even uncompressed, take about what the raw bytes take.
const maxObject = 2 * MaxRawBytes

// Reader reads one object. One goroutine may use it at a time.
type Reader struct {
	meta   Meta
	r      io.ReaderAt
	size   int64
	footer *parquet.Footer
	plans  []plan
	defs   []columnDef
	place  []int  // of each of defs among the columns of the footer, or -1
	asked  *Query // the last one that Excluded did not exclude
}

// Row is one line of an object. It and everything it refers to are valid only
// during the call that it is passed to.
type Row struct {
	// Index is the row in the object.
	Index  int
	Source wire.Source
	// Offset is where the line starts in its source.
	Offset int64
	// Raw is the record without its LF, byte for byte as it lay in its source.
	// NoLF says that it had none. Of a line that a container runtime wrote as
	// several records Raw has all of them, with LFs between them, and Parts has
	// each; Parts is nil for any other line.
	Raw   []byte
	NoLF  bool
	Parts []Part
	// Message is what HAProxy wrote, without its LF: Raw without what a
	// container runtime put around it.
	Message []byte
	// Rest says that this is the rest of a line, which the forwarder cut for
	// being too long. It was not parsed.
	Rest bool
	// Labels are those of the forwarder and of its input as a JSON object, nil
	// without any.
	Labels []byte
	// Namespace, Pod, Container and ContainerID are what Source.Path tells
	// about the container that wrote the line, nil if it does not.
	Namespace, Pod, Container, ContainerID []byte
	// Header is what the line was wrapped in: of kind None for a bare line. The
	// offset of its clock is only known if Time is the header's.
	Header wrapper.Header
	// Time is the event's time in Unix milliseconds, UTCOffset the offset of
	// the clock that HAProxy printed, in seconds: of the message if that has a
	// date, or else of the header. TimeOK is false without.
	Time      int64
	UTCOffset int32
	TimeOK    bool
	// TimeUnsure says that Time may be another one: see parser.Zone.
	TimeUnsure bool
	// ReadAt is when the forwarder read the line, in Unix milliseconds.
	ReadAt int64
	// Format is the name of the format, "" for a line that none matched.
	Format string
	// Record is the parsed line, nil for a line that no format matched, and
	// where only lines are read.
	Record *parser.Record
}

// Open reads and checks the footer of an object of size bytes. Pages are read
// by Rows. Corrupt input gives an error that matches ErrCorrupt, an object of a
// newer program one that matches ErrVersion; errors of r are passed on. Whoever
// opens many has an Opener.
func Open(r io.ReaderAt, size int64) (*Reader, error) { return new(Opener).Open(r, size) }

// Open is archive.Open.
func (o *Opener) Open(r io.ReaderAt, size int64) (*Reader, error) {
	if size > maxObject {
		return nil, corrupt("footer", "", -1, "%d bytes, the limit is %d", size, maxObject)
	}
	footer, err := parquet.ReadFooter(r, size)
	if err != nil {
		return nil, footerError(err)
	}
	rd := &Reader{r: r, size: size, footer: footer}
	for _, kv := range footer.Metadata {
		if kv.Key == metaKey {
			if rd.meta, err = decodeMeta(kv.Value); err != nil {
				return nil, err
			}
		}
	}
	if rd.meta.Version == 0 {
		return nil, corrupt("metadata", "", -1, "no entry %q: not an object of loghaul", metaKey)
	}
	if err := rd.check(o); err != nil {
		return nil, err
	}
	return rd, nil
}

// check makes the plans and compares the footer's schema with them.
func (rd *Reader) check(o *Opener) error {
	m := &rd.meta
	if m.Lines != rd.footer.Rows {
		return corrupt("metadata", "", -1, "%d lines in %d rows", m.Lines, rd.footer.Rows)
	}
	if len(m.Formats) > maxFormats {
		return corrupt("metadata", "", -1, "%d formats", len(m.Formats))
	}
	l, err := o.layout(m.Formats)
	if err != nil {
		return err
	}
	rd.plans, rd.defs = l.plans, l.defs
	columns := rd.footer.Columns
	if want := countSince(rd.defs, m.Version); want != len(columns) {
		return corrupt("schema", "", -1, "%d columns, want %d", len(columns), want)
	}
	rd.place = make([]int, len(rd.defs))
	for i, d := range rd.defs {
		if rd.place[i] = -1; d.since > m.Version {
			continue
		}
		rd.place[i] = len(rd.footer.Columns) - len(columns)
		if got := columns[0].Column; got != d.Column {
			return corrupt("schema", d.Name, -1, "is %+v, want %+v", got, d.Column)
		}
		columns = columns[1:]
	}
	return rd.checkRanges()
}

// maxFormats bounds the formats of one object.
const maxFormats = 1000

func (rd *Reader) checkRanges() error {
	row, size := 0, int64(0)
	for i, r := range rd.meta.Ranges {
		if r.Row != row || r.Lines < 1 || r.From < 0 || r.To-r.From < int64(r.Lines) {
			return corrupt("metadata", "", -1, "range %d: %d lines in [%d, %d) at row %d, want row %d", i, r.Lines, r.From, r.To, r.Row, row)
		}
		row += r.Lines
		size += r.To - r.From
	}
	if row != rd.meta.Lines || size != rd.meta.RawBytes {
		return corrupt("metadata", "", -1, "ranges of %d lines and %d bytes, want %d and %d", row, size, rd.meta.Lines, rd.meta.RawBytes)
	}
	return nil
}

// Ends reports whether an LF of HAProxy's is known to follow Message.
func (r *Row) Ends() bool { return !r.NoLF && !r.Header.Partial }

// Meta gives what the footer says about the object.
func (rd *Reader) Meta() *Meta { return &rd.meta }

// Rows calls fn for each line in the order of the rows until fn returns an
// error, which it then returns as it is. It reads the whole object into memory
// and checks sizes and CRCs before anything is decoded.
func (rd *Reader) Rows(fn func(*Row) error) error { return rd.each(true, fn) }

// Lines is Rows in less time: rows have no Record.
func (rd *Reader) Lines(fn func(*Row) error) error { return rd.each(false, fn) }

func (rd *Reader) each(records bool, fn func(*Row) error) error {
	file := make([]byte, rd.size)
	if n, err := rd.r.ReadAt(file, 0); n != len(file) {
		if err == nil || errors.Is(err, io.EOF) {
			return corrupt("pages", "", -1, "it ends after %d of %d bytes", n, len(file))
		}
		return fmt.Errorf("reading an object of %d bytes: %w", rd.size, err)
	}
	if err := rd.footer.CheckPages(file); err != nil {
		return corrupt("pages", "", -1, "%w", err)
	}
	w := rd.newWalk(fn)
	defer w.release()
	if err := w.open(file, rd.defs, rd.meta.Version, rd.meta.Lines); err != nil {
		return err
	}
	w.begun()
	w.records = records
	return w.all()
}

func (rd *Reader) newWalk(fn func(*Row) error) *walk {
	return &walk{renderer: newRenderer(rd.plans), meta: &rd.meta, plans: rd.plans, fn: fn, contained: wrapper.NewSplitter(wrapper.Auto, nil)}
}

// begun looks at the columns, which are all there, before the first row.
func (w *walk) begun() {
	w.wrapped = !w.columns[colWrapper].empty()
	w.joined = !w.columns[colParts].empty()
	w.labelled = false
	for _, c := range [...]int{colLabels, colNamespace, colPod, colContainer, colContainerID} {
		w.labelled = w.labelled || !w.columns[c].empty()
	}
}

func footerError(err error) error {
	if isParquet(err) {
		return corrupt("footer", "", -1, "%w", err)
	}
	return err
}
