package filter

import "strings"

// Bounds of a filter.
const (
	maxText  = 16 << 10 // bytes
	maxDepth = 100      // parentheses and negations in each other
	maxTests = 4096     // in the normal form
)

// Filter is a compiled filter. It is immutable; any number of goroutines may use it at once.
type Filter struct {
	clause *clause
	tree   *Node
}

// Tree gives the normal form. It must not be changed.
func (f *Filter) Tree() *Node { return f.tree }

// Parse compiles a filter of at most 16 KiB. What is wrong with one is told by a *SyntaxError.
func Parse(text string) (*Filter, error) {
	s := &scanner{text: text}
	if len(text) > maxText {
		return nil, s.errorf(maxText, "the filter has %d bytes; at most %d are read", len(text), maxText)
	}
	s.blanks()
	if s.end() {
		return nil, s.errorf(0, "the filter is empty; want FIELD OPERATOR VALUE, as ST>=500")
	}
	c, err := s.either(0)
	if err != nil {
		return nil, err
	}
	if !s.end() {
		return nil, s.errorf(s.pos, "there is no ( for this )")
	}
	x := expander{scanner: s}
	tree, err := x.expand(c)
	if err != nil {
		return nil, err
	}
	if x.tests > maxTests {
		return nil, s.errorf(0, "the filter is %d tests of single columns, the limit is %d; use fewer values of r, HU and headers", x.tests, maxTests)
	}
	return &Filter{clause: c, tree: tree}, nil
}

// clause is a filter, or a part of one, as it is written.
type clause struct {
	kind clauseKind
	subs []*clause // two or more of either and all, one of none

	// Of a test.
	field  *Field
	pos    int
	op     operator
	values []value
}

type clauseKind uint8

const (
	test   clauseKind = iota // FIELD OPERATOR VALUE
	all                      // a and b
	either                   // a or b
	none                     // not a
)

// either reads up to the end or a closing parenthesis.
func (s *scanner) either(depth int) (*clause, error) {
	return s.list(either, depth, s.all, func() bool { return s.keyword("or") })
}

// all reads what is joined by and, or by nothing.
func (s *scanner) all(depth int) (*clause, error) {
	return s.list(all, depth, s.one, func() bool {
		if s.keyword("and") {
			return true
		}
		// Anything but an end begins another one.
		from := s.pos
		more := !s.end() && s.text[s.pos] != ')' && !s.keyword("or")
		s.pos = from
		return more
	})
}

// list reads clauses as long as more reports, and passes, another one.
func (s *scanner) list(kind clauseKind, depth int, read func(int) (*clause, error), more func() bool) (*clause, error) {
	var subs []*clause
	for {
		c, err := read(depth)
		if err != nil {
			return nil, err
		}
		subs = append(subs, c)
		s.blanks()
		if !more() {
			break
		}
		s.blanks()
	}
	if len(subs) == 1 {
		return subs[0], nil
	}
	return &clause{kind: kind, subs: subs}, nil
}

// one reads a test, a negation or what is in parentheses.
func (s *scanner) one(depth int) (*clause, error) {
	if depth >= maxDepth {
		return nil, s.errorf(s.pos, "parentheses and negations are nested more than %d deep", maxDepth)
	}
	from := s.pos
	switch {
	case strings.HasPrefix(s.rest(), "("):
		s.pos++
		s.blanks()
		c, err := s.either(depth + 1)
		if err != nil {
			return nil, err
		}
		if s.end() {
			return nil, s.errorf(from, "this ( is never closed")
		}
		s.pos++
		return c, nil
	case s.keyword("not"):
	case strings.HasPrefix(s.rest(), "!"):
		s.pos++
	default:
		return s.test()
	}
	s.blanks()
	c, err := s.one(depth + 1)
	if err != nil {
		return nil, err
	}
	return &clause{kind: none, subs: []*clause{c}}, nil
}

// test reads FIELD OPERATOR VALUE.
func (s *scanner) test() (*clause, error) {
	if err := s.begins(); err != nil {
		return nil, err
	}
	c := &clause{pos: s.pos}
	name, err := s.name()
	if err != nil {
		return nil, err
	}
	spaced := s.blanks()
	var ok bool
	at := s.pos
	if c.op, ok = s.operator(); !ok {
		return nil, s.noOperator(c.pos, name, at)
	}
	if c.field, err = s.field(c.pos, name); err != nil {
		return nil, err
	}
	// ST= 500 may also be a value that was forgotten.
	if spaced {
		s.blanks()
	}
	for {
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		if v.text == "" && !v.quoted {
			return nil, s.noValue(v.pos, &c.op)
		}
		if !v.quoted && (v.text[0] == '=' || v.text[0] == '~') {
			return nil, s.errorf(v.pos-len(c.op.text), "%s%c is no operator; = compares, ~ looks for a part, there are no regular expressions; "+
				"a value that begins with %c needs quotes", c.op.text, v.text[0], v.text[0])
		}
		c.values = append(c.values, v)
		if s.end() || s.text[s.pos] != ',' {
			return c, nil
		}
		s.pos++
		s.blanks()
	}
}

// begins says what is wrong if no test can begin here.
func (s *scanner) begins() error {
	rest := s.rest()
	switch {
	case rest == "":
		return s.errorf(s.pos, "something is missing at the end; want FIELD OPERATOR VALUE, as ST>=500")
	case rest[0] == ')':
		return s.errorf(s.pos, "something is missing before this ); want FIELD OPERATOR VALUE, as ST>=500")
	case strings.HasPrefix(rest, "&&"):
		return s.errorf(s.pos, `write "and", or just a blank, for &&`)
	case strings.HasPrefix(rest, "||"):
		return s.errorf(s.pos, `write "or" for ||`)
	case rest[0] == '"', rest[0] == '\'':
		return s.errorf(s.pos, "a text alone is no test; to look for it in the whole line: raw~%s", show(strings.Trim(rest, `"'`)))
	case rest[0] == '%', isNameByte(rest[0]):
	default:
		return s.errorf(s.pos, "%s begins no test; want FIELD OPERATOR VALUE, as ST>=500", show(rest))
	}
	word := rest[:s.wordEnd()-s.pos]
	if strings.EqualFold(word, "and") || strings.EqualFold(word, "or") {
		return s.errorf(s.pos, "something is missing before %q; want FIELD OPERATOR VALUE, as ST>=500", word)
	}
	return nil
}

// noOperator says what is wrong at a position behind a name.
func (s *scanner) noOperator(from int, name string, at int) error {
	if at == len(s.text) || isBlank(s.text[at-1]) || s.text[at] == ')' {
		if _, err := s.field(from, name); err == nil {
			return s.errorf(from, "%s alone is no test; %s=* asks whether a line has it", name, name)
		}
		return s.errorf(from, "%s alone is no test; to look for it in the whole line: raw~%s", show(name), name)
	}
	hint := "want one of = != < <= > >= ~ !~ ~* !~* ^= $="
	switch s.text[at] {
	case ':':
		hint = "write = for :"
	case '*':
		hint = "want an operator before the *, as =* (any value) or ^= (begins with)"
	case '!':
		hint = "want one of != !~ !~*"
	}
	return s.errorf(at, "%s is no operator; %s", show(s.text[at:]), hint)
}

func (s *scanner) noValue(at int, op *operator) error {
	switch {
	case strings.HasPrefix(s.text[at:], ","):
		return s.errorf(at, "a value is missing before this comma; an empty one is \"\"")
	case at < len(s.text) && isBlank(s.text[at]):
		return s.errorf(at, `a value is missing: no blank may stand right behind %s (unless one stands before it, too); an empty value is ""`, op.text)
	default:
		return s.errorf(at, `a value is missing behind %s; an empty one is ""`, op.text)
	}
}
