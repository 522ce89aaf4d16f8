package main

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

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
	at       fixedZone
}

// jsonFormat is what of a format is the same in each record.
type jsonFormat struct {
	name []byte   // as JSON
	keys [][]byte // of each field, as JSON
	same []int    // the field before with the same name, or -1
}

// fixedZone is the location of the last record.
type fixedZone struct {
	offset int32
	loc    *time.Location
}

func newJSONParser(formats []*parser.Format, loc *time.Location, kind wrapper.Kind) *lineParser {
	p := &lineParser{zone: parser.NewZone(loc), journal: kind == wrapper.Journald, at: fixedZone{loc: time.UTC}}
	p.lines = wrapper.NewParser(parser.NewSet(formats...), kind, p.zone)
	for _, f := range formats {
		j := jsonFormat{name: appendText(nil, []byte(f.Name()))}
		seen := make(map[string]int)
		for i, field := range f.Fields() {
			same := -1
			if first, ok := seen[field.Name]; ok {
				same = first
			}
			seen[field.Name] = i
			j.keys = append(j.keys, appendText(nil, []byte(field.Name)))
			j.same = append(j.same, same)
		}
		p.formats = append(p.formats, j)
	}
	return p
}

// start begins a new file.
func (p *lineParser) start(name string, named bool) {
	p.line, p.file = 0, nil
	p.lines.Start()
	if named {
		p.file = append(appendText([]byte(`"file":`), []byte(name)), ',')
	}
}

// record gives the object for a line, with its LF if it has one, and an LF. It is valid until the next call.
func (p *lineParser) record(line []byte, long bool) []byte {
	p.begin()
	line = bytes.TrimSuffix(line, []byte("\n"))
	p.header.Kind = wrapper.None
	var rest []byte // what no format matches
	switch {
	case long:
		p.unparsed(line, "longer than "+strconv.Itoa(maxParseLine)+" bytes; raw is its beginning")
	case len(line) == 0:
		p.unparsed(line, "empty line")
	default:
		message, i := p.lines.Parse(line, &p.rec, &p.header)
		if i < 0 {
			i = p.lines.ParseCut(message, &p.rec)
		}
		if i >= 0 {
			p.parsed(&p.formats[i])
		} else {
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
	} else if h := &p.header; h.Kind != wrapper.None && h.TimeOK {
		p.time(h.Time.UnixMilli(), h.Time.UTCOffset)
	}
	p.out = append(p.out, `,"fields":{`...)
	empty, unsure := len(p.out), false
	for i, key := range f.keys {
		state := p.rec.Values[i].State
		unsure = unsure || state&parser.Unsure != 0
		if state&parser.Present == 0 || p.any(f, f.same[i], parser.Present) {
			continue
		}
		if len(p.out) > empty {
			p.out = append(p.out, ',')
		}
		p.out = append(append(p.out, key...), ':')
		p.value(i)
	}
	p.out = append(p.out, '}')
	if unsure {
		p.unsure(f)
	}
	if p.rec.Truncated {
		p.out = append(p.out, `,"truncated":true`...)
	}
}

// time prints the instant of the event, in the zone of its clock.
func (p *lineParser) time(ms int64, offset int32) {
	if offset != p.at.offset {
		p.at = fixedZone{offset: offset, loc: time.FixedZone("", int(offset))}
	}
	p.out = time.UnixMilli(ms).In(p.at.loc).AppendFormat(append(p.out, `,"time":"`...), "2006-01-02T15:04:05.000Z07:00")
	p.out = append(p.out, '"')
}

func (p *lineParser) unsure(f *jsonFormat) {
	p.out = append(p.out, `,"unsure":[`...)
	empty := len(p.out)
	for i, key := range f.keys {
		if p.rec.Values[i].State&parser.Unsure == 0 || p.any(f, f.same[i], parser.Unsure|parser.Present) || p.presentLater(f, i) {
			continue
		}
		if len(p.out) > empty {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, key...)
	}
	p.out = append(p.out, ']')
}

// any reports whether field i or one before it with the same name is in one of the states.
func (p *lineParser) any(f *jsonFormat, i int, states parser.State) bool {
	for ; i >= 0; i = f.same[i] {
		if p.rec.Values[i].State&states != 0 {
			return true
		}
	}
	return false
}

// presentLater reports whether a field after i with the same name has a value.
func (p *lineParser) presentLater(f *jsonFormat, i int) bool {
	for j := i + 1; j < len(f.same); j++ {
		if f.same[j] == i {
			return p.rec.Values[j].State&parser.Present != 0 || p.presentLater(f, j)
		}
	}
	return false
}

func (p *lineParser) value(i int) {
	field, v := &p.rec.Format.Fields()[i], &p.rec.Values[i]
	switch field.Kind {
	case parser.KindInt:
		p.out = strconv.AppendInt(p.out, v.Int, 10)
		switch {
		case v.State&parser.Plus == 0:
		case field.Alias == "rc":
			p.out = append(p.out, `,"redisp":true`...)
		case !bytes.Contains(p.out, []byte(`,"asap":true`)):
			p.out = append(p.out, `,"asap":true`...)
		}
	case parser.KindDate:
		p.out = append(p.rec.AppendDate(append(p.out, '"'), i), '"')
	case parser.KindList:
		p.out = append(p.out, '[')
		first := true
		for item := range v.Items {
			if !first {
				p.out = append(p.out, ',')
			}
			first = false
			p.out = appendText(p.out, item)
		}
		p.out = append(p.out, ']')
	default:
		if v.State&parser.Bare != 0 {
			p.out = append(p.out, v.Text...) // a number or a truth value, in JSON as in the log
			return
		}
		p.out = appendText(p.out, v.Text)
	}
}

// appendText appends text as JSON: a string, or {"hex":"…"} if it is not valid UTF-8.
func appendText(dst, text []byte) []byte {
	const hex = "0123456789ABCDEF"
	plain := true
	for _, c := range text {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(dst, '"'), text...), '"')
	}
	if !utf8.Valid(text) {
		dst = append(dst, `{"hex":"`...)
		for _, c := range text {
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		return append(dst, '"', '}')
	}
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
