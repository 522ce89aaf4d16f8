package filter

import (
	"bytes"
	"slices"

	"github.com/loghaul/loghaul/parser"
)

// accessKind says how a field is had from a line.
type accessKind uint8

const (
	nowhere      accessKind = iota // no line of the format has it
	wholeValue                     // the value of a field of the format
	plusOf                         // whether a + stands before it
	anyPlus                        // of the numbers that logasap marks
	frontendName                   // %ft without its ~
	frontendTLS                    // whether %ft has a ~
	uriPath                        // of %HU
	uriQuery
	queryRest     // %HQ without its question mark
	requestMethod // of %r
	requestPath
	requestQuery
	requestVersion
	requestOther // %r that has no parts
	listItem     // of a list of captured headers
	loneItem     // of the only block
	namedItems   // of a list, those of the slots
	formatName
	ofLine // what is known of the line besides its record
)

// access is how a field is had from lines of one format.
type access struct {
	kind  accessKind
	field int // index in Record.Values
	item  int
	slots []int
	// number is set if the value of an expression is a number.
	number bool
}

// binding is how the tests of a filter get at their values in lines of one format.
type binding struct {
	accesses []access // of each test
	name     []byte   // of the format
	asap     []int    // the fields that logasap marks
}

// bind makes the binding of tests. format is nil for lines that no format matched.
func bind(tests []*Test, format *parser.Format) *binding {
	b := &binding{accesses: make([]access, len(tests))}
	var have map[string]access
	if format != nil {
		b.name = []byte(format.Name())
		have, b.asap = columnsOf(format)
	}
	for i, t := range tests {
		a := &b.accesses[i]
		if *a = accessOf(t.Field, format, have); a.kind == wholeValue {
			a.number = format.Fields()[a.field].Kind == parser.KindInt
		}
	}
	return b
}

func accessOf(f *Field, format *parser.Format, have map[string]access) access {
	switch {
	case f.Place == InLine, f.Place == InFlags, f.Place == InLabel:
		return access{kind: ofLine}
	case f.Place == InColumn && slices.Contains(lineColumns[:], f.Column):
		return access{kind: ofLine}
	case format == nil:
		return access{}
	case f.Place == InColumn:
		return have[f.Column]
	case f.Place == InFormat:
		if i := f.Find(format); i >= 0 {
			return access{kind: wholeValue, field: i}
		}
		return access{}
	}
	list, ok := have["req_header_1"]
	if f.Response {
		list, ok = have["res_header_1"]
	}
	if slots := f.Slots(format); ok && slots != nil {
		return access{kind: namedItems, field: list.field, slots: slots}
	}
	return access{}
}

// lineColumns are what a line has whatever its format.
var lineColumns = [...]string{ //nolint:gochecknoglobals // a constant table
	"node", "source", "path", "wrapper", "syslog_facility", "syslog_severity", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid",
	"structured_data", "stream", "namespace", "pod", "container", "container_id",
}

// columnsOf says what the archive's core columns hold for a format. Where fields meet in a column the first one has it,
// a whole request before all others, and a whole URI before its parts: as the archive's plan of a format.
func columnsOf(format *parser.Format) (have map[string]access, asap []int) {
	have = map[string]access{"format": {kind: formatName}}
	for i := range maxSlots {
		have[slotColumn("header_", i)] = access{kind: loneItem, item: i}
	}
	fields := format.Fields()
	claim := func(field int, all map[string]access) bool {
		for name := range all {
			if _, taken := have[name]; taken {
				return false
			}
		}
		for name, a := range all {
			a.field = field
			have[name] = a
		}
		return true
	}
	for _, first := range [...]string{"r", "HU", ""} {
		for i := range fields {
			f := &fields[i]
			if f.Truth || first != "" && f.Alias != first || first == "" && (f.Alias == "r" || f.Alias == "HU") {
				continue
			}
			if claim(i, claims(f)) && slices.Contains([]string{"Ta", "Tt", "Tu", "B"}, f.Alias) {
				asap = append(asap, i)
			}
		}
	}
	if asap != nil {
		have["asap"] = access{kind: anyPlus}
	}
	return have, asap
}

// claims gives the columns that a field fills.
func claims(f *parser.Field) map[string]access {
	switch f.Alias {
	case "":
		for _, e := range expressions {
			if e.expr == f.Expr {
				return map[string]access{e.column: {kind: wholeValue}}
			}
		}
		return nil
	case "r":
		return map[string]access{
			"http_method": {kind: requestMethod}, "http_path": {kind: requestPath}, "http_query": {kind: requestQuery},
			"http_version": {kind: requestVersion}, "http_request": {kind: requestOther},
		}
	case "HU":
		return map[string]access{"http_path": {kind: uriPath}, "http_query": {kind: uriQuery}}
	case "HQ":
		return map[string]access{"http_query": {kind: queryRest}}
	case "HPO":
		return map[string]access{"http_path": {kind: wholeValue}}
	case "ft":
		return map[string]access{"frontend": {kind: frontendName}, "frontend_tls": {kind: frontendTLS}}
	case "rc":
		return map[string]access{"retries": {kind: wholeValue}, "redispatched": {kind: plusOf}}
	case "ts":
		return map[string]access{"termination_state": {kind: wholeValue}}
	case "hr", "hrl":
		return slotsOf("req_header_")
	case "hs", "hsl":
		return slotsOf("res_header_")
	}
	for i := range columns {
		if r := &columns[i]; len(r.names) == 2 && r.names[0] == f.Alias || r.column == f.Alias {
			return map[string]access{r.column: {kind: wholeValue}}
		}
	}
	return nil
}

func slotsOf(prefix string) map[string]access {
	all := map[string]access{}
	for i := range maxSlots {
		all[slotColumn(prefix, i)] = access{kind: listItem, item: i}
	}
	return all
}

func slotColumn(prefix string, i int) string { return prefix + string(rune('1'+i)) }

// value gives the value that a has in a record, as the archive's column has it. whole is that of the field, for numbers
// and addresses; ok is false if there is none.
func (a *access) value(r *parser.Record, b *binding) (text []byte, number int64, whole *parser.Value, ok bool) {
	switch a.kind {
	case loneItem:
		text, ok = item(&r.Lone, a.item)
		return text, 0, nil, ok
	case formatName:
		return b.name, 0, nil, true
	case anyPlus:
		for _, i := range b.asap {
			if state := r.Values[i].State; state&parser.Present != 0 {
				ok = true
				if state&parser.Plus != 0 {
					number = 1
				}
			}
		}
		return nil, number, nil, ok
	case nowhere, ofLine:
		return nil, 0, nil, false
	default:
	}
	v := &r.Values[a.field]
	if v.State&parser.Present == 0 {
		return nil, 0, nil, false
	}
	switch a.kind {
	case wholeValue:
		return v.Text, v.Int, v, true
	case plusOf:
		if v.State&parser.Plus != 0 {
			number = 1
		}
		return nil, number, nil, true
	case frontendName:
		return bytes.TrimSuffix(v.Text, []byte("~")), 0, nil, true
	case frontendTLS:
		if bytes.HasSuffix(v.Text, []byte("~")) {
			number = 1
		}
		return nil, number, nil, true
	case uriPath:
		text, _, _ = bytes.Cut(v.Text, []byte("?"))
		return text, 0, nil, true
	case uriQuery:
		_, text, ok = bytes.Cut(v.Text, []byte("?"))
		return text, 0, nil, ok
	case queryRest:
		text, ok = bytes.CutPrefix(v.Text, []byte("?"))
		return text, 0, nil, ok
	case listItem:
		text, ok = item(v, a.item)
		return text, 0, nil, ok
	default:
		text, ok = a.ofRequest(v.Text)
		return text, 0, nil, ok
	}
}

// ofRequest gives a part of a request.
func (a *access) ofRequest(request []byte) ([]byte, bool) {
	method, path, query, version, marked, ok := parser.SplitRequest(request)
	switch a.kind {
	case requestMethod:
		return method, ok
	case requestPath:
		return path, ok
	case requestQuery:
		return query, ok && marked
	case requestVersion:
		return version, ok && version != nil
	default:
		return request, !ok
	}
}

// item gives the i-th item of a list.
func item(list *parser.Value, i int) ([]byte, bool) {
	if list.State&parser.Present == 0 || int64(i) >= list.Int {
		return nil, false
	}
	rest := list.Text
	for ; i > 0; i-- {
		_, rest, _ = bytes.Cut(rest, []byte("|"))
	}
	text, _, _ := bytes.Cut(rest, []byte("|"))
	return text, true
}
