package haproxycfg

import (
	"slices"
	"strings"
)

// level is one .if that is open (section 2.4 of the manual).
type level struct {
	line  int
	outer bool // the lines around it count
	taken bool // a branch was taken
	on    bool // the branch being read counts
}

// conditional handles a line that begins with a dot and reports whether it is one of .if, .elif, .else, .endif.
func (r *reader) conditional(words []string) bool {
	top := len(r.levels) - 1
	if top < 0 && (words[0] == ".elif" || words[0] == ".else" || words[0] == ".endif") {
		r.fail("%s without an .if before it", words[0])
		return true
	}
	switch words[0] {
	case ".if":
		l := level{line: r.line, outer: r.counts()}
		l.on = l.outer && r.condition(words[1:])
		l.taken = l.on
		r.levels = append(r.levels, l)
	case ".elif":
		l := &r.levels[top]
		l.on = l.outer && !l.taken && r.condition(words[1:])
		l.taken = l.taken || l.on
	case ".else":
		l := &r.levels[top]
		l.on = l.outer && !l.taken
		l.taken = true
	case ".endif":
		r.levels = r.levels[:top]
	default:
		return false
	}
	return true
}

// counts reports whether the line being read does.
func (r *reader) counts() bool { return len(r.levels) == 0 || r.levels[len(r.levels)-1].on }

// condition evaluates the words behind .if or .elif.
func (r *reader) condition(words []string) bool {
	c := condition{r: r, in: strings.Join(words, " ")}
	c.skip()
	if c.in == "" {
		return false
	}
	value := c.or(0)
	if c.skip(); c.bad || c.in != "" {
		return r.decide(visible(strings.Join(words, " ")))
	}
	return value
}

// condition reads an expression. What cannot be known here is decided by the reader, which tries both ways.
type condition struct {
	r   *reader
	in  string
	bad bool
}

// maxDepth bounds the parentheses, as HAProxy does.
const maxDepth = 10

func (c *condition) skip() { c.in = strings.TrimLeft(c.in, " \t") }

func (c *condition) accept(token string) (ok bool) {
	c.skip()
	c.in, ok = strings.CutPrefix(c.in, token)
	return ok
}

func (c *condition) or(depth int) bool {
	value := c.and(depth)
	for c.accept("||") {
		value = c.and(depth) || value
	}
	return value
}

func (c *condition) and(depth int) bool {
	value := c.term(depth)
	for c.accept("&&") {
		value = c.term(depth) && value
	}
	return value
}

func (c *condition) term(depth int) bool {
	negate := false
	for c.accept("!") {
		negate = !negate
	}
	var value bool
	switch {
	case c.in == "" || depth > maxDepth:
		c.bad = true
	case isDigit(c.in[0]):
		n := 0
		for n < len(c.in) && isDigit(c.in[n]) {
			value = value || c.in[n] != '0'
			n++
		}
		c.in = c.in[n:]
	case c.accept("("):
		value = c.or(depth + 1)
		c.bad = !c.accept(")") || c.bad
	default:
		value = c.predicate()
	}
	return value != negate
}

// predicate reads name(argument,…).
func (c *condition) predicate() bool {
	end := strings.IndexAny(c.in, " \t(&|)!")
	if end < 0 {
		end = len(c.in)
	}
	name := c.in[:end]
	whole := c.in
	c.in = c.in[end:]
	var args []string
	if strings.HasPrefix(c.in, "(") {
		args = c.arguments()
	}
	whole = whole[:len(whole)-len(c.in)]
	if name == "" || c.bad {
		c.bad = true
		return false
	}
	_, open := missing(whole)
	switch {
	case open:
	case name == "defined" && len(args) == 1:
		if _, set, known := c.r.env.get(args[0]); known {
			return set
		}
	case name == "streq" && len(args) == 2:
		return args[0] == args[1]
	case name == "strneq" && len(args) == 2:
		return args[0] != args[1]
	case name == "strstr" && len(args) == 2:
		return strings.Contains(args[0], args[1])
	}
	return c.r.decide(visible(whole))
}

// arguments reads what stands between parentheses, with HAProxy's quotes and backslashes.
func (c *condition) arguments() []string {
	var args []string
	var arg strings.Builder
	var quote byte
	for i := 1; i < len(c.in); i++ {
		switch b := c.in[i]; {
		case b == '\\' && quote != '\'' && i+1 < len(c.in):
			i++
			arg.WriteByte(c.in[i])
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
		case quote != 0 && b == quote:
			quote = 0
		case quote == 0 && (b == ',' || b == ')'):
			args = append(args, arg.String())
			arg.Reset()
			if b == ')' {
				c.in = c.in[i+1:]
				return args
			}
		default:
			arg.WriteByte(b)
		}
	}
	c.bad = true
	c.in = ""
	return nil
}

// decide answers what cannot be known here: as the script says, or else true. The same question has the same answer
// within one reading.
func (r *reader) decide(question string) bool {
	if answer, ok := r.answers[question]; ok {
		return answer
	}
	answer := true
	if n := len(r.decisions); n < len(r.script) {
		answer = r.script[n]
	}
	r.decisions = append(r.decisions, answer)
	r.answers[question] = answer
	r.note("whether %s holds for HAProxy is not known here, so its formats are read both ways", question)
	return answer
}

// nextScript gives the decisions of the reading after the one that decided as given; nil after the last one.
func nextScript(decisions []bool) []bool {
	next := slices.Clone(decisions)
	for len(next) > 0 && !next[len(next)-1] {
		next = next[:len(next)-1]
	}
	if len(next) == 0 {
		return nil
	}
	next[len(next)-1] = false
	return next
}
