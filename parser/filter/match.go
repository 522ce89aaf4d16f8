package filter

import (
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// Line is what a Matcher looks at: what the parser read out of a line, and what the pipeline knows about it. The zero
// value of what is not known makes these fields absent.
type Line struct {
	// Record is the parsed line, nil if no format matched.
	Record *parser.Record
	// Header is what the line was wrapped in, nil or of kind None for a bare one.
	Header *wrapper.Header
	// Raw is what HAProxy wrote: the line without what a container runtime put around it.
	Raw []byte
	// Node, Source and Path say where the line was read, Labels has the labels as a JSON object, as the archive's column.
	Node, Source, Path, Labels []byte
	// What Path tells about a container.
	Namespace, Pod, Container, ContainerID []byte
}

// Matcher tells whether lines pass a filter. One goroutine may use it at a time; it allocates nothing for a line, but
// something for each format that it sees first.
type Matcher struct {
	root   step
	tests  []*Test
	known  map[*parser.Format]*binding
	format *parser.Format // of current
	now    *binding
}

// step is a node with its tests numbered.
type step struct {
	op   Op
	subs []step
	test int
}

// Matcher gives a new matcher for f.
func (f *Filter) Matcher() *Matcher {
	m := &Matcher{known: map[*parser.Format]*binding{}}
	m.root = m.add(f.tree)
	m.now = bind(m.tests, nil)
	m.known[nil] = m.now
	return m
}

func (m *Matcher) add(n *Node) step {
	if n.Op == Leaf {
		m.tests = append(m.tests, n.Test)
		return step{test: len(m.tests) - 1}
	}
	s := step{op: n.Op, subs: make([]step, len(n.Nodes))}
	for i, sub := range n.Nodes {
		s.subs[i] = m.add(sub)
	}
	return s
}

// maxKnown bounds the formats that are remembered.
const maxKnown = 1000

// Match reports whether line passes.
func (m *Matcher) Match(line *Line) bool {
	var format *parser.Format
	if line.Record != nil {
		format = line.Record.Format
	}
	if format != m.format {
		now := m.known[format]
		if now == nil {
			if len(m.known) >= maxKnown {
				clear(m.known)
			}
			now = bind(m.tests, format)
			m.known[format] = now
		}
		m.format, m.now = format, now
	}
	return m.passes(&m.root, line)
}

func (m *Matcher) passes(s *step, line *Line) bool {
	switch s.op {
	case And:
		for i := range s.subs {
			if !m.passes(&s.subs[i], line) {
				return false
			}
		}
		return true
	case Or:
		for i := range s.subs {
			if m.passes(&s.subs[i], line) {
				return true
			}
		}
		return false
	default:
		return m.test(s.test, line)
	}
}

// test asks one test.
func (m *Matcher) test(i int, line *Line) bool {
	t, a := m.tests[i], &m.now.accesses[i]
	switch a.kind {
	case ofLine:
		return t.ofLine(line)
	case namedItems:
		list := &line.Record.Values[a.field]
		for _, slot := range a.slots {
			// Any of them may pass, or with Not all have to.
			text, ok := item(list, slot)
			if passes := ok && t.MatchText(text) || !ok && t.Not; passes != t.Not {
				return !t.Not
			}
		}
		return t.Not
	case nowhere:
		return t.Not
	default:
	}
	text, number, whole, ok := a.value(line.Record, m.now)
	switch {
	case !ok:
		return t.Not
	case t.Field.Type == Text && a.number:
		return t.MatchInt(number)
	case t.Field.Type == Text:
		return t.MatchText(text)
	case t.Field.Type == Address:
		if t.Compare == IsAddress && whole != nil && whole.State&parser.IPv4 != 0 {
			v := whole.Int
			ip := [16]byte{10: 0xff, 11: 0xff, 12: byte(v >> 24), 13: byte(v >> 16), 14: byte(v >> 8), 15: byte(v)}
			return t.hasAddress(&ip) != t.Not
		}
		return t.MatchText(text)
	default:
		return t.MatchInt(number)
	}
}

// ofLine asks a test of what is known of a line besides its record.
func (t *Test) ofLine(line *Line) bool {
	f := t.Field
	switch f.Place {
	case InLine:
		return t.MatchText(line.Raw)
	case InFlags:
		if line.Record != nil && line.Record.Truncated {
			return t.MatchInt(1)
		}
		return t.MatchInt(0)
	case InLabel:
		text, ok := Label(line.Labels, f.Key)
		return t.maybe(text, ok)
	default:
	}
	var text []byte
	switch f.Column {
	case "node":
		text = line.Node
	case "source":
		text = line.Source
	case "path":
		text = line.Path
	case "namespace":
		text = line.Namespace
	case "pod":
		text = line.Pod
	case "container":
		text = line.Container
	case "container_id":
		text = line.ContainerID
	default:
		return t.ofHeader(line.Header)
	}
	return t.maybe(text, text != nil)
}

// ofHeader asks a test of what a line was wrapped in.
func (t *Test) ofHeader(h *wrapper.Header) bool {
	if h == nil || h.Kind == wrapper.None {
		return t.Not
	}
	var text []byte
	switch t.Field.Column {
	case "wrapper":
		var buf [32]byte
		text = append(buf[:0], h.Kind.String()...)
		if h.Inner != wrapper.None {
			text = append(append(text, '+'), h.Inner.String()...)
		}
	case "syslog_facility":
		return t.maybeInt(int64(h.Facility))
	case "syslog_severity":
		return t.maybeInt(int64(h.Severity))
	case "syslog_host":
		text = h.Host
	case "syslog_tag":
		text = h.Tag
	case "syslog_pid":
		text = h.PID
	case "syslog_msgid":
		text = h.MsgID
	case "structured_data":
		text = h.StructuredData
	case "stream":
		text = h.Stream
	}
	return t.maybe(text, text != nil)
}

func (t *Test) maybe(text []byte, ok bool) bool {
	if !ok {
		return t.Not
	}
	return t.MatchText(text)
}

// maybeInt asks for a number that is negative if there is none.
func (t *Test) maybeInt(v int64) bool {
	if v < 0 {
		return t.Not
	}
	return t.MatchInt(v)
}
