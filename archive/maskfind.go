package archive

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
	"unsafe"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// loneField stands for the only block of captured headers of a line.
const loneField = -1

// edit is a stretch of a line that is masked.
type edit struct {
	field    int // index, or loneField
	from, to int // what of its text
	value    []byte
	method   string
	at, n    int // the bytes of the line
}

// find fills k.edits for the line k.line, which was read into k.before. It
// reports whether all that had to be found was.
func (k *Masker) find(format int) (certain bool) {
	k.edits = k.edits[:0]
	r, f := &k.before, &k.formats[format]
	certain = true
	at := 0 // behind the field before
	if r.header.Kind == wrapper.None || r.header.Kind.Suffix() {
		at = len(k.line) - len(r.message)
	}
	lone, found := r.record.Lone.State&parser.Present != 0, false
	for i := range r.record.Values {
		v, t := &r.record.Values[i], &f.targets[i]
		kind := r.record.Format.Fields()[i].Kind
		switch {
		case kind == parser.KindInt || kind == parser.KindDate:
		case v.State&parser.Unsure != 0 && lone && kind == parser.KindList: // both are
			if !found {
				at = k.findValue(loneField, &r.record.Lone, &f.lone, at, &certain)
			}
			found = true
		case v.State&parser.Present == 0:
			// Of a cut line some may be left of it.
			if !t.none() && (v.State&parser.Unsure != 0 || r.record.Truncated) {
				certain = false
			}
		default:
			at = k.findValue(i, v, t, at, &certain)
		}
	}
	return certain
}

// part is a stretch of a value that is to be masked.
type part struct {
	from, to int
	method   string
}

// partsOf appends the parts of a value that t masks, in their order.
func partsOf(dst []part, info *parser.Field, v *parser.Value, t *target) []part {
	text := v.Text
	add := func(from, to int, method string) {
		if method != "" && from < to {
			dst = append(dst, part{from, to, method})
		}
	}
	path := func(from, to int) {
		if from < to && text[from] == '/' { // it stays
			from++
		}
		add(from, to, t.path)
	}
	switch {
	case t.none():
	case info.Kind == parser.KindList:
		from, n := 0, 0
		for item := range v.Items {
			add(from, from+len(item), t.item(n))
			from += len(item) + 1
			n++
		}
	case info.Kind == parser.KindAddr:
		if string(text) != "unix" {
			add(0, len(text), t.value)
		}
	case info.Kind == parser.KindRequest:
		method, rest, query, _, _, ok := parser.SplitRequest(text)
		switch {
		case string(text) == "<BADREQ>":
		case !ok && t.path != "":
			add(0, len(text), t.path)
		case !ok:
			add(0, len(text), t.query)
		default:
			from := len(method) + 1
			path(from, from+len(rest))
			from += len(rest) + 1
			add(from, from+len(query), t.query)
		}
	case info.Alias == "CC" || info.Alias == "CS":
		add(bytes.IndexByte(text, '=')+1, len(text), t.value)
	case t.path != "" || t.query != "":
		mark := bytes.IndexByte(text, '?')
		if mark < 0 {
			mark = len(text)
		}
		path(0, mark)
		add(mark+1, len(text), t.query)
	default:
		add(0, len(text), t.value)
	}
	return dst
}

// findValue looks for a value from at on, and for what of it is to be masked.
// It gives where it ends.
func (k *Masker) findValue(field int, v *parser.Value, t *target, at int, certain *bool) int {
	if len(v.Text) == 0 {
		return at
	}
	info := &parser.Field{Kind: parser.KindList}
	if field != loneField {
		info = &k.before.record.Format.Fields()[field]
	}
	k.parts = partsOf(k.parts[:0], info, v, t)
	place, n := k.locate(v.Text, at, len(k.line))
	end, exact := place+n, n == len(v.Text)
	if place < 0 { // a list that is printed item by item
		place, end = at, len(k.line)
	}
	for _, p := range k.parts {
		value := v.Text[p.from:p.to]
		e := edit{field: field, from: p.from, to: p.to, value: value, method: p.method, at: place + p.from, n: len(value)}
		if !exact {
			if e.at, e.n = k.locate(value, place, end); e.at < 0 {
				*certain = false
				continue
			}
			place = e.at + e.n
		}
		k.edits = append(k.edits, e)
	}
	if n == 0 { // not found as a whole
		return place
	}
	return end
}

// locate gives where in k.line[from:to] a value is printed, and in how many
// bytes; -1 and 0 if that cannot be told. It may be wrong: same finds out.
func (k *Masker) locate(value []byte, from, to int) (at, n int) {
	// It is a part of the line itself unless it was printed in another form.
	if at := uintptr(unsafe.Pointer(&value[0])) - uintptr(unsafe.Pointer(&k.line[0])); at < uintptr(len(k.line)) { //nolint:gosec // places are compared, nothing is read
		return int(at), len(value) //nolint:gosec // below the length
	}
	if bytes.ContainsAny(value, "\"\\]<>&") || !utf8.Valid(value) {
		printed := escape(nil, value)
		if i := bytes.Index(k.line[from:to], printed); i >= 0 && len(printed) > len(value) {
			return from + i, len(printed)
		}
		if printed, err := json.Marshal(string(value)); err == nil {
			printed = printed[1 : len(printed)-1]
			if i := bytes.Index(k.line[from:to], printed); i >= 0 {
				return from + i, len(printed)
			}
		}
	}
	if i := bytes.Index(k.line[from:to], value); i >= 0 {
		return from + i, len(value)
	}
	return -1, 0
}

// escape writes a value as the flag E of a log-format does.
func escape(dst, value []byte) []byte {
	for _, c := range value {
		if c == '"' || c == '\\' || c == ']' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

// same reports whether line, read into k.after, is the line before but for
// k.edits: then nothing else of it has changed its meaning.
func (k *Masker) same(line []byte) bool {
	a, b := &k.before, &k.after
	if a.format != b.format || a.header.Kind != b.header.Kind || a.header.Inner != b.header.Inner ||
		a.record.Truncated != b.record.Truncated || len(a.record.Values) != len(b.record.Values) {
		return false
	}
	if a.header.Kind.Suffix() && len(a.message) != len(b.message) {
		return false
	}
	edits := k.edits
	for i := range a.record.Values {
		x, y := &a.record.Values[i], &b.record.Values[i]
		for len(edits) > 0 && edits[0].field == loneField {
			edits = edits[k.editsOf(edits):]
		}
		n := 0
		if len(edits) > 0 && edits[0].field == i {
			n = k.editsOf(edits)
		}
		if !k.sameValue(a.record.Format.Fields()[i].Kind, x, y, edits[:n], line) {
			return false
		}
		edits = edits[n:]
	}
	from := 0
	for from < len(k.edits) && k.edits[from].field != loneField {
		from++
	}
	alone := k.edits[from:]
	return k.sameValue(parser.KindList, &a.record.Lone, &b.record.Lone, alone[:k.editsOf(alone)], line)
}

// editsOf gives how many of the edits at the beginning are of one field.
func (k *Masker) editsOf(edits []edit) int {
	n := 0
	for n < len(edits) && edits[n].field == edits[0].field {
		n++
	}
	return n
}

func (k *Masker) sameValue(kind parser.Kind, x, y *parser.Value, edits []edit, line []byte) bool {
	switch {
	case x.State != y.State:
		return false
	case x.State&parser.Present == 0:
		return true
	case kind == parser.KindInt, kind == parser.KindDate:
		return x.Int == y.Int && x.Zone == y.Zone
	case kind == parser.KindList && x.Int != y.Int:
		return false
	case len(edits) == 0:
		return bytes.Equal(x.Text, y.Text)
	}
	want, done := k.texts[:0], 0
	for i := range edits {
		e := &edits[i]
		want = append(want, x.Text[done:e.from]...)
		want = append(want, line[e.at:e.at+e.n]...)
		done = e.to
	}
	want = append(want, x.Text[done:]...)
	k.texts = want
	return bytes.Equal(want, y.Text)
}
