package archive

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// verifier decodes objects that were just made and compares them with what
// went in. The order of its checks is that of docs/formats/archive.md.
type verifier struct {
	renderer
	defs    []columnDef
	version int // of the object
	schema  string

	refused []int
	// The block of rows that wait for flush.
	plan   *plan
	row, n int
	lines  [renderRows][]byte
	kept   [renderRows]bool
	tiles  tiles
	parts  []Part
}

func newVerifier(plans []plan, defs []columnDef, zone *parser.Zone, kind wrapper.Kind) *verifier {
	v := &verifier{renderer: newRenderer(plans), defs: defs, version: Version, schema: schemaString(defs)}
	v.split = wrapper.NewSplitter(kind, zone)
	return v
}

// verify checks file against the window it was made of. It gives the rows
// whose columns do not render back to their bytes; an error is anything that
// keeping the bytes of rows cannot cure.
func (v *verifier) verify(file []byte, w *window, meta *Meta, t *table) (refused []int, err error) {
	defer recovered(&err, "decode")
	defer v.release()
	if err := v.load(file, w.rows); err != nil {
		return nil, err
	}
	if err := v.checkMeta(meta); err != nil {
		return nil, err
	}
	refused, err = v.compare(w)
	if err != nil {
		return nil, err
	}
	if err := v.finish(); err != nil {
		return nil, err
	}
	if err := v.checkTimes(t); err != nil {
		return nil, err
	}
	return refused, v.checkFooter()
}

// load checks sizes, CRCs and schema and decodes all pages.
func (v *verifier) load(file []byte, rows int) error {
	footer, err := parquet.ReadFooter(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return corrupt("footer", "", -1, "%w", err)
	}
	if err := footer.CheckPages(file); err != nil {
		return corrupt("pages", "", -1, "%w", err)
	}
	if err := v.open(file, v.defs, Version, rows); err != nil {
		return err
	}
	if got := v.file.Schema().String(); got != v.schema {
		return corrupt("schema", "", -1, "schema is %s", firstDifference(got, v.schema))
	}
	return nil
}

func (v *verifier) checkMeta(want *Meta) error {
	text, ok := v.file.Lookup(metaKey)
	if !ok {
		return corrupt("metadata", "", -1, "no entry %q", metaKey)
	}
	// What is written must read back, so compare the text of what was read.
	got, err := decodeMeta(text)
	if err != nil {
		return err
	}
	a, err := got.encode()
	if err != nil {
		return err
	}
	b, err := want.encode()
	if err != nil {
		return err
	}
	if a != b {
		return corrupt("metadata", "", -1, "metadata is %s", firstDifference(a, b))
	}
	return nil
}

// compare renders every row and compares it, and its identity, with what was
// received.
func (v *verifier) compare(w *window) ([]int, error) {
	row := 0
	v.refused, v.n = nil, 0
	v.wrapped = !v.columns[colWrapper].empty()
	v.joined = !v.columns[colParts].empty()
	counted := make([]Range, len(w.ranges))
	for i, b := range w.batches {
		from := row
		var err error
		if row, err = v.batch(row, b); err != nil {
			return nil, err
		}
		for _, o := range originOf(&b.Header) {
			if err := v.same(o.col, from, row-from, o.text); err != nil {
				return nil, err
			}
		}
		r := &counted[w.rangeOf[i]]
		if r.Lines == 0 {
			r.Row = from
		}
		r.Lines += row - from
	}
	v.flush()
	for i, r := range counted {
		if want := &w.ranges[i]; r.Lines != want.Lines || r.Row != want.Row {
			return nil, corrupt("metadata", "", r.Row, "range %d has %d rows from there on, declared %d from %d on", i, r.Lines, want.Lines, want.Row)
		}
	}
	if row != v.rows {
		return nil, corrupt("identity", "", row, "belongs to no batch")
	}
	return v.refused, nil
}

// batch compares the rows of a batch, and gives the row behind them. Together
// they must be its bytes, each once.
func (v *verifier) batch(row int, b *Batch) (int, error) {
	h := &b.Header
	readAt := h.ReadAt.UnixMilli()
	v.split.Received(readAt)
	at, read, flags := &v.columns[colOffset], &v.columns[colReadTime], &v.columns[colFlags]
	for v.tiles.begin(h.From); v.tiles.at < h.To; row++ {
		if row == v.rows {
			return row, corrupt("identity", "", -1, "no row for what is at %d", v.tiles.at)
		}
		offset := v.tiles.at
		at.has(row)
		read.has(row)
		flags.has(row)
		line, after, noLF := nextRecord(b.Raw[offset-h.From:])
		records, err := v.records(row, b)
		if err != nil {
			return row, err
		}
		end := h.To - int64(len(after))
		if records != nil {
			last := &records[len(records)-1]
			noLF = last.Offset+int64(len(last.Raw)) == h.To
			err = v.tiles.coverParts(records, noLF)
		} else {
			err = v.tiles.cover(offset, end)
		}
		if err != nil {
			return row, corrupt("identity", "parts", row, "%w", err)
		}
		flag := flags.int32()
		rest := h.Rest && offset == h.From
		if at.int64() != offset || read.int64() != readAt || (flag&flagNoLF != 0) != noLF || (flag&flagRest != 0) != rest {
			return row, corrupt("identity", "", row, "is not at %d, read at %d, with its LF, or the rest of a line", offset, readAt)
		}
		if err := v.addRow(row, line, records, flag); err != nil {
			return row, err
		}
	}
	return row, nil
}

// records gives the records of a row that was joined of several, as they were
// received where the row says that they lay, nil for any other row.
func (v *verifier) records(row int, b *Batch) ([]Part, error) {
	if !v.joined || !v.columns[colParts].has(row) {
		return nil, nil
	}
	gaps := v.columns[colParts].text()
	n := bytes.Count(gaps, []byte{' '}) + 2
	v.parts = v.parts[:0]
	at := v.tiles.at - b.Header.From
	for i := range n {
		if at < 0 || at >= int64(len(b.Raw)) {
			return nil, corrupt("identity", "parts", row, "part %d is not in its batch", i)
		}
		line, _, _ := nextRecord(b.Raw[at:])
		v.parts = append(v.parts, Part{b.Header.From + at, line})
		if i < n-1 {
			var number []byte
			number, gaps, _ = bytes.Cut(gaps, []byte{' '})
			gap, err := strconv.ParseInt(string(number), 10, 64)
			if err != nil || gap < 0 || gap > int64(len(b.Raw)) {
				return nil, corrupt("identity", "parts", row, "%q is no gap between parts", number)
			}
			at += int64(len(line)) + 1 + gap
		}
	}
	return v.parts, nil
}

// same checks that n rows have the same text, or are all null.
func (v *verifier) same(col, row, n int, want []byte) error {
	c := &v.columns[col]
	if want == nil && c.empty() {
		return nil
	}
	var known []byte
	for i := row; i < row+n; i++ {
		if has := c.has(i); has != (want != nil) {
			return corrupt("identity", c.def.Name, i, "has a text: %v, want %q", has, want)
		} else if !has {
			continue
		}
		switch got := c.text(); {
		case len(got) > 0 && len(got) == len(known) && &got[0] == &known[0]: // the same entry of the dictionary
		case !bytes.Equal(got, want):
			return corrupt("identity", c.def.Name, i, "is %q, want %q", got, want)
		default:
			known = got
		}
	}
	return nil
}

// addRow puts a row into the block that waits for flush: consecutive rows of
// one format. A row that keeps its bytes must have the right ones; its fields
// are read all the same, so that every value is accounted for.
// records are those of a joined line, which keeps all of them.
func (v *verifier) addRow(row int, line []byte, records []Part, flag int32) error {
	p, err := v.planOf(row)
	if err != nil {
		return err
	}
	partial := flag&flagPartial != 0
	raw, kept := v.raw(row)
	switch {
	case records != nil && (!kept || !isJoined(raw, records)), records == nil && kept && !bytes.Equal(raw, line):
		return corrupt("lines", "raw", row, "kept bytes differ from the line")
	case !kept && p == nil:
		return corrupt("lines", "raw", row, "neither fields nor bytes")
	case flag&flagRest != 0 && p != nil:
		return corrupt("values", "flags", row, "the rest of a line of format %q", p.name)
	}
	if v.n == renderRows || v.n > 0 && p != v.plan {
		v.flush()
	}
	wrapped, err := v.readHeader(row)
	if err != nil {
		return err
	}
	switch {
	case wrapped:
		message, ok := v.unwrap(line, records, partial)
		if !ok {
			v.refused = append(v.refused, row)
			kept = true // it need not match
		}
		line = message
	case partial:
		return corrupt("values", "flags", row, "a part of a line without a wrapper")
	}
	if p == nil {
		v.skipTime(row, 1)
		return nil
	}
	if v.n == 0 {
		v.plan, v.row = p, row
	}
	v.lines[v.n], v.kept[v.n] = line, kept
	v.n++
	return nil
}

// flush compares the rows of the block with what their columns print.
func (v *verifier) flush() {
	if v.n == 0 {
		return
	}
	if !v.plan.dated {
		v.skipTime(v.row, v.n)
	}
	v.scratch = v.scratch[:0]
	v.print(v.row, 0, v.n, v.plan)
	for i := range v.n {
		if !v.kept[i] && !bytes.Equal(v.printer.Line(i), v.lines[i]) {
			v.refused = append(v.refused, v.row+i)
		}
	}
	v.n = 0
}

// checkTimes compares what no line shows by itself: the resolved times.
func (v *verifier) checkTimes(t *table) error {
	times, offsets := t.columns[colTime].chunk.Int64s, t.columns[colUTCOffset].chunk.Int32s
	a, b := &v.columns[colTime], &v.columns[colUTCOffset]
	a.rewind()
	b.rewind()
	for row := range v.rows {
		if a.has(row) {
			if len(times) == 0 || a.int64() != times[0] {
				return corrupt("values", "time", row, "differs from what was parsed")
			}
			times = times[1:]
		}
		if b.has(row) {
			if len(offsets) == 0 || b.int32() != offsets[0] {
				return corrupt("values", "utc_offset", row, "differs from what was parsed")
			}
			offsets = offsets[1:]
		}
	}
	if len(times)+len(offsets) > 0 {
		return corrupt("values", "time", -1, "%d values are missing", len(times)+len(offsets))
	}
	return nil
}

func firstDifference(got, want string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, i-20):min(len(s), i+40)] }
	return fmt.Sprintf("…%q…, want …%q…", cut(got), cut(want))
}
