package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// schemaRoot is the name of the Parquet schema.
const schemaRoot = "haproxy_log"

// Bits of the column flags: a record without an LF; a part of a line, which a
// container runtime cut and whose other parts were not there; a line whose time
// may be another one, because its clock was set back or forward then; one that
// HAProxy cut; the rest of a line that the forwarder cut.
const (
	flagNoLF       = 1
	flagPartial    = 2
	flagTimeUnsure = 4
	flagTruncated  = 8
	flagRest       = 16
)

// Encoder makes objects. It keeps its buffers between them. One goroutine may
// use it at a time.
type Encoder struct {
	options Options
	// raw makes it keep every record as it is: see EncodeRaw.
	raw bool
	state

	// Tests break the columns here before they are written. The file they break
	// by Options.Fault.
	breakTable func(*table)
}

// state is what an Encoder works with. After a failure it is made anew: nobody
// knows what of it is still right.
type state struct {
	lines    *wrapper.Parser
	header   wrapper.Header // of the last line
	wrap     wrapScratch
	plans    []plan
	defs     []columnDef
	schema   []parquet.Column
	formats  []FormatInfo
	table    *table
	writer   *parquet.Writer
	verifier *verifier
	block    block
	refused  map[int]bool // rows whose columns did not render back
	join     joiner
	unparsed int // of the object being made, as are those that follow
	rawKept  int
	events   int
	rests    int
}

// NewEncoder makes an Encoder. The error says what is wrong with o.
func NewEncoder(o Options) (*Encoder, error) {
	if err := checkWriter(o.Writer); err != nil {
		return nil, err
	}
	if o.Zone == nil {
		o.Zone = parser.NewZone(nil)
	}
	if o.CreatedBy == "" {
		o.CreatedBy = "0.0.0"
	}
	o.Formats = parser.Complete(o.Formats)
	if o.Wrapper == wrapper.Journald {
		return nil, errors.New("the archive takes lines, not entries of the journal")
	}
	e := &Encoder{options: o}
	return e, e.renew()
}

// renew makes the state anew.
func (e *Encoder) renew() error {
	o := &e.options
	s := state{refused: map[int]bool{}, formats: []FormatInfo{}}
	s.lines = wrapper.NewParser(parser.NewSet(o.Formats...), o.Wrapper, o.Zone)
	fields := 0
	for _, f := range o.Formats {
		info := newFormatInfo(f)
		if slices.ContainsFunc(s.formats, info.same) {
			return fmt.Errorf("format %q is given twice", f.Name())
		}
		fields = max(fields, len(f.Fields()))
		s.formats = append(s.formats, info)
	}
	s.block = newBlock(fields)
	s.plans, s.defs = plans(o.Formats)
	for _, d := range s.defs {
		s.schema = append(s.schema, d.Column)
	}
	s.table = newTable(s.defs, o.Zone)
	s.table.plain = e.raw
	w, err := parquet.NewWriter(schemaRoot, "loghaul version "+o.CreatedBy+" (build go)")
	if err != nil {
		return err
	}
	s.writer = w
	s.verifier = newVerifier(s.plans, s.defs, o.Zone, o.Wrapper)
	e.state = s
	return nil
}

// Encode makes one object of batches and verifies it. It sorts batches by
// node, source and offset and drops those that repeat another one exactly.
// sealed is when their window was closed. The batches can be acknowledged once
// the object is stored. An error that wraps ErrUnverified means that no
// object could be made that gives the bytes back.
func (e *Encoder) Encode(batches []Batch, sealed time.Time) (o *Object, err error) {
	if e.table == nil {
		if err := e.renew(); err != nil {
			return nil, err
		}
	}
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("%w: the encoder failed: %v\n%s", ErrUnverified, r, debug.Stack())
		}
		if err != nil {
			e.state = state{}
		}
	}()
	return e.encode(batches, sealed)
}

func (e *Encoder) encode(batches []Batch, sealed time.Time) (*Object, error) {
	w, err := newWindow(batches)
	if err != nil {
		return nil, err
	}
	clear(e.refused)
	for attempt := 0; ; attempt++ {
		f, err := e.file(w, sealed)
		if err != nil {
			return nil, err
		}
		refused, err := e.verifier.verify(f.body, w, f.meta, e.table)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnverified, err)
		}
		if len(refused) == 0 {
			return e.object(w, &f, sealed)
		}
		switch attempt {
		case 0:
			for _, row := range refused {
				e.refused[row] = true
			}
		case 1: // Other rows fail now. Lines without fields are better than no object.
			for row := range w.lines { // joining may be another one then
				e.refused[row] = true
			}
		default:
			return nil, fmt.Errorf("%w: row %d does not give its line back although it keeps the bytes", ErrUnverified, refused[0])
		}
	}
}

// file is a Parquet file that was made, to be read back.
type file struct {
	body []byte // until the next file is made
	crc  uint32
	meta *Meta
}

// file makes the Parquet file of a window. Its checksum is taken before
// anything else looks at it: it is that of what the writer made.
func (e *Encoder) file(w *window, sealed time.Time) (file, error) {
	body, meta, err := e.write(w, sealed)
	f := file{body: body, meta: meta, crc: crc32.ChecksumIEEE(body)}
	if fault := e.options.Fault; err == nil && fault != nil {
		f.body = fault.File(body)
	}
	return f, err
}

// write makes the Parquet file of a window. The file is valid until the next
// call.
func (e *Encoder) write(w *window, sealed time.Time) ([]byte, *Meta, error) {
	meta := &Meta{
		Version: Version, Writer: e.options.Writer, Sealed: sealed.UTC().Truncate(time.Millisecond),
		Formats: e.formats, RawBytes: w.bytes, RawSHA256: w.sha256, Ranges: w.ranges, Losses: w.losses,
	}
	e.table.reset(w.lines)
	e.unparsed, e.rawKept, e.events, e.rests = 0, 0, 0, 0
	w.beginRows()
	w.rows = 0
	for i, b := range w.batches {
		row := w.rows
		if e.raw {
			w.countRows(i, row, e.addRaw(row, b))
			continue
		}
		if i == 0 || !sameSource(&b.Header.Source, &w.batches[i-1].Header.Source) {
			e.startSource(b)
		}
		if i == 0 || !follows(b, w.batches[i-1]) {
			e.options.Zone.Restart()
		}
		e.options.Zone.Received(b.Header.ReadAt.UnixMilli())
		w.countRows(i, row, e.addBatch(row, b))
	}
	meta.Lines = w.rows
	meta.Unparsed, meta.RawKept, meta.Rests = e.unparsed, e.rawKept, e.rests
	meta.Fallback, meta.Masks = e.raw, e.options.Masks
	meta.MinTime, meta.MaxTime = e.table.timeRange()
	meta.Timed = len(e.table.columns[colTime].chunk.Int64s)
	text, err := meta.encode()
	if err != nil {
		return nil, nil, err
	}
	if e.breakTable != nil {
		e.breakTable(e.table)
	}
	if e.raw {
		e.writer.BeginPlain(e.schema, w.rows)
	} else {
		e.writer.Begin(e.schema, w.rows)
	}
	for i := range e.table.columns {
		if err := e.writer.Add(&e.table.columns[i].chunk); err != nil {
			return nil, nil, err
		}
	}
	body, err := e.writer.Finish([]parquet.KeyValue{{Key: metaKey, Value: text}})
	return body, meta, err
}

// follows reports whether b is the next piece of the source that before is of.
func follows(b, before *Batch) bool {
	return sameSource(&b.Header.Source, &before.Header.Source) && b.Header.From == before.Header.To
}

func (e *Encoder) addBatch(row int, b *Batch) int {
	t := e.table.columns
	start := row
	e.lines.Received(b.Header.ReadAt.UnixMilli())
	e.join.begin(b.Raw)
	for at, rest := int64(0), b.Raw; len(rest) > 0; {
		line, after, noLF := nextRecord(rest)
		here := at
		at += int64(len(rest) - len(after))
		rest = after
		if e.join.skips(here) {
			continue
		}
		isRest := b.Header.Rest && here == 0
		joined := e.lines.OpensLine(line) && !isRest && e.join.find(&e.lines.Splitter, here)
		flags := int32(0)
		if joined {
			noLF = e.join.noLF()
		}
		if noLF {
			flags = flagNoLF
		}
		t[colOffset].chunk.Int64s = append(t[colOffset].chunk.Int64s, b.Header.From+here)
		t[colFlags].chunk.Int32s = append(t[colFlags].chunk.Int32s, flags)
		switch {
		case joined:
			e.addJoined(row)
		case isRest:
			e.addRest(row, line)
		default:
			e.addLine(row, line)
		}
		row++
	}
	e.flush()
	e.addOrigin(start, row, &b.Header)
	return row
}

// addRest adds the rest of a line that the forwarder cut: nobody can know by
// itself what it is.
func (e *Encoder) addRest(row int, line []byte) {
	flags := e.table.columns[colFlags].chunk.Int32s
	flags[len(flags)-1] |= flagRest
	e.rests++
	e.table.columns[colRaw].addText(row, line)
}

// parseCut reads a message that no format matches as one that HAProxy cut.
func (e *Encoder) parseCut(message []byte, r *parser.Record) (format int) {
	if format = e.lines.ParseCut(message, r); format >= 0 {
		flags := e.table.columns[colFlags].chunk.Int32s
		flags[len(flags)-1] |= flagTruncated
	}
	return format
}

// text makes a name fit for a text column: what is not UTF-8 is replaced. A
// source is identified by its ID, so this loses no identity.
func text(s string) []byte { return []byte(strings.ToValidUTF8(s, "\uFFFD")) }

// nextRecord cuts the first record off b.
func nextRecord(b []byte) (line, rest []byte, noLF bool) {
	line, rest, lf := bytes.Cut(b, []byte{'\n'})
	return line, rest, !lf
}

// addLine parses a line into the block of records that wait for flush, which
// hold consecutive rows of one format. A line that no format matches is added
// at once.
func (e *Encoder) addLine(row int, line []byte) {
	k := &e.block
	if k.n == blockRows {
		e.flush()
	}
	i, message := -1, line
	e.header.Kind = wrapper.None
	if !e.refused[row] {
		if message, i = e.lines.Parse(line, k.records[k.n], &e.header); i < 0 {
			i = e.parseCut(message, k.records[k.n])
		}
	}
	if i < 0 {
		e.flush()
		e.unparsed++
		e.table.columns[colRaw].addText(row, line)
		if e.header.Kind != wrapper.None {
			e.addHeader(row)
			e.addHeaderTime(row)
		}
		return
	}
	if k.n > 0 && k.plan != &e.plans[i] {
		parsed := k.n
		e.flush()
		k.records[0], k.records[parsed] = k.records[parsed], k.records[0]
		k.memory[0], k.memory[parsed] = k.memory[parsed], k.memory[0]
	}
	if k.n == 0 {
		k.plan, k.row = &e.plans[i], row
	}
	k.lines[k.n] = line
	if e.header.Kind != wrapper.None {
		e.addWrapped(row, line, message)
	}
	k.n++
}

// flush adds the block to the columns.
func (e *Encoder) flush() {
	k := &e.block
	if k.n == 0 {
		return
	}
	e.table.addBlock(k)
	isEvent := k.plan.format.Name() == parser.EventFormat
	for i := range k.n {
		if (k.exact&^k.kept)>>i&1 == 0 {
			if isEvent {
				e.events++
			} else {
				e.rawKept++
			}
			e.table.columns[colRaw].addText(k.row+i, k.lines[i])
		}
	}
	k.n, k.kept = 0, 0
}

func (t *table) timeRange() (lo, hi int64) {
	times := t.columns[colTime].chunk.Int64s
	if len(times) == 0 {
		return 0, 0
	}
	lo, hi = times[0], times[0]
	for _, v := range times {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

// object copies the verified file f into an object. The copy must be what the
// writer made, to the last bit of what no reader looks at.
func (e *Encoder) object(w *window, f *file, sealed time.Time) (*Object, error) {
	body := bytes.Clone(f.body)
	sum := sha256.Sum256(body)
	key := KeyInfo{Writer: e.options.Writer, Sealed: sealed, Hash: hex.EncodeToString(sum[:hashDigits/2])}
	o := &Object{
		Key: key.Key(), Body: body, SHA256: sum,
		Lines: w.rows, Unparsed: f.meta.Unparsed, RawKept: f.meta.RawKept, Events: e.events, Refused: len(e.refused),
		Rests: f.meta.Rests, Losses: w.losses, Fallback: e.raw,
		Duplicates: w.duplicates, RawBytes: w.bytes, RawSHA256: w.sha256, Ranges: w.ranges,
		MinTime: f.meta.MinTime, MaxTime: f.meta.MaxTime,
	}
	if crc32.ChecksumIEEE(body) != f.crc { // after the other checksum, which is what the store compares with
		return nil, fmt.Errorf("%w: its bytes changed in memory", ErrUnverified)
	}
	return o, nil
}

// window is the batches of one object in the order of its rows.
type window struct {
	batches    []*Batch
	ranges     []Range // their rows are counted as they are made
	rangeOf    []int   // of each batch
	losses     []Loss
	lines      int // records; joined ones make fewer rows
	rows       int // counted with ranges
	bytes      int64
	sha256     string // of the bytes, in hexadecimal digits
	duplicates int
}

func sameSource(a, b *wire.Source) bool { return a.ID == b.ID && a.Node == b.Node }
