package parser

import (
	"bytes"
	"strconv"
	"strings"
)

// A format may print the same captured header twice: in a list (%hr, %hrl) and as %[capture.req.hdr(N)]. Where the list
// is certain it tells what the other prints, so that a line that left the other open is read again.

// setIndex tells n, a %[capture.req.hdr(N)], which item of the list it prints.
func (n *node) setIndex(expr string) {
	_, index, _ := strings.Cut(expr, "(")
	if i, err := strconv.Atoi(strings.TrimSuffix(index, ")")); err == nil && i >= 0 && i < 1000 {
		n.index = i + 1
	}
}

// force notes what the nodes from first on must print, and reports whether that is more than was known before.
func (s *solver) force(f *Format, first int, r *Record) (more bool) {
	for i := range f.nodes[first:] {
		n := &f.nodes[first+i]
		if n.index == 0 || r.Values[n.field].State&Unsure == 0 || i < len(s.forced) && s.forced[i].set {
			continue
		}
		list := f.certainList(n.captures, r)
		if list == nil || list.State&Present == 0 {
			continue
		}
		if len(s.forced) == 0 {
			s.forced = append(s.forced, make([]forced, len(f.nodes)-first)...)
		}
		var v Value
		if raw := itemAt(list, n.index-1); len(raw) > 0 {
			v.Text, v.State = unhash(raw), Present
		}
		s.forced[i] = forced{text: n.appendValue(nil, &v, &r.dates), set: true}
		more = true
	}
	return more
}

// contradicts reports whether a %[capture.req.hdr(N)] that is certain is not what the list, certain as well, says. No
// format prints that: the line is of another one, or cut.
func (f *Format) contradicts(r *Record) bool {
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.index == 0 || n.enc != encNone || r.Values[n.field].State&Unsure != 0 {
			continue
		}
		list := f.certainList(n.captures, r)
		if list == nil || list.State&Present == 0 {
			continue
		}
		raw, text := itemAt(list, n.index-1), r.Values[n.field].Text
		if !bytes.Equal(raw, text) && !bytes.Equal(unhash(raw), text) && string(text) != "-" {
			return true
		}
	}
	return false
}

// forced is all that a node can print.
type forced struct {
	text []byte
	set  bool
}

// certainList returns the value of a list of one side that is certain, or nil. Those of %hrl are left out: a "-" in them
// may be a header or none.
func (f *Format) certainList(side byte, r *Record) *Value {
	for i := range f.nodes {
		if n := &f.nodes[i]; n.kind == nodeField && n.shape == shapeBlock && n.captures == side {
			if v := &r.Values[n.field]; v.State&Unsure == 0 {
				return v
			}
		}
	}
	return nil
}

func itemAt(list *Value, index int) []byte {
	for text := range list.Items {
		if index == 0 {
			return text
		}
		index--
	}
	return nil
}

// unhash gives the bytes that `#XX` stand for.
func unhash(text []byte) []byte {
	if bytes.IndexByte(text, '#') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '#' && i+2 < len(text) {
			high, ok := hexDigit(text[i+1])
			low, fine := hexDigit(text[i+2])
			if ok && fine {
				out = append(out, high<<4|low)
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

// findDashes lists the nodes whose "-", which may stand for no value or be one, another field may explain.
func (f *Format) findDashes() {
	lists := false
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.kind != nodeField {
			continue
		}
		lists = lists || n.shape == shapeBlock
		switch f.fields[n.field].Alias {
		case "sslv", "sslc", "ft":
			f.tlsFields = append(f.tlsFields, n.field)
		}
	}
	for i := range f.nodes {
		if n := &f.nodes[i]; n.dashed && n.free() && (n.index > 0 && lists || n.tls && len(f.tlsFields) > 0) {
			f.dashes = append(f.dashes, i)
		}
	}
}

// settleDashes decides what a "-" is where other fields tell.
func (f *Format) settleDashes(r *Record) {
	for _, i := range f.dashes {
		n := &f.nodes[i]
		v := &r.Values[n.field]
		if v.State&Unsure == 0 || string(v.Text) != "-" {
			continue
		}
		if n.tls {
			if f.withoutTLS(r) {
				n.setAbsent(v)
			}
			continue
		}
		switch list := f.certainList(n.captures, r); {
		case list == nil:
		case string(itemAt(list, n.index-1)) == "-":
			v.State = Present
		default:
			n.setAbsent(v)
		}
	}
}

// withoutTLS reports whether the client's connection certainly had no TLS.
func (f *Format) withoutTLS(r *Record) bool {
	for _, i := range f.tlsFields {
		switch v := &r.Values[i]; {
		case v.State&Unsure != 0:
		case f.fields[i].Alias == "ft":
			if v.State&Present != 0 && !bytes.HasSuffix(v.Text, []byte("~")) {
				return true
			}
		case v.State&Present == 0:
			return true
		}
	}
	return false
}
