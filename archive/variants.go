package archive

import "github.com/loghaul/loghaul/parser"

// Frontends that write the same log-format string but capture different
// headers have formats of one name. Their columns are the same, and a line is
// rendered from its fields whatever is captured: so one plan reads them all,
// with a format that knows no captures. Which of the formats a row has is told
// by its fields.

// join gives the plan for both a and b, which have one name. a may be nil.
func join(a, b *plan) *plan {
	if a == nil {
		return b
	}
	if a.variants == nil {
		all := *a
		all.variants = []*parser.Format{a.format}
		all.format = withoutCaptures(a.format)
		a = &all
	}
	a.variants = append(a.variants, b.format)
	return a
}

func withoutCaptures(f *parser.Format) *parser.Format {
	plain, err := parser.Compile(f.Name())
	if err != nil || plain.Spec() != f.Spec() {
		if plain, err = parser.Compile(f.Spec()); err != nil {
			return f // it compiled with captures: this cannot be
		}
	}
	return plain
}

// variantOf gives the format of a record: the first one that captures as many
// headers as the record has.
func (p *plan) variantOf(r *parser.Record) *parser.Format {
	for _, f := range p.variants {
		if fits(f, r) {
			return f
		}
	}
	return p.format
}

// fits reports whether a record can be of a proxy that captures what f says.
// HAProxy prints all slots of a side, and both sides or, without a stream, none.
func fits(f *parser.Format, r *parser.Record) bool {
	c := f.Captures()
	if c == nil {
		return true
	}
	request, response := int64(len(c.Request)), int64(len(c.Response))
	if r.Lone.State&parser.Present != 0 {
		return (request == 0) != (response == 0) && r.Lone.Int == request+response
	}
	none, same := true, true
	for i, field := range f.Fields() {
		var want int64
		switch field.Alias {
		case "hr", "hrl":
			want = request
		case "hs", "hsl":
			want = response
		default:
			continue
		}
		n := int64(0)
		if v := &r.Values[i]; v.State&parser.Present != 0 {
			n = v.Int
		}
		none, same = none && n == 0, same && n == want
	}
	return none || same
}
