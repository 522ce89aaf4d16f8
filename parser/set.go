package parser

import (
	"bytes"
	"slices"
	"strings"
)

// Set is an ordered list of formats to try. It is immutable.
type Set struct {
	formats []*Format
	// before lists for each format those before it that may match a line that it matches.
	before [][]int
}

// NewSet returns the set of formats, in the order of preference.
func NewSet(formats ...*Format) *Set {
	s := &Set{formats: append([]*Format(nil), formats...), before: make([][]int, len(formats))}
	for j, f := range s.formats {
		for i, earlier := range s.formats[:j] {
			if !disjoint(earlier, f) {
				s.before[j] = append(s.before[j], i)
			}
		}
	}
	return s
}

// Formats returns the formats in order. The slice must not be changed.
func (s *Set) Formats() []*Format { return s.formats }

// Parse reads line into r with the first format that matches and returns its index, or -1. The answer depends on
// nothing but the line: where several formats match, the first in the order given to NewSet wins. The format that
// matched last with r is tried first, and if it matches only those before it that can match the same line.
//
// A line that may lack its end although a format matches it, because it is as long as lines are cut at and its last
// field has no end of its own, has no value for what the cut may have changed, see Format.ParseCut.
func (s *Set) Parse(line []byte, r *Record) int {
	i := s.find(line, r)
	if i >= 0 && s.formats[i].openEnd && s.formats[i].cutAt(r.Header+len(line)) {
		s.formats[i].doubt(line, r)
	}
	return i
}

func (s *Set) find(line []byte, r *Record) int {
	last := r.last
	if last >= len(s.formats) {
		last = 0
	}
	if len(s.formats) > 0 && s.formats[last].Parse(line, r) {
		for _, i := range s.before[last] {
			if s.formats[i].Parse(line, r.second()) {
				last = i
				s.formats[i].Parse(line, r)
				break
			}
		}
		r.last = last
		return last
	}
	for i, f := range s.formats {
		if i != last && f.Parse(line, r) {
			r.last = i
			return i
		}
	}
	return -1
}

// ParseCut reads line, which Parse finds no format for, as one that lacks its end (Format.ParseCut), with the first
// format that can have printed the beginning, and returns its index, or -1. Where other formats can as well, only what
// all of them agree on is set. HAProxy cuts no message before its 79th byte.
func (s *Set) ParseCut(line []byte, r *Record) int {
	first := -1
	if r.Header+len(line) < minCut {
		return first
	}
	for i, f := range s.formats {
		if first < 0 {
			if f.ParseCut(line, r) {
				first = i
			}
			continue
		}
		if f.ParseCut(line, r.second()) {
			r.agree(r.other)
		}
	}
	return first
}

// agree makes every value of r Unsure that other does not have as well.
func (r *Record) agree(other *Record) {
	for i := range r.Values {
		v := &r.Values[i]
		if v.State&Present == 0 {
			continue
		}
		same := false
		for j := range other.Values {
			if r.Format.fields[i].Name == other.Format.fields[j].Name && v.equal(&other.Values[j], r.Format.fields[i].Kind) {
				same = true
			}
		}
		if !same {
			*v = Value{State: Unsure}
		}
	}
}

// second returns a record for another reading of the same line.
func (r *Record) second() *Record {
	if r.other == nil {
		r.other = &Record{}
	}
	return r.other
}

// equal reports whether two values of fields of the kind k are the same.
func (v *Value) equal(other *Value, k Kind) bool {
	switch {
	case v.State != other.State:
		return false
	case k == KindInt, k == KindDate:
		return v.Int == other.Int && v.Zone == other.Zone
	default:
		return bytes.Equal(v.Text, other.Text)
	}
}

// defaultLen is `len` of `log` where it is not given.
const defaultLen = 1024

// minCut is where the smallest `len` of `log` cuts, 80 with the LF.
const minCut = 80 - 1

// cutAt reports whether HAProxy may be configured to cut lines at n bytes before the LF: `len` of `log` is 1,024 by
// default, and a round number as a rule. Where the configuration is known it is what that says, or the default, as
// lines may be older than the configuration.
func (f *Format) cutAt(n int) bool {
	n++
	if len(f.maxLens) > 0 {
		return n == defaultLen || slices.Contains(f.maxLens, n)
	}
	return n >= 200 && (n%100 == 0 || n%128 == 0)
}

// doubt takes from r, a record of line, what it would not have if line lacked its end.
func (f *Format) doubt(line []byte, r *Record) {
	if f.parseCut(line, r.second()) < 0 {
		return
	}
	for i := range r.Values {
		if v := &r.Values[i]; i >= r.other.cutField || !v.equal(&r.other.Values[i], f.fields[i].Kind) {
			*v = Value{State: Unsure}
		}
	}
	r.Lone = Value{}
	r.spans = append(r.spans[:0], span{first: 0, last: len(f.nodes), text: line})
}

// findOpenEnd tells whether the last field of a line has no end of its own, so that some of it may be missing.
func (f *Format) findOpenEnd() {
	for i := len(f.nodes) - 1; i >= 0; i-- {
		n := &f.nodes[i]
		switch {
		case n.never:
		case n.blank, n.kind == nodeSep:
			f.openEnd = true
			return
		case n.kind == nodeText, n.shape == shapeDate, n.shape == shapeState, n.wrapped() && n.shape != shapeItems:
			return
		case n.enc == encJSON && n.shape != shapeToken && n.shape != shapeInt && n.shape != shapePort, n.enc > encJSON:
			return
		default:
			f.openEnd = true
			return
		}
	}
}

// disjoint reports whether it is certain that no line is of both formats.
func disjoint(a, b *Format) bool {
	if a.isEvent() || b.isEvent() {
		return false
	}
	for _, x := range a.texts() {
		for _, y := range b.texts() {
			if !disjointTexts(x, y) {
				return false
			}
		}
	}
	return true
}

// disjointTexts is disjoint by the nodes alone. It follows both as long as their fields have
// to end at the same places, and looks for a difference in what is printed between.
func disjointTexts(a, b *Format) bool {
	if lastA, lastB := a.lastBytes(), b.lastBytes(); !lastA.overlaps(&lastB) {
		return true
	}
	rest := [2]string{}
	at := [2]int{}
	for {
		for side, f := range [2]*Format{a, b} {
			for rest[side] == "" && at[side] < len(f.nodes) && f.nodes[at[side]].kind == nodeText {
				rest[side] = f.nodes[at[side]].text
				at[side]++
			}
		}
		if rest[0] != "" && rest[1] != "" {
			n := min(len(rest[0]), len(rest[1]))
			if rest[0][:n] != rest[1][:n] {
				return true
			}
			rest[0], rest[1] = rest[0][n:], rest[1][n:]
			continue
		}
		if rest[0] != "" || rest[1] != "" {
			// One prints a text where the other has a field, or ends.
			side := 0
			if rest[1] != "" {
				side = 1
			}
			other := [2]*Format{b, a}[side]
			i := at[1-side]
			if i >= len(other.nodes) {
				return true
			}
			next := after(other.nodes, i-1)
			return !next.has(rest[side][0])
		}
		switch endA, endB := at[0] == len(a.nodes), at[1] == len(b.nodes); {
		case endA && endB:
			return false
		case endA || endB:
			open, i := a, at[0]
			if endA {
				open, i = b, at[1]
			}
			next := after(open.nodes, i-1)
			return !next.end
		}
		x, y := &a.nodes[at[0]], &b.nodes[at[1]]
		if !x.sameExtent(y) || !delimited(a.nodes, at[0]) || !delimited(b.nodes, at[1]) {
			firstA, firstB := after(a.nodes, at[0]-1), after(b.nodes, at[1]-1)
			return !firstA.overlaps(&firstB)
		}
		at[0]++
		at[1]++
	}
}

// lastBytes returns the bytes that a line of f can end with, and more where that is hard to tell.
func (f *Format) lastBytes() (s byteSet) {
	for i := len(f.nodes) - 1; i >= 0; i-- {
		n := &f.nodes[i]
		switch {
		case n.kind == nodeText:
			s.add(n.text[len(n.text)-1])
			return s
		case n.kind == nodeSep:
			s.add(' ')
			continue
		case n.enc == encNone && n.shape == shapeText && n.wrapped():
			s.add('"')
		case n.enc == encNone && (n.shape == shapeText || n.plainInt()):
			s.addClass(n.class)
			if n.shape != shapeText {
				s.addClass(classDigit)
			}
			if n.quoted {
				s.add('"')
			}
			if n.dashed {
				s.add('-')
			}
		default:
			s.addClass(classAny)
		}
		if !n.blank {
			return s
		}
	}
	s.end = true
	return s
}

// sameExtent reports whether n and other, at the same place of a line, end at the same place as far as they are fields
// that end where what follows begins.
func (n *node) sameExtent(other *node) bool {
	numbers := n.plainInt() && other.plainInt() && n.plus == other.plus && n.dashed == other.dashed && n.enc == other.enc
	return n.kind == nodeField && other.kind == nodeField && !n.blank && !other.blank && n.quoted == other.quoted &&
		n.escaped == other.escaped && n.hex == other.hex && n.zoned == other.zoned && n.enc == encNone &&
		(numbers || n.shape == other.shape && n.class == other.class && n.width == other.width)
}

// delimited reports whether the field at node i ends at the first byte that cannot be its own.
func delimited(nodes []node, i int) bool {
	n := &nodes[i]
	follow := after(nodes, i)
	switch n.shape {
	case shapeDate, shapeState:
		return true
	case shapeInt, shapePort:
		return !n.hex && !follow.meets(classDigit)
	case shapeText:
		return !n.quoted && !n.escaped && n.class != classAny && !follow.meets(n.class)
	case shapeAddr:
		// An address and a port: the last colon ends the address.
		return !n.quoted && !n.hex && i+2 < len(nodes) && nodes[i+1].kind == nodeText &&
			(!follow.meets(classAddr) || strings.HasPrefix(nodes[i+1].text, ":") && fieldOp(nodes, i) == opAddrColon)
	default:
		return false
	}
}
