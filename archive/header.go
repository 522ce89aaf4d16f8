package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// headers reads the columns of wrapped lines.
type headers struct {
	wrapped   bool // some row is wrapped
	joined    bool // some row is joined of several records
	header    wrapper.Header
	hasPrefix bool
	prefix    []byte // the exact bytes
	name      []byte // of kind, as the column wrapper has it
	kind      [2]wrapper.Kind
	split     *wrapper.Splitter
	lines     [][]byte // scratch of cuts
}

// readHeader fills r.header and r.prefix from the columns of a row, and
// reports whether it is a wrapped line. Rows must be asked for in order.
func (r *renderer) readHeader(row int) (bool, error) {
	if r.header.Kind != wrapper.None {
		r.header = wrapper.Header{}
	}
	if !r.wrapped || !r.columns[colWrapper].has(row) {
		return false, nil
	}
	h := &r.header
	*h = wrapper.Header{Facility: -1, Severity: -1}
	if name := r.columns[colWrapper].text(); !bytes.Equal(name, r.name) {
		outer, inner, nested := bytes.Cut(name, []byte{'+'})
		a, ok := wrapper.ParseKind(string(outer))
		b, known := wrapper.None, true
		if nested {
			b, known = wrapper.ParseKind(string(inner))
		}
		if !ok || !known || a == wrapper.None {
			return false, corrupt("values", "wrapper", row, "there is no wrapper %q", name)
		}
		r.name, r.kind = append(r.name[:0], name...), [2]wrapper.Kind{a, b}
	}
	h.Kind, h.Inner = r.kind[0], r.kind[1]
	if c := &r.columns[colSyslogFacility]; c.has(row) {
		h.Facility = int8(c.int32()) //nolint:gosec // the verifier compares it
	}
	if c := &r.columns[colSyslogSeverity]; c.has(row) {
		h.Severity = int8(c.int32()) //nolint:gosec // the verifier compares it
	}
	if c := &r.columns[colWrapperTime]; c.has(row) {
		ms := c.int64()
		h.Time, h.TimeOK = wrapper.MilliTimestamp(ms), true
	}
	for _, text := range [...]struct {
		col  int
		text *[]byte
	}{
		{colSyslogHost, &h.Host},
		{colSyslogTag, &h.Tag},
		{colSyslogPID, &h.PID},
		{colSyslogMsgID, &h.MsgID},
		{colStructuredData, &h.StructuredData},
		{colStream, &h.Stream},
	} {
		if c := &r.columns[text.col]; c.has(row) {
			*text.text = c.text()
		}
	}
	var fraction []byte
	if c := &r.columns[colPrefixFraction]; c.has(row) {
		fraction = c.text()
	}
	r.hasPrefix = r.columns[colPrefix].has(row)
	if r.hasPrefix {
		r.prefix = expand(r.prefix[:0], r.columns[colPrefix].text(), fraction, h.StructuredData)
	}
	return true, nil
}

// expand appends a prefix with its marks replaced.
func expand(dst, prefix, fraction, sd []byte) []byte {
	for {
		open := bytes.IndexByte(prefix, '{')
		if open < 0 {
			return append(dst, prefix...)
		}
		dst = append(dst, prefix[:open]...)
		prefix = prefix[open:]
		switch {
		case bytes.HasPrefix(prefix, []byte(fractionMark)):
			dst, prefix = append(dst, fraction...), prefix[len(fractionMark):]
		case bytes.HasPrefix(prefix, []byte(sdMark)):
			dst, prefix = append(dst, sd...), prefix[len(sdMark):]
		default:
			dst, prefix = append(dst, '{'), prefix[1:]
		}
	}
}

// skipTime passes the time of rows whose format has no date: it is that of the
// header.
func (r *renderer) skipTime(row, n int) {
	if !r.wrapped {
		return
	}
	for _, c := range [...]*decodedColumn{&r.columns[colTime], &r.columns[colUTCOffset]} {
		for i := row; i < row+n; i++ {
			if c.has(i) {
				c.value++
			}
		}
	}
}

// unwrap compares the header that the columns of a row have with what its line
// was wrapped in, and gives the message. It is false when they differ.
// records are those of a joined line, whose message is in none of them.
func (v *verifier) unwrap(line []byte, records []Part, partial bool) (message []byte, ok bool) {
	got := &v.header
	var h wrapper.Header
	for i := range v.cuts(line, records) {
		message = v.split.Cut(i, &h)
		if h.Kind != got.Kind || h.Inner != got.Inner || h.Facility != got.Facility || h.Severity != got.Severity ||
			h.Partial != partial || h.TimeOK != got.TimeOK || h.TimeOK && h.Time.UnixMilli() != got.Time.UnixMilli() ||
			!v.sameText(h.Host, got.Host) || !v.sameText(h.Tag, got.Tag) || !v.sameText(h.PID, got.PID) ||
			!v.sameText(h.MsgID, got.MsgID) || !v.sameText(h.StructuredData, got.StructuredData) || !v.sameText(h.Stream, got.Stream) {
			continue
		}
		if !v.hasPrefix {
			return message, true
		}
		if n := len(line) - len(message); n == len(v.prefix) && bytes.Equal(line[:n], v.prefix) {
			return message, true
		}
	}
	return nil, false
}

// cuts is Splitter.Cuts, or CutsJoined for a line that lay in several records.
func (r *headers) cuts(line []byte, records []Part) int {
	if records == nil {
		return r.split.Cuts(line)
	}
	r.lines = r.lines[:0]
	for i := range records {
		r.lines = append(r.lines, records[i].Raw)
	}
	return r.split.CutsJoined(r.lines)
}

// isJoined reports whether raw is the records with LFs between them.
func isJoined(raw []byte, records []Part) bool {
	for i := range records {
		var got []byte
		var more bool
		got, raw, more = bytes.Cut(raw, []byte{'\n'})
		if more != (i < len(records)-1) || !bytes.Equal(got, records[i].Raw) {
			return false
		}
	}
	return true
}

// sameText compares a text of a header with its column. Only one without
// prefix may lack it: it was not UTF-8.
func (v *verifier) sameText(want, got []byte) bool {
	return bytes.Equal(want, got) && (want == nil) == (got == nil) || !v.hasPrefix && got == nil
}

// reparse reads the message of a line that keeps its bytes: it was read before
// in the same way.
func (w *walk) reparse(p *plan, raw []byte) bool {
	h := &w.header
	if h.Kind == wrapper.None {
		return w.reparseMessage(p, raw, 0)
	}
	var cut wrapper.Header
	for i := range w.cuts(raw, w.row.Parts) {
		message := w.split.Cut(i, &cut)
		if cut.Kind == h.Kind && cut.Inner == h.Inner && w.reparseMessage(p, message, w.split.HeaderLen(i)) {
			return true
		}
	}
	return false
}

func (w *walk) reparseMessage(p *plan, message []byte, header int) bool {
	if w.set == nil {
		formats := make([]*parser.Format, len(w.plans))
		for i := range w.plans {
			formats[i] = w.plans[i].format
		}
		w.set = parser.NewSet(formats...)
	}
	w.record.Header = header
	i := w.set.Parse(message, &w.record)
	if i < 0 {
		i = w.set.ParseCut(message, &w.record)
	}
	return i >= 0 && bytes.Equal(w.plans[i].name, p.name)
}
