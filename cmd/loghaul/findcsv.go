package main

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// defaultFields are the columns of CSV unless others are chosen.
const defaultFields = "time,node,ci,ft,b,s,ST,Ta,B,r"

// rowFields are what a line has besides the fields of its format.
var rowFields = map[string]func(w *csvPrinter, dst []byte, r *archive.Row) []byte{ //nolint:gochecknoglobals // a constant table
	"time": func(w *csvPrinter, dst []byte, r *archive.Row) []byte {
		if !r.TimeOK {
			return dst
		}
		return w.clock.append(dst, r.Time, r.UTCOffset)
	},
	"read_time": func(w *csvPrinter, dst []byte, r *archive.Row) []byte { return w.read.append(dst, r.ReadAt, 0) },
	"node":      func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Source.Node...) },
	"source":    func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Source.ID...) },
	"path":      func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Source.Path...) },
	"offset":    func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return strconv.AppendInt(dst, r.Offset, 10) },
	"format":    func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Format...) },
	"raw":       func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Message...) },
	"labels":    func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Labels...) },
	"namespace": func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Namespace...) },
	"pod":       func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Pod...) },
	"container": func(_ *csvPrinter, dst []byte, r *archive.Row) []byte { return append(dst, r.Container...) },
}

// csvPrinter prints archived lines as CSV (RFC 4180, but for lines that end with
// LF). A value is printed as HAProxy did; absent ones, and what a line leaves
// open, are empty. One goroutine may use it at a time.
type csvPrinter struct {
	fields      []string
	formats     map[*parser.Format][]csvField
	cell        []byte
	clock, read clock
}

// csvField is where a column is in the records of a format: a field, or with
// item >= 0 an item of its list; field is -1 if the format has none.
type csvField struct{ field, item int }

// checkFields reads the value of --fields.
func checkFields(text string) ([]string, error) {
	fields := strings.Split(text, ",")
	var known []string
	for name := range rowFields {
		known = append(known, name)
	}
	for _, name := range parser.WellKnown() {
		f, err := parser.Compile(name)
		if err != nil {
			return nil, err
		}
		for _, field := range f.Fields() {
			known = append(known, field.Name)
		}
	}
	known = append(known, filter.Names()...)
	for i, name := range fields {
		name = strings.TrimSpace(name)
		fields[i] = name
		inner, isName := strings.CutPrefix(name, "%")
		switch {
		case isName && len(inner) > 2 && (inner[0] == '(' || inner[0] == '['):
			fields[i] = inner[1 : len(inner)-1]
		case strings.HasPrefix(name, "req."), strings.HasPrefix(name, "res."), slices.Contains(known, name):
		default:
			hint := "want fields as loghaul parse prints them, req.NAME, res.NAME, %(name) or %[expression], or time, read_time, node, source, offset, path, format, raw, labels"
			if near := config.Nearest(name, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, usagef("--fields: there is no %q; %s", name, hint)
		}
	}
	return fields, nil
}

func newCSVPrinter(fields []string) *csvPrinter {
	return &csvPrinter{fields: fields, formats: map[*parser.Format][]csvField{}}
}

// header gives the first line.
func (w *csvPrinter) header() (line []byte) {
	for i, name := range w.fields {
		if i > 0 {
			line = append(line, ',')
		}
		line = appendCell(line, []byte(name))
	}
	return append(line, '\n')
}

// append appends a line.
func (w *csvPrinter) append(dst []byte, r *archive.Row) []byte {
	var places []csvField
	if r.Record != nil {
		places = w.places(r.Record.Format)
	}
	for i, name := range w.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		w.cell = w.cell[:0]
		if fn := rowFields[name]; fn != nil {
			w.cell = fn(w, w.cell, r)
		} else if places != nil {
			w.value(r.Record, places[i])
		}
		dst = appendCell(dst, w.cell)
	}
	return append(dst, '\n')
}

// places finds the columns in records of a format.
func (w *csvPrinter) places(f *parser.Format) []csvField {
	if p, ok := w.formats[f]; ok {
		return p
	}
	if len(w.formats) >= maxPrinted {
		clear(w.formats)
	}
	places := make([]csvField, len(w.fields))
	for i, name := range w.fields {
		places[i] = placeOf(f, name)
	}
	w.formats[f] = places
	return places
}

func placeOf(f *parser.Format, name string) csvField {
	for i, field := range f.Fields() {
		if field.Name == name {
			return csvField{i, -1}
		}
		for item, key := range headerNames(f, &field) {
			if key != "" && strings.EqualFold(key, name) {
				return csvField{i, item}
			}
		}
	}
	return csvField{-1, -1}
}

// value puts the value of a field into w.cell.
func (w *csvPrinter) value(r *parser.Record, at csvField) {
	if at.field < 0 || r.Values[at.field].State&parser.Present == 0 {
		return
	}
	v := &r.Values[at.field]
	if at.item >= 0 {
		i := 0
		for item := range v.Items {
			if i == at.item && string(item) != "-" {
				w.cell = append(w.cell, item...)
			}
			i++
		}
		return
	}
	switch r.Format.Fields()[at.field].Kind {
	case parser.KindInt:
		w.cell = parser.AppendInt(w.cell, v.Int)
	case parser.KindDate:
		w.cell = r.AppendDate(w.cell, at.field)
	case parser.KindText, parser.KindAddr, parser.KindRequest, parser.KindList:
		w.cell = append(w.cell, v.Text...)
	}
}

// appendCell appends a cell, in quotes where it has to be.
func appendCell(dst, cell []byte) []byte {
	if !bytes.ContainsAny(cell, ",\"\r\n") && !bytes.HasPrefix(cell, []byte(" ")) && !bytes.HasSuffix(cell, []byte(" ")) {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	for _, c := range cell {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
