package parser

import (
	"bytes"
	"strconv"
	"strings"
)

// maxSamples bounds the lines that are tried for one format, and maxSampled the time for formats of many nodes: what
// reading a line costs grows with their square.
const (
	maxSamples = 4000
	maxSampled = 20_000_000
)

// sampler makes lines of a format: usual ones, ones without some of the values, and ones where a value looks like what
// is printed after it. They are what Ambiguities and Overlaps search; a proof they are not.
type sampler struct {
	f    *Format
	base []Value // a usual record
	r    Record
	left int
	emit func(line []byte)
	line []byte
}

// samples calls emit for lines of f. The line is valid during the call.
func (f *Format) samples(emit func(line []byte)) {
	if f.isEvent() {
		for i := range events {
			emit([]byte(sampleEvent.Replace(events[i].pattern)))
		}
		return
	}
	for i := range f.others {
		f.others[i].format.samples(emit)
	}
	s := &sampler{f: f, left: min(maxSamples, 10+maxSampled/(len(f.nodes)*len(f.nodes))), emit: emit}
	for i := range f.nodes {
		if n := &f.nodes[i]; n.kind == nodeField {
			s.base = append(s.base, n.usual(n.field))
		}
	}
	s.print(nil)
	s.without()
	s.alike()
}

// sampleEvent fills in what a pattern of events leaves open.
var sampleEvent = strings.NewReplacer( //nolint:gochecknoglobals // a constant
	"%[backup ]", "", "%[Backup ]", "Backup ", "%[forced ]", "", "%[conditionally ]", "", "%[tproxy ]", "", "%[http ]", "http ", "%[tcp ]", "",
	"%[sample-fetch]%[converter]%[function]%[filter]%[action]%[cli]", "action",
	"%b", "be", "%s", "srv", "%S", "UP", "%k", "frontend", "%d", "12", "%q", "text", "%*", ", any", "%.", ".")

// print prints the usual record with what change makes of it.
func (s *sampler) print(change func(values []Value)) {
	if s.left--; s.left < 0 {
		return
	}
	s.r.Reset(s.f)
	copy(s.r.Values, s.base)
	if change != nil {
		change(s.r.Values)
	}
	s.line = s.f.Append(s.line[:0], &s.r)
	s.emit(s.line)
}

// without leaves values out: one, all but one, two, all.
func (s *sampler) without() {
	var missing []*node
	for i := range s.f.nodes {
		if n := &s.f.nodes[i]; n.kind == nodeField && (n.absent || n.blank) {
			missing = append(missing, n)
		}
	}
	none := func(n *node) Value {
		if n.absent {
			return Value{}
		}
		return Value{State: Present} // an empty text
	}
	all := func(values []Value) {
		for _, n := range missing {
			values[n.field] = none(n)
		}
	}
	s.print(all)
	for i, n := range missing {
		s.print(func(values []Value) { values[n.field] = none(n) })
		s.print(func(values []Value) { all(values); values[n.field] = s.base[n.field] })
		for _, other := range missing[:min(i, 12)] {
			s.print(func(values []Value) { values[n.field], values[other.field] = none(n), none(other) })
		}
	}
}

// alike gives each text values that look like what surrounds it.
func (s *sampler) alike() {
	const far = 12 // nodes that a text may look like
	for i := range s.f.nodes {
		n := &s.f.nodes[i]
		if n.kind != nodeField {
			continue
		}
		switch n.shape {
		case shapeText, shapeCookie, shapeBlock, shapeItems:
		default:
			continue
		}
		own := s.base[n.field].Text
		try := func(text []byte, items int64) {
			if n.admits(text) {
				s.print(func(values []Value) { values[n.field].Text, values[n.field].Int = bytes.Clone(text), items })
			}
		}
		if n.shape == shapeItems || n.shape == shapeBlock {
			for _, text := range []string{"h", "h|i|j", "h i|j", "", "-"} {
				try([]byte(text), int64(strings.Count(text, "|")+1))
			}
			continue
		}
		if n.shape == shapeText {
			try([]byte("-"), 0)
		}
		for j := i + 1; j < min(len(s.f.nodes), i+far); j++ {
			after := s.text(i+1, j+1)
			if n.wrapped() {
				after = append([]byte{'"'}, bytes.TrimSuffix(after, []byte{'"'})...)
			}
			try(append(bytes.Clone(own), after...), 0)
			try(append(append(bytes.Clone(own), after...), own...), 0)
		}
		for j := max(0, i-far); j < i && n.shape == shapeText; j++ {
			before := s.text(j, i)
			if n.wrapped() {
				before = append(bytes.TrimPrefix(before, []byte{'"'}), '"')
			}
			try(append(before, own...), 0)
		}
	}
}

// text returns what the usual record prints for the nodes i to j.
func (s *sampler) text(i, j int) []byte {
	var dst []byte
	for ; i < j; i++ {
		n := &s.f.nodes[i]
		switch n.kind {
		case nodeText:
			dst = append(dst, n.text...)
		case nodeSep:
			if len(dst) == 0 || dst[len(dst)-1] != ' ' {
				dst = append(dst, ' ')
			}
		case nodeField:
			dst = n.appendValue(dst, &s.base[n.field], &s.r.dates)
		}
	}
	return dst
}

// admits reports whether HAProxy may print text for n.
func (n *node) admits(text []byte) bool {
	k := n.class
	switch n.shape {
	case shapeCookie:
		k = classAny
	case shapeBlock, shapeItems:
		for _, c := range text {
			if c != '|' && classes[c]&classHeader == 0 {
				return false
			}
		}
		return true
	default:
	}
	return runEnd(text, 0, k) == len(text) && len(text) <= maxSolve/16
}

// usual returns a usual value for n. k tells it from those of other fields.
func (n *node) usual(k int) Value {
	v := Value{State: Present}
	number := strconv.Itoa(k % 100)
	switch n.shape {
	case shapeInt, shapePort:
		v.Int = 1000 + int64(k)%1000
	case shapeMilli:
		v.Int = int64(k) % 1000
	case shapeDate:
		v.Int = 1_700_000_000_000 + int64(k)*1000
	case shapeAddr:
		v.Text, v.Int, v.State = []byte("10.0.0."+number), 10<<24|int64(k%100), Present|IPv4
	case shapeState:
		v.Text = []byte("----")[:n.width]
	case shapeCookie:
		v.Text = []byte("C" + number + "=v")
	case shapeBlock, shapeItems:
		v.Text, v.Int = []byte("h"+number), 1
		if n.items > 0 {
			v.Text, v.Int = []byte(strings.Repeat("|h", n.items)[1:]), int64(n.items)
		}
	default:
		for _, text := range [...]string{"v" + number, number, "A" + number, "TLSv1." + number} {
			if v.Text = []byte(text); n.admits(v.Text) {
				break
			}
		}
		switch n.class {
		case classPrint:
			v.Text = []byte("GET /" + number + " HTTP/1.1")
		case classFrontend:
			v.Text = append(v.Text, '~') // so that what needs TLS may have a value
		default:
		}
	}
	return v
}
