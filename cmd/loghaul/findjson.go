package main

import (
	"strconv"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// rowPrinter prints archived lines as loghaul parse prints lines, but with the
// place that they come from for the number of the line. One goroutine may use it
// at a time.
type rowPrinter struct {
	p       lineParser
	formats map[*parser.Format]*jsonFormat
}

// maxPrinted bounds the formats that are remembered: those of one object.
const maxPrinted = 1000

func newRowPrinter() *rowPrinter { return &rowPrinter{formats: map[*parser.Format]*jsonFormat{}} }

// append appends the object for a line, and an LF.
func (w *rowPrinter) append(dst []byte, r *archive.Row) []byte {
	p := &w.p
	p.header = r.Header
	p.out = appendText(append(dst, `{"node":`...), []byte(r.Source.Node))
	p.out = append(append(append(p.out, `,"source":"`...), r.Source.ID...), '"')
	p.out = strconv.AppendInt(append(p.out, `,"offset":`...), r.Offset, 10)
	if r.Labels != nil {
		p.out = append(append(p.out, `,"labels":`...), r.Labels...) // a JSON object
	}
	p.headerText(`,"namespace":`, r.Namespace)
	p.headerText(`,"pod":`, r.Pod)
	p.headerText(`,"container":`, r.Container)
	var rest []byte
	switch {
	case r.Record != nil:
		f := w.format(r.Record.Format)
		p.out = append(append(p.out, `,"format":`...), f.name...)
		if r.TimeOK {
			p.time(r.Time, r.UTCOffset)
		}
		if r.TimeUnsure {
			p.out = append(p.out, `,"time_unsure":true`...)
		}
		p.rec = *r.Record // its texts stay where they are
		p.fields(f)
	case r.Rest:
		p.unparsed(r.Raw, "the rest of a line that the forwarder cut")
	default:
		if rest = r.Message; len(rest) == len(r.Raw) || r.Header.Kind == wrapper.None {
			rest = nil
		}
		p.unparsed(r.Raw, "no format matches")
	}
	p.wrapper(rest)
	return p.end()
}

func (w *rowPrinter) format(f *parser.Format) *jsonFormat {
	j := w.formats[f]
	if j == nil {
		if len(w.formats) >= maxPrinted {
			clear(w.formats)
		}
		one := newJSONFormat(f)
		j = &one
		w.formats[f] = j
	}
	return j
}
