package main

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// lineParser turns lines into JSON. It allocates nothing per line.
type lineParser struct {
	lines    *wrapper.Parser
	formats  []jsonFormat
	zone     *parser.Zone
	header   wrapper.Header
	rec      parser.Record
	journal  bool // lines are entries of a journal export
	received bool // a flag said when
	line     int
	file     []byte // `"file":"…",` if there are several
	out      []byte
	clock    clock
	only     *selection // nil: all lines
}

// jsonFormat is what of a format is the same in each record.
type jsonFormat struct {
	name   []byte // as JSON
	fields []jsonField
}

type jsonField struct {
	name []byte   // as JSON
	key  []byte   // a comma, the name and a colon
	head [16]byte // the same, if it is not longer
	kind parser.Kind
	same int // the field before with the same name, or -1
	// headers are, of a list of captured headers, a comma, the name and a colon for each that the configuration names.
	headers [][]byte
}

func newJSONParser(formats []*parser.Format, loc *time.Location, kind wrapper.Kind) *lineParser {
	p := &lineParser{zone: parser.NewZone(loc), journal: kind == wrapper.Journald}
	p.lines = wrapper.NewParser(parser.NewSet(formats...), kind, p.zone)
	for _, f := range formats {
		p.formats = append(p.formats, newJSONFormat(f))
	}
	return p
}

func newJSONFormat(f *parser.Format) jsonFormat {
	j := jsonFormat{name: appendText(nil, []byte(f.Name()))}
	seen := make(map[string]int)
	for i, field := range f.Fields() {
		same := -1
		if first, ok := seen[field.Name]; ok {
			same = first
		}
		seen[field.Name] = i
		name := appendText(nil, []byte(field.Name))
		one := jsonField{name: name, key: jsonKey(field.Name), kind: field.Kind, same: same, headers: headerKeys(f, &field)}
		copy(one.head[:], one.key)
		j.fields = append(j.fields, one)
	}
	return j
}

// appendKey appends the key. Most are short, and sixteen bytes at once are copied without a call.
func (f *jsonField) appendKey(out []byte) []byte {
	if n := len(out); len(f.key) <= len(f.head) && cap(out)-n >= len(f.head) {
		*(*[16]byte)(out[n : n+len(f.head)]) = f.head
		return out[:n+len(f.key)]
	}
	return append(out, f.key...)
}

// jsonKey gives a comma, the name and a colon.
func jsonKey(name string) []byte {
	return append(appendText([]byte{','}, []byte(name)), ':')
}

// headerKeys gives the keys of the headers in a list: req.NAME and res.NAME. They are nil for other fields, and for
// formats that do not know what is captured; a key is nil for a header without a name.
func headerKeys(f *parser.Format, field *parser.Field) (keys [][]byte) {
	for _, name := range headerNames(f, field) {
		var key []byte
		if name != "" {
			key = jsonKey(name)
		}
		keys = append(keys, key)
	}
	return keys
}

// headerNames gives req.NAME and res.NAME of the headers in a list, "" for one without a name.
func headerNames(f *parser.Format, field *parser.Field) (names []string) {
	captures := f.Captures()
	if captures == nil || field.Kind != parser.KindList {
		return nil
	}
	side, headers := "req.", captures.Request
	if strings.HasPrefix(field.Alias, "hs") {
		side, headers = "res.", captures.Response
	}
	for _, name := range headers {
		if name != "" {
			name = side + name
		}
		names = append(names, name)
	}
	return names
}

// appendHeaders appends the items of a list that have a name and a value. A "-" may be a header that was not there.
func appendHeaders(out []byte, keys [][]byte, v *parser.Value) []byte {
	i := 0
	for item := range v.Items {
		if i < len(keys) && keys[i] != nil && len(item) > 0 && string(item) != "-" {
			out = appendText(append(out, keys[i]...), item)
		}
		i++
	}
	return out
}

// start begins a new file.
func (p *lineParser) start(name string, named bool) {
	p.line, p.file = 0, nil
	p.lines.Start()
	p.zone.Restart()
	p.only.start(name)
	if named {
		p.file = append(appendText([]byte(`"file":`), []byte(name)), ',')
	}
}

// record gives the object for a line, with its LF if it has one, and an LF. It is valid until the next call, and nil if
// the line is not asked for.
func (p *lineParser) record(line []byte, long bool) []byte {
	p.begin()
	line = bytes.TrimSuffix(line, []byte("\n"))
	p.header.Kind = wrapper.None
	var rest []byte // what no format matches
	switch {
	case (long || len(line) == 0) && !p.only.has(p, line, false):
		return nil
	case long:
		p.unparsed(line, "longer than "+strconv.Itoa(maxParseLine)+" bytes; raw is its beginning")
	case len(line) == 0:
		p.unparsed(line, "empty line")
	default:
		message, i := p.lines.Parse(line, &p.rec, &p.header)
		if i < 0 {
			i = p.lines.ParseCut(message, &p.rec)
		}
		switch {
		case !p.only.has(p, line, i >= 0):
			return nil
		case i >= 0:
			p.parsed(&p.formats[i])
		default:
			rest = message
			p.unparsed(line, "no format matches")
		}
	}
	p.wrapper(rest)
	return p.end()
}

// begin begins the object for the next line.
func (p *lineParser) begin() {
	p.line++
	p.out = append(append(p.out[:0], '{'), p.file...)
	p.out = strconv.AppendInt(append(p.out, `"line":`...), int64(p.line), 10)
}

func (p *lineParser) end() []byte {
	p.out = append(p.out, '}', '\n')
	return p.out
}

func (p *lineParser) unparsed(line []byte, why string) {
	p.out = append(p.out, `,"format":null`...)
	if h := &p.header; h.Kind != wrapper.None && h.TimeOK {
		p.time(h.Time.UnixMilli(), h.Time.UTCOffset)
	}
	p.out = appendText(append(p.out, `,"raw":`...), line)
	p.out = appendText(append(p.out, `,"why":`...), []byte(why))
}

func (p *lineParser) parsed(f *jsonFormat) {
	p.out = append(append(p.out, `,"format":`...), f.name...)
	if ms, offset, ok := p.rec.Time(p.zone); ok {
		p.time(ms, offset)
		if p.rec.TimeUnsure {
			p.out = append(p.out, `,"time_unsure":true`...)
		}
	} else if h := &p.header; h.Kind != wrapper.None && h.TimeOK {
		p.time(h.Time.UnixMilli(), h.Time.UTCOffset)
	}
	p.fields(f)
}

// fields prints what the record has.
func (p *lineParser) fields(f *jsonFormat) {
	out, unsure := append(p.out, `,"fields":{`...), false
	empty := len(out)
	for i := range f.fields {
		field, v := &f.fields[i], &p.rec.Values[i]
		unsure = unsure || v.State&parser.Unsure != 0
		if v.State&parser.Present == 0 || field.same >= 0 && p.any(f, field.same, parser.Present) {
			continue
		}
		if len(out) == empty {
			out = append(out, field.key[len(","):]...)
		} else {
			out = field.appendKey(out)
		}
		if field.kind == parser.KindInt && v.State&parser.Plus == 0 {
			out = parser.AppendInt(out, v.Int)
			continue
		}
		out = p.value(out, i, field.kind)
		if field.headers != nil {
			out = appendHeaders(out, field.headers, v)
		}
	}
	p.out = append(out, '}')
	if unsure {
		p.unsure(f)
	}
	if p.rec.Truncated {
		p.out = append(p.out, `,"truncated":true`...)
	}
}

// time prints the instant of the event, in the zone of its clock.
func (p *lineParser) time(ms int64, offset int32) {
	p.out = append(p.clock.append(append(p.out, `,"time":"`...), ms, offset), '"')
}

func (p *lineParser) unsure(f *jsonFormat) {
	p.out = append(p.out, `,"unsure":[`...)
	empty := len(p.out)
	for i := range f.fields {
		if p.rec.Values[i].State&parser.Unsure == 0 || p.any(f, f.fields[i].same, parser.Unsure|parser.Present) || p.presentLater(f, i) {
			continue
		}
		if len(p.out) > empty {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, f.fields[i].name...)
	}
	p.out = append(p.out, ']')
}

// any reports whether field i or one before it with the same name is in one of the states.
func (p *lineParser) any(f *jsonFormat, i int, states parser.State) bool {
	for ; i >= 0; i = f.fields[i].same {
		if p.rec.Values[i].State&states != 0 {
			return true
		}
	}
	return false
}

// presentLater reports whether a field after i with the same name has a value.
func (p *lineParser) presentLater(f *jsonFormat, i int) bool {
	for j := i + 1; j < len(f.fields); j++ {
		if f.fields[j].same == i {
			return p.rec.Values[j].State&parser.Present != 0 || p.presentLater(f, j)
		}
	}
	return false
}

// value appends the value of field i.
func (p *lineParser) value(out []byte, i int, kind parser.Kind) []byte {
	v := &p.rec.Values[i]
	switch kind {
	case parser.KindInt:
		out = parser.AppendInt(out, v.Int)
		switch {
		case v.State&parser.Plus == 0:
		case p.rec.Format.Fields()[i].Alias == "rc":
			out = append(out, `,"redisp":true`...)
		case !bytes.Contains(out, []byte(`,"asap":true`)):
			out = append(out, `,"asap":true`...)
		}
		return out
	case parser.KindDate:
		return append(p.rec.AppendDate(append(out, '"'), i), '"')
	case parser.KindList:
		out = append(out, '[')
		first := true
		for item := range v.Items {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = appendText(out, item)
		}
		return append(out, ']')
	default:
		if v.State&parser.Bare != 0 {
			return append(out, v.Text...) // a number or a truth value, in JSON as in the log
		}
		return appendText(out, v.Text)
	}
}
