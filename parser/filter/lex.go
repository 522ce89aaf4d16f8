package filter

import "strings"

// scanner goes through the text of a filter.
type scanner struct {
	text string
	pos  int
}

func (s *scanner) rest() string { return s.text[s.pos:] }

func (s *scanner) end() bool { return s.pos == len(s.text) }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// blanks passes blanks and reports whether there were any.
func (s *scanner) blanks() bool {
	from := s.pos
	for !s.end() && isBlank(s.text[s.pos]) {
		s.pos++
	}
	return s.pos > from
}

// wordEnd gives the end of the name at the position.
func (s *scanner) wordEnd() int {
	p := s.pos
	for p < len(s.text) && isNameByte(s.text[p]) {
		p++
	}
	return p
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// keyword passes the word if it is next, in any case, and reports whether it was.
func (s *scanner) keyword(word string) bool {
	end := s.wordEnd()
	if !strings.EqualFold(s.text[s.pos:end], word) {
		return false
	}
	s.pos = end
	return true
}

// operators, the longer ones before those that they begin with.
var operators = [...]struct { //nolint:gochecknoglobals // a constant table
	text string
	op   operator
}{
	{"!~*", operator{compare: Contains, fold: true, not: true}},
	{"!~", operator{compare: Contains, not: true}},
	{"!=", operator{compare: Equal, not: true}},
	{"<=", operator{compare: InRanges, below: true, including: true}},
	{"<", operator{compare: InRanges, below: true}},
	{">=", operator{compare: InRanges, including: true}},
	{">", operator{compare: InRanges}},
	{"~*", operator{compare: Contains, fold: true}},
	{"~", operator{compare: Contains}},
	{"^=", operator{compare: HasPrefix}},
	{"$=", operator{compare: HasSuffix}},
	{"=", operator{compare: Equal}},
}

// operator is a comparison as it is written.
type operator struct {
	text      string
	compare   Compare
	fold, not bool
	// Of InRanges: < or <= and not > or >=, and whether the value itself is among those that pass.
	below, including bool
}

// operator reads one.
func (s *scanner) operator() (op operator, ok bool) {
	for _, o := range operators {
		if strings.HasPrefix(s.rest(), o.text) {
			s.pos += len(o.text)
			op = o.op
			op.text = o.text
			return op, true
		}
	}
	return op, false
}

// value is what stands behind an operator, or one of several.
type value struct {
	text   string
	pos    int
	quoted bool
}

// value reads one.
func (s *scanner) value() (value, error) {
	v := value{pos: s.pos}
	if s.end() {
		return v, nil
	}
	switch c := s.text[s.pos]; c {
	case '"', '\'':
		v.quoted = true
		if err := s.quoted(c, &v); err != nil {
			return v, err
		}
		if !s.end() && !isBlank(s.text[s.pos]) && s.text[s.pos] != ',' && s.text[s.pos] != ')' {
			return v, s.errorf(s.pos, "%s stands right behind a closing quote; put the whole value in quotes, or a blank between", show(s.text[s.pos:]))
		}
		return v, nil
	}
	for ; !s.end(); s.pos++ {
		switch c := s.text[s.pos]; {
		case isBlank(c), c == ',', c == ')':
			v.text = s.text[v.pos:s.pos]
			return v, nil
		case c == '"', c == '\'', c == '(', c < ' ', c == 127:
			return v, s.errorf(s.pos, "%s in a value without quotes; put the whole value in quotes", show(s.text[s.pos:s.pos+1]))
		}
	}
	v.text = s.text[v.pos:]
	return v, nil
}

// quoted reads a value in quotes. In single ones everything stands for itself, in double ones \" and \\ and \xHH stand
// for a byte.
func (s *scanner) quoted(quote byte, v *value) error {
	s.pos++
	var b strings.Builder
	for !s.end() {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == quote:
			v.text = b.String()
			return nil
		case c == '\\' && quote == '"':
			if err := s.escape(&b); err != nil {
				return err
			}
		default:
			b.WriteByte(c)
		}
	}
	return s.errorf(v.pos, "the quote %c is never closed", quote)
}

// escape reads what follows a backslash.
func (s *scanner) escape(b *strings.Builder) error {
	rest := s.rest()
	switch {
	case rest == "":
		return nil // the quote is not closed
	case rest[0] == '"', rest[0] == '\\':
		b.WriteByte(rest[0])
		s.pos++
		return nil
	case rest[0] == 'x' && len(rest) > 2 && hexDigit(rest[1]) >= 0 && hexDigit(rest[2]) >= 0:
		b.WriteByte(byte(hexDigit(rest[1])<<4 | hexDigit(rest[2])))
		s.pos += 3
		return nil
	default:
		return s.errorf(s.pos-1, `between double quotes a backslash is \\, a quote \" and any byte \xHH; between single quotes each byte stands for itself`)
	}
}
