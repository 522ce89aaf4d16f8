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
	have = make(map[string]access, len(columns))
	have["format"] = access{kind: formatName}
	for i := range maxSlots {
		have[slotColumn("header_", i)] = access{kind: loneItem, item: i}
	}
	fields := format.Fields()
	for _, first := range [...]string{"r", "HU", ""} {
		for i := range fields {
			f := &fields[i]
			if f.Truth || first != "" && f.Alias != first || first == "" && (f.Alias == "r" || f.Alias == "HU") {
				continue
			}
			all := claims(f)
			if slices.ContainsFunc(all, func(c claim) bool { return have[c.column].kind != nowhere }) {
				continue
			}
			for _, c := range all {
				have[c.column] = access{kind: c.kind, field: i, item: c.item}
			}
			switch f.Alias {
			case "Ta", "Tt", "Tu", "B":
				asap = append(asap, i)
				have["asap"] = access{kind: anyPlus}
			}
		}
	}
	return have, asap
}

// claim is a column that a field fills.
type claim struct {
	column string
	kind   accessKind
	item   int
}

// claims gives the columns that a field fills.
func claims(f *parser.Field) []claim {
	switch f.Alias {
	case "":
		for _, e := range expressions {
			if e.expr == f.Expr {
				return []claim{{e.column, wholeValue, 0}}
			}
		}
		return nil
	case "r":
		return []claim{
			{"http_method", requestMethod, 0},
			{"http_path", requestPath, 0},
			{"http_query", requestQuery, 0},
			{"http_version", requestVersion, 0},
			{"http_request", requestOther, 0},
		}
	case "HU":
		return []claim{{"http_path", uriPath, 0}, {"http_query", uriQuery, 0}}
	case "HQ":
		return []claim{{"http_query", queryRest, 0}}
	case "HPO":
		return []claim{{"http_path", wholeValue, 0}}
	case "ft":
		return []claim{{"frontend", frontendName, 0}, {"frontend_tls", frontendTLS, 0}}
	case "rc":
		return []claim{{"retries", wholeValue, 0}, {"redispatched", plusOf, 0}}
	case "ts":
		return []claim{{"termination_state", wholeValue, 0}}
	case "hr", "hrl":
		return slotsOf("req_header_")
	case "hs", "hsl":
		return slotsOf("res_header_")
	}
	for i := range columns {
		if r := &columns[i]; len(r.names) == 2 && r.names[0] == f.Alias || r.column == f.Alias {
			return []claim{{r.column, wholeValue, 0}}
		}
	}
	return nil
}

func slotsOf(prefix string) (all []claim) {
	for i := range maxSlots {
		all = append(all, claim{slotColumn(prefix, i), listItem, i})
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
