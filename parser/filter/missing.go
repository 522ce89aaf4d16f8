package filter

import (
	"slices"

	"github.com/loghaul/loghaul/parser"
)

// Missing gives the names of the fields that f asks for and that no line of the formats can have, in the order in which
// they are written: a header that is not captured, or whose captures are not known, an alias that is not printed. Tests
// of them are the same for every line, which whoever wrote the filter should be told.
func (f *Filter) Missing(formats []*parser.Format) (names []string) {
	for c := range f.clause.tests {
		x := expander{scanner: &scanner{}}
		tree, err := x.expand(c)
		if err != nil || slices.Contains(names, c.field.Name) { // it was expanded before
			continue
		}
		missing := true
		for t := range tree.Tests {
			for _, format := range formats {
				have, _ := columnsOf(format)
				if accessOf(t.Field, format, have).kind != nowhere {
					missing = false
				}
			}
		}
		if missing {
			names = append(names, c.field.Name)
		}
	}
	return names
}

// tests calls yield for each test in c.
func (c *clause) tests(yield func(*clause) bool) { c.walk(yield) }

func (c *clause) walk(yield func(*clause) bool) bool {
	if c.kind == test {
		return yield(c)
	}
	for _, sub := range c.subs {
		if !sub.walk(yield) {
			return false
		}
	}
	return true
}
