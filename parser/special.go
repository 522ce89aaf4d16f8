package parser

import "slices"

// A special format reads lines that are no single log-format string. Its Parse is not the program: it may accept more
// texts than its own, and then keeps the line as a whole, so that Append gives it back and Exact is false.

// EventFormat is the name of the format of events, which Compile knows besides the names of WellKnown. Its fields are
// what ParseEvent tells: proxy, server and state, and the whole line as message.
const EventFormat = "event"

// eventSpec has the fields of an event in the form of a log-format string; the lines look different.
const eventSpec = `%b %s %state %message`

// otherTexts are what HAProxy writes in place of a well-known format that it has no use for: see frontend_accept in
// src/frontend.c and session_embryonic_build_legacy_err in src/log.c. Their fields are among those of the format.
var otherTexts = [...]struct{ name, spec string }{ //nolint:gochecknoglobals // a constant table
	{"default", `Connect to %ci:%cp (%f/%mode)`},                               // a UNIX socket
	{"default", `Connect from unknown source to listener %cp (%f/%mode)`},      //
	{"default", `Connect from %ci:%cp to undetermined address:%fp (%f/%mode)`}, //
	{"error", `unknown [%t] %f/%bind: %message`},                               //
}

// Complete returns formats and, behind them, those of the lines that HAProxy writes whatever its log-format: connection
// errors ("error") and events, unless they are among them.
func Complete(formats []*Format) []*Format {
	all := append([]*Format(nil), formats...)
	for _, name := range [...]string{"error", EventFormat} {
		if slices.ContainsFunc(formats, func(f *Format) bool { return f.name == name }) {
			continue
		}
		if f, err := Compile(name); err == nil { // it compiles, as a test shows
			all = append(all, f)
		}
	}
	return all
}

// compileEvent compiles the format of events.
func compileEvent(o Options) (*Format, error) {
	f, err := compile(EventFormat, eventSpec, true, o)
	if err == nil {
		f.special = f.parseEvent
		f.fields[0].Name, f.fields[1].Name = "proxy", "server"
		f.fields[0].Doc, f.fields[1].Doc, f.fields[3].Doc = "proxy the event is about", "server the event is about", "the whole line"
	}
	return f, err
}

func (f *Format) parseEvent(line []byte, r *Record) bool {
	var e Event
	if !ParseEvent(line, &e) {
		return false
	}
	r.Reset(f)
	r.scratch = append(r.scratch, e.State...)
	for i, text := range [...][]byte{e.Proxy, e.Server, r.scratch, line} {
		if len(text) > 0 {
			r.Values[i] = Value{Text: text, State: Present}
		}
	}
	f.keepWhole(line, r)
	return true
}

// keepWhole makes the line one span of all nodes.
func (f *Format) keepWhole(line []byte, r *Record) {
	r.spans = append(r.spans[:0], span{first: 0, last: len(f.nodes), text: line})
}

// isEvent reports whether f is the format of events: its nodes tell nothing of its lines.
func (f *Format) isEvent() bool { return f.special != nil && f.name == EventFormat }

// otherText is a text besides the format's own.
type otherText struct {
	format *Format
	fields []int // of the format that it belongs to, by its own
}

// addOtherTexts makes f read what is written in its place, too.
func (f *Format) addOtherTexts(o Options) error {
	var others []otherText
	for _, row := range otherTexts {
		if row.name != f.name {
			continue
		}
		t := otherText{}
		var err error
		if t.format, err = compile(row.name, row.spec, true, o); err != nil {
			return err
		}
		for i := range t.format.fields {
			t.fields = append(t.fields, f.fieldOf(t.format.fields[i].Alias))
		}
		others = append(others, t)
	}
	if others == nil {
		return nil
	}
	own := *f
	f.others = others
	f.special = func(line []byte, r *Record) bool {
		if own.Parse(line, r) {
			r.Format = f
			return true
		}
		for i := range others {
			if others[i].parse(f, line, r) {
				return true
			}
		}
		return false
	}
	return nil
}

// texts returns the formats of all texts that f reads by nodes.
func (f *Format) texts() []*Format {
	all := []*Format{f}
	for i := range f.others {
		all = append(all, f.others[i].format)
	}
	return all
}

// parse reads line and moves its values to where f has them.
func (t *otherText) parse(f *Format, line []byte, r *Record) bool {
	if !t.format.Parse(line, r) {
		return false
	}
	var values [8]Value
	n := copy(values[:], r.Values)
	r.use(f)
	clear(r.Values)
	for i, field := range t.fields[:n] {
		r.Values[field] = values[i]
	}
	r.Lone = Value{}
	f.keepWhole(line, r)
	return true
}
