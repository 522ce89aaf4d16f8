package filter

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// String gives the filter as it was written, with the canonical names of fields, and with quotes and parentheses only
// where they are needed. Parse makes an equal filter of it.
func (f *Filter) String() string {
	var b strings.Builder
	f.clause.print(&b)
	return b.String()
}

func (c *clause) print(b *strings.Builder) {
	switch c.kind {
	case test:
		c.printTest(b)
	case none:
		b.WriteString("not ")
		c.subs[0].printInner(b, c.subs[0].kind == all || c.subs[0].kind == either)
	case all:
		for i, sub := range c.subs {
			if i > 0 {
				b.WriteByte(' ')
			}
			sub.printInner(b, sub.kind == either)
		}
	case either:
		for i, sub := range c.subs {
			if i > 0 {
				b.WriteString(" or ")
			}
			sub.print(b)
		}
	}
}

func (c *clause) printInner(b *strings.Builder, parentheses bool) {
	if !parentheses {
		c.print(b)
		return
	}
	b.WriteByte('(')
	c.print(b)
	b.WriteByte(')')
}

func (c *clause) printTest(b *strings.Builder) {
	b.WriteString(c.field.Name)
	b.WriteString(c.op.text)
	for i, v := range c.values {
		if i > 0 {
			b.WriteByte(',')
		}
		if v.text == "*" && !v.quoted || v.bare(len(c.values) > 1 && !c.field.namelike() && c.field.Type == Text) {
			b.WriteString(v.text)
			continue
		}
		b.WriteString(quote(v.text))
	}
}

// bare reports whether v needs no quotes. Several values of a text that is no name do.
func (v *value) bare(several bool) bool {
	if several || v.text == "" || v.text[0] == '=' || v.text[0] == '~' || !utf8.ValidString(v.text) {
		return false
	}
	for i := range len(v.text) {
		switch c := v.text[i]; {
		case c <= ' ', c == 127, c == ',', c == '(', c == ')', c == '"', c == '\'', c == '*':
			return false
		}
	}
	return true
}

// quote puts a text between double quotes.
func quote(text string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"), r < ' ', r == 127:
			b.WriteString(`\x`)
			b.WriteByte(hex[text[i]>>4])
			b.WriteByte(hex[text[i]&15])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// String gives the test in the language, for people: which test of a tree it is that did something.
func (t *Test) String() string {
	var values []string
	for _, r := range t.ranges {
		values = append(values, t.printRange(r))
	}
	for _, text := range t.texts {
		v := value{text: string(text)}
		if v.bare(len(t.texts) > 1 && !t.Field.namelike()) {
			values = append(values, v.text)
		} else {
			values = append(values, quote(v.text))
		}
	}
	for i := range t.addresses {
		values = append(values, t.addresses[i].String())
	}
	if t.Compare == Present {
		values = []string{"*"}
	}
	op, not := "=", ""
	switch t.Compare {
	case Contains:
		op = "~"
	case HasPrefix, HasSuffix:
		op = map[Compare]string{HasPrefix: "^=", HasSuffix: "$="}[t.Compare]
		if t.Not {
			not = "not "
		}
	case Present, InRanges, IsAddress, Equal:
	}
	if t.Not && not == "" {
		op = "!" + op
	}
	if t.Fold {
		op += "*" // of Contains, and of what ~* of a combined field is made of
	}
	return not + t.Field.Name + op + strings.Join(values, ",")
}

func (t *Test) printRange(r Range) string {
	text := ""
	switch {
	case t.Field.Type != Bool:
	case r.Min < r.Max:
		return "false,true"
	default:
		return strconv.FormatBool(r.Min == 1)
	}
	if r.Min > math.MinInt64 {
		text = strconv.FormatInt(r.Min, 10)
	}
	if r.Min == r.Max {
		return text
	}
	text += ".."
	if r.Max < math.MaxInt64 {
		text += strconv.FormatInt(r.Max, 10)
	}
	return text
}

// String gives the network as an address with its bits, or as an address.
func (n *network) String() string {
	addr, bits := netip.AddrFrom16(n.ip), n.bits
	if n.unix {
		return "unix"
	}
	if n.mapped() {
		addr, bits = addr.Unmap(), bits-96
	}
	if bits == addr.BitLen() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, bits).String()
}
