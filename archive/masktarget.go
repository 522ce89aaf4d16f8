package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// maskable are the aliases that may tell something about a client, and the
// names by which they are masked. Numbers, names of proxies and the like
// are left out: their columns would be of no use.
var maskable = map[string]string{ //nolint:gochecknoglobals // a constant table
	"ci": "ci", "fi": "fi", "bi": "bi", "si": "si", "CC": "CC", "CS": "CS", "ID": "ID",
	"hr": "hr", "hrl": "hr", "hs": "hs", "hsl": "hs",
	"r": "r", "HU": "HU", "HP": "HP", "HPO": "HP", "HQ": "HQ",
}

// target is what of a field is masked, by which methods. "" is not at all.
type target struct {
	value       string   // the value; of a cookie, what follows its name
	path, query string   // of a request, a URI, a path or a query
	items       []string // of a list, in order; nil if nobody knows what they are
	others      string   // those of a list that items does not have
}

func (t *target) none() bool {
	return t.value == "" && t.path == "" && t.query == "" && t.others == "" && !slices.ContainsFunc(t.items, func(m string) bool { return m != "" })
}

// item gives the method for item i of a list.
func (t *target) item(i int) string {
	if i < len(t.items) {
		return t.items[i]
	}
	return t.others
}

// maskedFormat is a format with what is masked of its fields.
type maskedFormat struct {
	targets []target // one for each field
	// lone is for the only block of a line that may have two.
	lone target
}

// newMaskedFormat notes in used which of masks the format has fields for.
func newMaskedFormat(f *parser.Format, masks []Mask, used map[string]bool) maskedFormat {
	m := maskedFormat{targets: make([]target, len(f.Fields()))}
	fields := f.Fields()
	for i := range fields {
		field, t := &fields[i], &m.targets[i]
		for _, mask := range masks {
			if t.add(f, field, mask) {
				used[mask.Field] = true
			}
		}
		if name := maskable[field.Alias]; name == "hr" || name == "hs" {
			m.addLone(f, name, t)
		}
	}
	return m
}

// addLone takes in the target of one of the two blocks. Where it is not known
// whose the only one is, all of it is masked that may have to be.
func (m *maskedFormat) addLone(f *parser.Format, name string, t *target) {
	if c := f.Captures(); c != nil {
		if mine := map[string][]string{"hr": c.Request, "hs": c.Response}[name]; len(mine) > 0 {
			m.lone = *t
		}
		return
	}
	if m.lone.others == "" {
		m.lone.others = t.others
	}
}

// add takes in a mask if it is for the field.
func (t *target) add(f *parser.Format, field *parser.Field, mask Mask) bool {
	name := maskable[field.Alias]
	want := mask.Field
	if w := maskable[want]; w != "" {
		want = w
	}
	set := func(method *string) bool {
		if *method == "" {
			*method = mask.Method
		}
		return true
	}
	switch {
	case field.Alias == "":
		if mask.Field == field.Name || mask.Field == field.Expr || capturedIn(f, field.Expr, want) {
			return set(&t.value)
		}
	case name == "hr" || name == "hs":
		return t.addItems(f, name, want, mask.Method)
	case field.Kind == parser.KindRequest, name == "HU":
		switch want {
		case "r", "HU":
			set(&t.path)
			return set(&t.query)
		case "HP":
			return set(&t.path)
		case "HQ":
			return set(&t.query)
		}
	case name == "HP" && (want == "HP" || want == "HU" || want == "r"):
		return set(&t.path)
	case name == "HQ" && (want == "HQ" || want == "HU" || want == "r"):
		return set(&t.query)
	case name != "" && name == want:
		return set(&t.value)
	}
	return false
}

// addItems takes in a mask for headers that are captured on one side.
func (t *target) addItems(f *parser.Format, side, want, method string) bool {
	prefix := map[string]string{"hr": "req.", "hs": "res."}[side]
	header, named := strings.CutPrefix(want, prefix)
	if want != side && !named {
		return false
	}
	c := f.Captures()
	if c == nil { // it may be any of them
		if t.others == "" {
			t.others = method
		}
		return true
	}
	names := map[string][]string{"hr": c.Request, "hs": c.Response}[side]
	if t.items == nil {
		t.items = make([]string, len(names))
	}
	found := want == side
	if found {
		t.others = method
	}
	for i, name := range names {
		switch {
		case named && strings.EqualFold(name, header):
			t.items[i] = method // it was named, which counts more
			found = true
		case !named && t.items[i] == "":
			t.items[i] = method
		}
	}
	return found
}

// capturedIn reports whether an expression prints a captured header that a mask
// names, or may.
func capturedIn(f *parser.Format, expr, want string) bool {
	for side, prefix := range map[string]string{"hr": "req.", "hs": "res."} {
		rest, ok := strings.CutPrefix(expr, "capture."+prefix+"hdr(")
		if !ok {
			continue
		}
		header, named := strings.CutPrefix(want, prefix)
		if want == side {
			return true
		}
		c := f.Captures()
		if !named || c == nil {
			return named
		}
		names := map[string][]string{"hr": c.Request, "hs": c.Response}[side]
		number, _, _ := strings.Cut(rest, ")")
		i, err := strconv.Atoi(number)
		return err == nil && i >= 0 && i < len(names) && strings.EqualFold(names[i], header)
	}
	return false
}

// check says what is wrong with a mask. used says that some format has the
// field.
func (m *Mask) check(formats []*parser.Format, used bool) error {
	name := maskable[m.Field]
	if m.Method == MaskTruncate {
		switch name {
		case "CC", "CS", "ID", "r", "HU", "HP", "HQ":
			return fmt.Errorf("%s: %s is for addresses, and headers and expressions that hold some: write %s", m.Field, MaskTruncate, MaskHash)
		}
	}
	if used {
		return nil
	}
	known := []string{"ci", "fi", "bi", "si", "CC", "CS", "ID", "hr", "hs", "r", "HU", "HP", "HQ", "req.NAME", "res.NAME"}
	for _, f := range formats {
		fields := f.Fields()
		for i := range fields {
			if fields[i].Alias == "" && !slices.Contains(known, fields[i].Name) {
				known = append(known, fields[i].Name)
			}
		}
	}
	return fmt.Errorf("%s: no format has such a field that can be masked: write one of %s", m.Field, strings.Join(known, ", "))
}
