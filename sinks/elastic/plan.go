package elastic

import (
	"slices"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// plan is how the records of one format become documents.
type plan struct {
	prefix string // the members that all of them have
	steps  []step
	tcp    bool            // no %Ta: the duration is %Tt
	failed bool            // a connection that did not come to a request
	lone   *step           // for the only block of a line, nil if it is hidden
	labels map[string]bool // the steps that go to a field below labels
	hides  bool            // something is dropped or masked, and so the line itself is left out
	hide   *hiding         // nil if nothing is
	masked []byte          // memory for masked values
}

// step is how a field of a format goes into documents.
type step struct {
	index int
	key   string // ,"name":
	bit   uint32
	emit  emit
	// names are all fields that it may write, the one of key first.
	names   []string
	headers []header // of a list whose items are known
	hidden  hidden
}

func newStep(index int, t target, web bool) step {
	s := step{index: index, key: `,"` + t.name + `":`, bit: sharedBits()[t.name], emit: t.emit}
	s.names = append([]string{t.name}, derived(t.name)...)
	if web {
		switch t.name {
		case "haproxy.bytes_read":
			s.names = append(s.names, "http.response.bytes")
		case "haproxy.bytes_uploaded":
			s.names = append(s.names, "http.request.bytes")
		}
	}
	return s
}

// newPlan makes the plan of a format without what hide, which may be nil, says.
func newPlan(f *parser.Format, hide *hiding) *plan {
	kind := "connection"
	if f.Name() == parser.EventFormat {
		kind = "info"
	}
	p := &plan{
		prefix: `,"loghaul.format":` + string(appendString(nil, []byte(f.Name()))) + `,"event.kind":"event","event.type":["` + kind + `"]`,
		tcp:    true, failed: f.Name() == "error", labels: map[string]bool{}, hide: hide, hides: hide != nil,
	}
	known, used := targets(), map[string]bool{}
	web := slices.ContainsFunc(f.Fields(), webField)
	for i := range f.Fields() {
		field := &f.Fields()[i]
		if field.Alias == "Ta" {
			p.tcp = false
		}
		t, ok := known[orElse(field.Alias, field.Expr)]
		ok = ok && !field.Truth // whether it is 0, not the number
		h, captured := capturedHeader(f, field)
		switch {
		case captured:
			t = h.target()
		case ok && field.Alias == "message" && f.Name() == parser.EventFormat: // no error, and in the field message anyway
			continue
		case ok:
		case field.Kind == parser.KindDate, field.Alias == "Ts", field.Alias == "ms":
			continue
		default:
			t = target{labelName(field.Name), emitText}
			p.labels[t.name] = true
		}
		s := newStep(i, t, web)
		if captured {
			s.headers, s.names = []header{h}, h.names()
		} else if field.Kind == parser.KindList {
			s.headers = listHeaders(f, field)
			for i := range s.headers {
				h := &s.headers[i]
				if used[h.field()] {
					h.name = "" // another field has written it
				}
				used[h.field()] = true
				s.names = append(s.names, h.names()...)
			}
		}
		same := "%" + orElse(field.Alias, field.Expr)
		if used[same] || used[t.name] && s.bit == 0 {
			continue // the same field again
		}
		used[same], used[t.name] = true, true
		if s.hidden = hide.of(f, field); s.hidden.whole != methodDrop {
			p.steps = append(p.steps, s)
		}
	}
	if !hide.hasHeaders() {
		lone := newStep(-1, target{"haproxy.http.captured_headers", emitList}, web)
		p.lone = &lone
	}
	return p
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// webField tells the fields that only HTTP has.
func webField(f parser.Field) bool {
	switch f.Alias {
	case "ST", "r", "HM", "HV", "HU", "HP", "HPO", "HQ", "TR", "Tr", "tsc", "CC", "CS":
		return true
	}
	return false
}

// labelName is the field of a value that has no name of its own. A dot in it
// would make an object, and two of them could contradict each other.
func labelName(name string) string { return "labels." + plainName(name) }

func plainName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	return clean[:min(len(clean), 100)]
}

// append writes the fields of a record.
func (p *plan) append(w *writer, r *parser.Record) {
	w.b = append(w.b, p.prefix...)
	for i := range p.steps {
		s := &p.steps[i]
		v := &r.Values[s.index]
		if v.State&parser.Present == 0 {
			continue
		}
		if s.hidden.any {
			p.appendMasked(w, s, v)
			continue
		}
		s.emit(w, s, v)
		if p.tcp && s.key == keyTotal {
			appendDuration(w, v)
		}
	}
	if r.Lone.State&parser.Present != 0 && p.lone != nil {
		// The line does not say whether the request or the response has them.
		emitList(w, p.lone, &r.Lone)
	}
	p.finish(w, r)
}

// finish writes what several fields together tell.
func (p *plan) finish(w *writer, r *parser.Record) {
	if w.sni[1] > 0 {
		sni := w.b[w.sni[0]:w.sni[1]]
		w.b = append(append(w.b, `,"destination.domain":`...), sni...)
		if w.web && w.once(`,"url.domain":`, bitDomain) {
			w.b = append(w.b, sni...)
		}
		w.hosts = append(w.hosts, w.sni)
	}
	if w.web {
		if w.read >= 0 {
			w.b = append(w.b, `,"http.response.bytes":`...)
			w.int(w.read)
		}
		if w.sent >= 0 {
			w.b = append(w.b, `,"http.request.bytes":`...)
			w.int(w.sent)
		}
		w.b = append(w.b, `,"event.category":["web"]`...)
	} else {
		w.b = append(w.b, `,"event.category":["network"]`...)
	}
	if p.failed {
		w.b = append(w.b, `,"event.outcome":"failure"`...)
	}
	if w.asap {
		w.b = append(w.b, `,"haproxy.asap":true`...)
	}
	if r.Truncated {
		w.b = append(w.b, `,"haproxy.truncated":true`...)
	}
	if len(w.ips) > 0 {
		w.list(`,"related.ip":`, w.ips)
	}
	if len(w.hosts) > 0 {
		w.list(`,"related.hosts":`, w.hosts)
	}
}
