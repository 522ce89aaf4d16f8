package parser

import (
	"slices"
	"strings"
)

// Suggest returns a log-format string with the same fields and no Ambiguities, made of f's by adding +Q and +E and
// literals between fields. It is empty if f has none, or if that does not help.
func (f *Format) Suggest() string {
	if slices.ContainsFunc(f.fields, func(x Field) bool { return findAlias(x.Alias, false) == nil && x.Alias != "" }) {
		return "" // HAProxy writes it by itself
	}
	g := f
	for range 6 {
		found := g.Ambiguities()
		if len(found) == 0 {
			if g == f {
				return ""
			}
			return g.spec
		}
		spec := g.amend(found)
		if spec == g.spec {
			return ""
		}
		next, err := CompileWith(spec, Options{Captures: f.captures})
		if err != nil {
			return ""
		}
		g = next
	}
	return ""
}

// amend changes the log-format string where the ambiguities are.
func (f *Format) amend(found []Ambiguity) string {
	bars := map[*node]bool{} // a literal before it
	var nodes []*node
	for _, a := range found {
		quoted := false
		for _, n := range a.nodes {
			quoted = quoted || n.lacks() && !n.list()
		}
		for i, n := range a.nodes {
			nodes = append(nodes, n)
			// What is in quotes needs no literal; two lists do, as do fields that have no quotes.
			if i > 0 && (!quoted || n.list() && a.nodes[i-1].list()) {
				bars[n] = true
			}
		}
	}
	slices.SortFunc(nodes, func(x, y *node) int { return y.pos - x.pos })
	spec := f.spec
	for _, n := range slices.Compact(nodes) {
		if n.lacks() {
			spec = addFlags(spec, n.pos, n.wants())
		}
		if bars[n] {
			spec = strings.TrimSuffix(spec[:n.pos], " ") + "|" + spec[n.pos:]
		}
	}
	return spec
}

// addFlags gives the item at spec[pos:] flags.
func addFlags(spec string, pos int, flags string) string {
	p := pos + 1
	if strings.HasPrefix(spec[p:], "(") {
		p += strings.IndexByte(spec[p:], ')') + 1
	}
	before := ""
	rest := spec[p:]
	if strings.HasPrefix(rest, "{") {
		before, rest, _ = strings.Cut(rest[1:], "}")
	}
	for flag := range strings.SplitSeq(before, ",") {
		if flag != "" && !strings.Contains(flags, flag[1:]) { // not one of these, nor its opposite
			flags = flag + "," + flags
		}
	}
	return spec[:p] + "{" + flags + "}" + rest
}

// SuggestJSON returns f's fields as a log-format string that prints JSON, which leaves nothing open (HAProxy 3.0 and
// later). It is empty for a format that HAProxy writes by itself.
func (f *Format) SuggestJSON() string {
	var b strings.Builder
	b.WriteString("%{+json}o")
	for i := range f.fields {
		field := &f.fields[i]
		if field.Alias != "" && findAlias(field.Alias, false) == nil {
			return ""
		}
		b.WriteString(" %(" + jsonName(field.Name) + ")")
		if field.Alias == "" {
			b.WriteString("[" + field.Expr + "]")
		} else {
			b.WriteString(field.Alias)
		}
	}
	return b.String()
}

// jsonName makes a name of what may be the text of an expression.
func jsonName(s string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c < 128 && (isAlnum(byte(c)) || c == '_' || c == '-') {
			return c
		}
		return '_'
	}, s), "_")
}
