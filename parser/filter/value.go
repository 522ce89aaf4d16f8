package filter

import (
	"math"
	"net/netip"
	"strings"
)

// test makes the test of a clause, for a field that is no combined one.
func (x *expander) test(c *clause) (*Node, error) {
	t := &Test{Field: c.field, Compare: c.op.compare, Fold: c.op.fold, Not: c.op.not}
	present, err := x.present(c)
	switch {
	case err != nil:
		return nil, err
	case present:
		t.Compare = Present
	case c.field.Type == Bool:
		err = x.truth(t, c)
	case c.field.Type != Text && c.field.Type != Address:
		err = x.numbers(t, c, units(c.field.Type))
	case c.op.compare == InRanges:
		if !c.field.numeric() {
			return nil, x.errorf(c.pos, "%s is no number: %s cannot be compared with %s; want one of = != ~ !~ ~* !~* ^= $=", c.field.Name, c.field.Name, c.op.text)
		}
		err = x.numbers(t, c, nil)
	case c.field.Type == Address && c.op.compare == Equal:
		t.Compare = IsAddress
		err = x.networks(t, c)
	default:
		err = x.texts(t, c)
	}
	if err != nil {
		return nil, err
	}
	return x.leaf(t), nil
}

// present reports whether c asks for a field that is there, =*, and finds other stars that mean something elsewhere.
func (x *expander) present(c *clause) (bool, error) {
	for _, v := range c.values {
		star := strings.IndexByte(v.text, '*')
		switch {
		case v.quoted || star < 0:
		case v.text == "*" && c.op.compare == Equal && len(c.values) == 1:
			return true, nil
		case v.text == "*" && c.op.compare == Equal:
			return false, x.errorf(v.pos, "* is any value, so that no other may stand beside it; the text * needs quotes")
		default:
			return false, x.errorf(v.pos+star, "a * in a value needs quotes; it is no wildcard: ^= asks for what a value begins with, $= for its end, ~ for a part")
		}
	}
	return false, nil
}

// texts fills in the values of a test of texts.
func (x *expander) texts(t *Test, c *clause) error {
	for _, v := range c.values {
		if err := x.checkText(c, &v); err != nil {
			return err
		}
		t.texts = append(t.texts, textOf(&v, t.Fold))
	}
	return nil
}

// checkText finds values that cannot be meant.
func (x *expander) checkText(c *clause, v *value) error {
	f := c.field
	switch {
	case v.text == "" && c.op.compare != Equal:
		return x.errorf(v.pos, "nothing is in every value; %s=* asks for any", f.Name)
	case f.Header() && c.op.compare == Equal && (v.text == "" || v.text == "-"):
		return x.errorf(v.pos, "a header that was not there prints \"\" or \"-\"; ask with %s!=*", f.Name)
	case f.Column == "http_path" && strings.Contains(v.text, "?"):
		return x.errorf(v.pos, "a path has no question mark; HU is the path and the query")
	case f.Cut > 0 && len(v.text) > f.Cut:
		return x.errorf(v.pos, "%s has %d letters; tsc has all of the termination state", f.Name, f.Cut)
	case len(c.values) > 1 && !v.quoted && !f.namelike():
		return x.errorf(v.pos, "a comma stands between several values, each of which needs quotes here; if it is part of one, put that in quotes")
	}
	return nil
}

func textOf(v *value, fold bool) []byte {
	text := []byte(v.text)
	if fold {
		for i, c := range text {
			text[i] = lower(c)
		}
	}
	return text
}

func (x *expander) truth(t *Test, c *clause) error {
	if c.op.compare != Equal {
		return x.errorf(c.pos, "%s is true or false; want = or !=, not %s", c.field.Name, c.op.text)
	}
	t.Compare = InRanges
	for _, v := range c.values {
		switch v.text {
		case "true":
			t.ranges = append(t.ranges, Range{1, 1})
		case "false":
			t.ranges = append(t.ranges, Range{0, 0})
		default:
			return x.errorf(v.pos, "%s is true or false, not %s", c.field.Name, show(v.text))
		}
	}
	t.ranges = mergeRanges(t.ranges)
	return nil
}

// numbers fills in the ranges of a test of numbers.
func (x *expander) numbers(t *Test, c *clause, units []unit) error {
	if c.op.compare != Equal && c.op.compare != InRanges {
		return x.errorf(c.pos, "%s is a %s; want one of = != < <= > >=, not %s", c.field.Name, c.field.Type, c.op.text)
	}
	t.Compare = InRanges
	if c.op.compare == InRanges {
		if len(c.values) > 1 {
			return x.errorf(c.values[1].pos, "%s takes one value; several stand behind =", c.op.text)
		}
		n, err := x.number(c, c.values[0].pos, c.values[0].text, units)
		if err != nil {
			return err
		}
		t.ranges = c.op.span(n)
		return nil
	}
	for _, v := range c.values {
		r, err := x.numberRange(c, &v, units)
		if err != nil {
			return err
		}
		t.ranges = append(t.ranges, r)
	}
	t.ranges = mergeRanges(t.ranges)
	return nil
}

// span gives the numbers that o compares with n, if there are any.
func (o *operator) span(n int64) []Range {
	switch {
	case o.below && o.including:
		return []Range{{math.MinInt64, n}}
	case o.below && n > math.MinInt64:
		return []Range{{math.MinInt64, n - 1}}
	case o.including:
		return []Range{{n, math.MaxInt64}}
	case !o.below && n < math.MaxInt64:
		return []Range{{n + 1, math.MaxInt64}}
	default:
		return nil
	}
}

// numberRange reads 5, 5..7, 5.., ..7 and, of a status, 5xx.
func (x *expander) numberRange(c *clause, v *value, units []unit) (r Range, err error) {
	if c.field.Name == "ST" && len(v.text) == 3 && strings.EqualFold(v.text[1:], "xx") && v.text[0] >= '1' && v.text[0] <= '9' {
		n := int64(v.text[0]-'0') * 100
		return Range{n, n + 99}, nil
	}
	low, high, ranged := strings.Cut(v.text, "..")
	if !ranged {
		n, err := x.number(c, v.pos, v.text, units)
		return Range{n, n}, err
	}
	r = Range{math.MinInt64, math.MaxInt64}
	if low == "" && high == "" {
		return r, x.errorf(v.pos, "want a number before or behind the ..; %s=* asks for any", c.field.Name)
	}
	if low != "" {
		if r.Min, err = x.number(c, v.pos, low, units); err != nil {
			return r, err
		}
	}
	if high != "" {
		if r.Max, err = x.number(c, v.pos, high, units); err != nil {
			return r, err
		}
	}
	if r.Min > r.Max {
		return r, x.errorf(v.pos, "%s ends before it begins; want the smaller number first", show(v.text))
	}
	return r, nil
}

// unit is what may stand behind a number.
type unit struct {
	name  string
	times int64
}

func units(t Type) []unit {
	switch t {
	case Duration:
		return []unit{{"ms", 1}, {"s", 1000}, {"m", 60_000}, {"h", 3_600_000}, {"d", 86_400_000}}
	case Size:
		return []unit{
			{"KiB", 1 << 10},
			{"MiB", 1 << 20},
			{"GiB", 1 << 30},
			{"TiB", 1 << 40},
			{"kB", 1e3},
			{"KB", 1e3},
			{"MB", 1e6},
			{"GB", 1e9},
			{"TB", 1e12},
			{"k", 1e3},
			{"K", 1e3},
			{"M", 1e6},
			{"G", 1e9},
			{"T", 1e12},
			{"B", 1},
		}
	default:
		return nil
	}
}

// number reads a whole number, or with units one that is whole in the smallest of them.
func (x *expander) number(c *clause, pos int, text string, units []unit) (int64, error) {
	digits, times := text, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			digits, times = rest, u.times
			break
		}
	}
	n, ok := scale(digits, times)
	if ok {
		return n, nil
	}
	want := "a whole number"
	switch c.field.Type {
	case Duration:
		want = "a whole number of milliseconds, or one with ms, s, m, h or d, as 150ms or 1.5s"
	case Size:
		want = "a whole number of bytes, or one with k, M, G (thousands) or KiB, MiB, GiB, as 1MiB"
	case Number:
		if c.field.Name == "ST" {
			want = "a number, as 503, a range, as 500..599, or 5xx"
		}
	case Text, Address, Bool:
	}
	return 0, x.errorf(pos, "%s: %s is no value for it; want %s", c.field.Name, show(text), want)
}

// scale reads a number in decimal, perhaps with a fraction, and multiplies it. What comes out must be whole.
func scale(text string, times int64) (int64, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	n, ok := parseNumber([]byte(whole))
	if !ok || dotted && (fraction == "" || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "") {
		return 0, false
	}
	if n > math.MaxInt64/times-1 || n < -math.MaxInt64/times+1 {
		return n, times == 1 && !dotted
	}
	n *= times
	part, ten := int64(0), int64(1)
	for _, c := range fraction {
		part, ten = part*10+int64(c-'0'), ten*10
	}
	if part > math.MaxInt64/times || part*times%ten != 0 {
		return 0, false
	}
	if part = part * times / ten; strings.HasPrefix(whole, "-") {
		part = -part
	}
	return n + part, true
}

// networks fills in the addresses of a test.
func (x *expander) networks(t *Test, c *clause) error {
	for _, v := range c.values {
		if v.text == "unix" {
			t.addresses = append(t.addresses, network{unix: true})
			continue
		}
		prefix, err := netip.ParsePrefix(v.text)
		zone := false
		if !strings.Contains(v.text, "/") {
			var addr netip.Addr
			addr, err = netip.ParseAddr(v.text)
			prefix, zone = netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() != ""
		}
		if err != nil || zone {
			return x.errorf(v.pos, "%s: %s is neither an address nor a network such as 10.2.0.0/16 or 2001:db8::/32; %s^= asks for what it begins with",
				c.field.Name, show(v.text), c.field.Name)
		}
		if masked := prefix.Masked(); masked != prefix {
			return x.errorf(v.pos, "%s has more bits than those of the network; write %s for the network, %s for the address", show(v.text), masked, prefix.Addr())
		}
		t.addresses = append(t.addresses, newNetwork(prefix))
	}
	return nil
}
