package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// Marks in the column prefix, for what differs from line to line. A prefix
// that has a brace of its own is not stored: its line keeps its bytes.
const (
	fractionMark = "{f}"
	sdMark       = "{sd}"
)

// wrapScratch is what adding headers needs.
type wrapScratch struct {
	prefix, fraction []byte
	exact            []byte          // what prefix was made of
	kind             [2]wrapper.Kind // that name is of
	name             []byte
}

// probeLines is how many lines of a source are looked at to see whether it has
// bare ones.
const probeLines = 16

// startSource readies e.lines for a source whose first batch of this object is
// b.
func (e *Encoder) startSource(b *Batch) {
	probe(e.lines, b.Raw, e.block.records[0], &e.header)
}

// probe readies lines for a source that begins with raw. If the first line may
// be a wrapped one, the next ones are asked what the source has: see
// wrapper.Parser. It spoils r and h.
func probe(lines *wrapper.Parser, raw []byte, r *parser.Record, h *wrapper.Header) {
	lines.Start()
	for i := range probeLines {
		if len(raw) == 0 {
			return
		}
		var line []byte
		line, raw, _ = nextRecord(raw)
		if lines.Cuts(line) > 0 {
			continue
		}
		if i > 0 {
			lines.Parse(line, r, h)
		}
		return
	}
}

// kindName gives what the column wrapper holds for e.header.
func (e *Encoder) kindName() []byte {
	w, h := &e.wrap, &e.header
	if kind := [2]wrapper.Kind{h.Kind, h.Inner}; len(w.name) == 0 || w.kind != kind {
		w.kind = kind
		w.name = append(w.name[:0], h.Kind.String()...)
		if h.Inner != wrapper.None {
			w.name = append(append(w.name, '+'), h.Inner.String()...)
		}
	}
	return w.name
}

// addHeader adds e.header, but for the prefix, and reports whether the columns
// took all of it.
func (e *Encoder) addHeader(row int) bool {
	t, h := e.table.columns, &e.header
	t[colWrapper].addText(row, e.kindName())
	if h.Facility >= 0 {
		t[colSyslogFacility].addInt32(row, int32(h.Facility))
	}
	if h.Severity >= 0 {
		t[colSyslogSeverity].addInt32(row, int32(h.Severity))
	}
	if h.TimeOK {
		t[colWrapperTime].addInt64(row, h.Time.UnixMilli())
	}
	if h.Partial {
		flags := t[colFlags].chunk.Int32s
		flags[len(flags)-1] |= flagPartial
	}
	ok := true
	for _, text := range [...]struct {
		col  int
		text []byte
	}{
		{colSyslogHost, h.Host},
		{colSyslogTag, h.Tag},
		{colSyslogPID, h.PID},
		{colSyslogMsgID, h.MsgID},
		{colStructuredData, h.StructuredData},
		{colStream, h.Stream},
	} {
		if text.text != nil {
			ok = t[text.col].addText(row, text.text) && ok
		}
	}
	return ok
}

// addHeaderTime takes the header's time for that of the event. It is for lines
// whose format has no date.
func (e *Encoder) addHeaderTime(row int) {
	if h := &e.header; h.TimeOK {
		e.table.columns[colTime].addInt64(row, h.Time.UnixMilli())
		e.table.columns[colUTCOffset].addInt32(row, h.Time.UTCOffset)
	}
}

// addWrapped adds the header of a line whose message is the next record of the
// block.
func (e *Encoder) addWrapped(row int, line, message []byte) {
	k := &e.block
	ok := e.addHeader(row)
	if !k.plan.dated {
		e.addHeaderTime(row)
	}
	if !e.header.Kind.Suffix() {
		// The record refers to the message, which is not in the line.
		k.memory[k.n] = e.lines.SwapMemory(k.memory[k.n])
		ok = false
	}
	if !ok || !e.addPrefix(row, line[:len(line)-len(message)]) {
		k.kept |= 1 << k.n
	}
}

// addPrefix adds what stood before the message, or nothing when the column
// cannot give it back.
func (e *Encoder) addPrefix(row int, prefix []byte) bool {
	w, h := &e.wrap, &e.header
	if len(w.exact) > 0 && len(w.fraction) == 0 && h.StructuredData == nil && bytes.Equal(prefix, w.exact) {
		return e.table.columns[colPrefix].addText(row, w.prefix) // as in the line before
	}
	w.exact = w.exact[:0]
	w.prefix = append(w.prefix[:0], prefix...)
	if sd := h.StructuredData; sd != nil {
		w.prefix = replaceFirst(w.prefix, sd, sdMark)
	}
	braces := bytes.Count(w.prefix, []byte{'{'})
	if h.StructuredData != nil {
		braces--
	}
	if braces != 0 {
		return false
	}
	w.fraction = w.fraction[:0]
	if text := leadingFraction(w.prefix); text != nil {
		w.fraction = append(w.fraction, text...)
	} else if h.TimeOK && h.Time.Digits > 0 {
		w.fraction = h.Time.AppendFraction(append(w.fraction, '.'))
	}
	var fraction []byte
	if len(w.fraction) > 1 && bytes.Contains(w.prefix, w.fraction) {
		fraction = w.fraction[1:]
		w.prefix = replaceFirst(w.prefix, fraction, fractionMark)
	}
	if !e.table.columns[colPrefix].addText(row, w.prefix) {
		return false
	}
	if h.StructuredData == nil {
		w.exact = append(w.exact, prefix...)
	}
	return fraction == nil || e.table.columns[colPrefixFraction].addText(row, fraction)
}

// leadingFraction gives the point and the digits behind the second of a date
// as 2026-11-22T16:17:55.857 at the beginning, nil without: the header's time
// may be that of another date behind it.
func leadingFraction(prefix []byte) []byte {
	const second = len("2026-11-22T16:17:55")
	if len(prefix) <= second || prefix[4] != '-' || prefix[second] != '.' {
		return nil
	}
	end := second + 1
	for end < len(prefix) && prefix[end] >= '0' && prefix[end] <= '9' {
		end++
	}
	return prefix[second:end]
}

// replaceFirst puts mark in the place of the first text in b, in b's memory if
// there is room.
func replaceFirst(b, text []byte, mark string) []byte {
	at := bytes.Index(b, text)
	if at < 0 {
		return b
	}
	behind := at + len(text)
	if grow := len(mark) - len(text); grow > 0 {
		b = append(b, mark[:grow]...)
		copy(b[behind+grow:], b[behind:len(b)-grow])
		copy(b[at:], mark)
		return b
	}
	n := copy(b[at:], mark)
	return append(b[:at+n], b[behind:]...)
}
