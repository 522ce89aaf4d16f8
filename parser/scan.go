package parser

import "strings"

// item is one element of a log-format string as written.
type item struct {
	kind itemKind
	pos  int    // where it starts in the string
	text string // itemText: the literal; itemAlias: its name; itemExpr: the expression
	name string // from %(name)
	cast cast   // from %(name:type)
	opts options
}

// cast is the type that %(name:type) asks an encoder for.
type cast uint8

const (
	castNone cast = iota
	castStr
	castInt
	castBool
	castRaw // the bytes as they are, not encoded at all
)

type itemKind uint8

const (
	itemText itemKind = iota
	itemSpace
	itemAlias
	itemExpr
)

// options are the flags of `%{…}`.
type options uint8

const (
	optMandatory options = 1 << iota
	optQuote
	optHex
	optEscape
	optJSON
	optCBOR
	optBin

	optEncode = optJSON | optCBOR
)

// scanner reads a log-format string. It accepts what HAProxy's lf_expr_compile accepts.
type scanner struct {
	spec  string
	pos   int
	items []item
	opts  options // of what follows, set by %{…}o
	// global are the options that every %{…}o set. Those that encode hold for the whole string, wherever they stand.
	global    options
	globalSet bool
}

func (s *scanner) fail(pos int, msg string) error {
	return &SyntaxError{Spec: s.spec, Pos: pos, Msg: msg}
}

func (s *scanner) scan() error {
	s.opts = optMandatory
	for s.pos < len(s.spec) {
		switch c := s.spec[s.pos]; c {
		case ' ':
			s.items = append(s.items, item{kind: itemSpace, pos: s.pos})
			s.pos++
		case '%':
			if err := s.percent(); err != nil {
				return err
			}
		case 0, '\n':
			return &SyntaxError{
				Spec: s.spec, Pos: s.pos, Unsupported: c == '\n', // a record would be several lines
				Msg: "a log-format string cannot hold a line feed or a NUL",
			}
		default:
			end := s.pos
			for end < len(s.spec) && strings.IndexByte(" %\n\x00", s.spec[end]) < 0 {
				end++
			}
			s.items = append(s.items, item{kind: itemText, pos: s.pos, text: s.spec[s.pos:end]})
			s.pos = end
		}
	}
	s.settle()
	return nil
}

// settle gives each item the options that hold in the end, as HAProxy's lf_expr_postcheck does: a global encoding wins
// over that of an item, +bin is only global, and an encoding has its own way to escape.
func (s *scanner) settle() {
	for i := range s.items {
		opts := &s.items[i].opts
		if s.global&optEncode != 0 {
			*opts = *opts&^(optEncode|optBin) | s.global&(optEncode|optBin)
		} else {
			*opts = *opts&^optBin | s.global&optBin
		}
		if *opts&optEncode != 0 {
			*opts &^= optEscape
		}
	}
}

// percent reads what starts with '%': %%, or %(name:type){flags}alias, or the same with [expression].
func (s *scanner) percent() error {
	it := item{pos: s.pos, opts: s.opts}
	s.pos++
	if s.peek() == '(' {
		if err := s.fieldName(&it); err != nil {
			return err
		}
	}
	if s.peek() == '{' {
		if err := s.flags(&it); err != nil {
			return err
		}
		if c := s.peek(); c != '[' && !isAlnum(c) {
			return s.fail(s.pos, "expected an alias or '[' after %{…}")
		}
	}
	switch c := s.peek(); {
	case c == '[':
		return s.expr(&it)
	case isAlnum(c) && !isDigit(c), isAlnum(c) && s.spec[s.pos-1] == '}':
		return s.alias(&it)
	case s.pos == len(s.spec):
		return s.fail(s.pos, "the string ends after '%': expected an alias, '{', '(', '[' or '%'")
	case isDigit(c), c == ' ', c == '\t':
		return s.fail(s.pos, "expected an alias, '{', '(', '[' or '%' after '%'; a percent sign is written '%%'")
	default:
		// HAProxy prints the character alone, "%%" giving "%".
		s.items = append(s.items, item{kind: itemText, pos: it.pos, text: s.spec[s.pos : s.pos+1]})
		s.pos++
		return nil
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.spec) {
		return s.spec[s.pos]
	}
	return 0
}

// fieldName reads (name) or (name:type).
func (s *scanner) fieldName(it *item) error {
	start := s.pos + 1
	length := strings.IndexByte(s.spec[start:], ')')
	if length < 0 {
		return s.fail(s.pos, "expected ')' to end the name")
	}
	name, typ, typed := strings.Cut(s.spec[start:start+length], ":")
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '_' && c != '-' {
			return s.fail(start+i, "a name may hold letters, digits, '_' and '-'")
		}
	}
	if typed {
		switch typ {
		case "str":
			it.cast = castStr
		case "sint":
			it.cast = castInt
		case "bool":
			it.cast = castBool
		case "raw":
			it.cast = castRaw
		default:
			return s.fail(start+len(name)+1, "unknown type "+quote(typ)+": expected str, sint, bool or raw")
		}
	}
	it.name = name
	s.pos = start + length + 1
	return nil
}

// flags reads {+Q,-M,…}. Like HAProxy it passes over what it does not know.
func (s *scanner) flags(it *item) error {
	start := s.pos + 1
	length := strings.IndexByte(s.spec[start:], '}')
	if length < 0 {
		return s.fail(s.pos, "expected '}' to end the flags")
	}
	for flag := range strings.SplitSeq(s.spec[start:start+length], ",") {
		sign := strings.LastIndexAny(flag, "+-")
		if sign >= 0 {
			var opt options
			switch flag[sign+1:] {
			case "M":
				opt = optMandatory
			case "Q":
				opt = optQuote
			case "X":
				opt = optHex
			case "E":
				opt = optEscape
			case "json":
				opt = optJSON
			case "cbor":
				opt = optCBOR
			case "bin":
				opt = optBin
			}
			switch {
			case flag[sign] == '-':
				it.opts &^= opt
			case it.opts&optEncode == 0 || opt&optEncode == 0: // the encoding that was set first stays
				it.opts |= opt
			}
		}
	}
	s.pos = start + length + 1
	return nil
}

func (s *scanner) alias(it *item) error {
	start := s.pos
	for isAlnum(s.peek()) {
		s.pos++
	}
	it.kind, it.text = itemAlias, s.spec[start:s.pos]
	if it.text == "o" {
		s.opts = it.opts
		if s.globalSet {
			s.global &= it.opts
		} else {
			s.global, s.globalSet = it.opts, true
		}
		return nil
	}
	s.items = append(s.items, *it)
	return nil
}

// expr reads [fetch(args),converter(args),…]. What it means is HAProxy's business; only its end matters here.
func (s *scanner) expr(it *item) error {
	open := s.pos
	s.pos++
	start := s.pos
	for {
		switch c := s.peek(); {
		case c == ']':
			if s.pos == start {
				return s.fail(s.pos, "expected a sample expression between '[' and ']'")
			}
			it.kind, it.text = itemExpr, s.spec[start:s.pos]
			s.pos++
			s.items = append(s.items, *it)
			return nil
		case c == '(':
			if err := s.arguments(); err != nil {
				return err
			}
		case s.pos >= len(s.spec), c == '\n', c == 0:
			return s.fail(open, "expected ']' to end the sample expression")
		default:
			s.pos++
		}
	}
}

// arguments reads (…) with HAProxy's quoting rules: quotes and backslashes protect the closing parenthesis.
func (s *scanner) arguments() error {
	open := s.pos
	var within byte
	for s.pos++; s.pos < len(s.spec); s.pos++ {
		switch c := s.spec[s.pos]; {
		case within != 0:
			if c == '\\' && within == '"' {
				s.pos++
			} else if c == within {
				within = 0
			}
		case c == '\'' || c == '"':
			within = c
		case c == '\\':
			s.pos++
		case c == ')':
			s.pos++
			return nil
		}
	}
	s.pos = len(s.spec)
	return s.fail(open, "expected ')' to end the arguments")
}

func isDigit(c byte) bool   { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
func quote(s string) string { return "'" + s + "'" }
