package filter

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/loghaul/loghaul/parser"
)

// expander makes the normal form of what was written.
type expander struct {
	*scanner
	tests int
}

func (x *expander) expand(c *clause) (*Node, error) {
	if c.kind == test {
		if c.field.Place == inSeveral {
			return x.combined(c)
		}
		return x.test(c)
	}
	nodes := make([]*Node, len(c.subs))
	for i, sub := range c.subs {
		var err error
		if nodes[i], err = x.expand(sub); err != nil {
			return nil, err
		}
	}
	switch c.kind {
	case all:
		return join(And, nodes...), nil
	case either:
		return join(Or, nodes...), nil
	default:
		return negate(nodes[0]), nil
	}
}

func (x *expander) leaf(t *Test) *Node {
	x.tests++
	return &Node{Test: t}
}

// join joins nodes by And or Or.
func join(op Op, nodes ...*Node) *Node {
	var subs []*Node
	for _, n := range nodes {
		switch {
		case n.Op == op:
			subs = append(subs, n.Nodes...) // none if n says nothing in this place
		case n.Op != Leaf && len(n.Nodes) == 0:
			return n
		default:
			subs = append(subs, n)
		}
	}
	if len(subs) == 1 {
		return subs[0]
	}
	return &Node{Op: op, Nodes: subs}
}

// negate gives the node that is true where n is false.
func negate(n *Node) *Node {
	if n.Op == Leaf {
		t := *n.Test
		t.Not = !t.Not
		return &Node{Test: &t}
	}
	op := And
	if n.Op == And {
		op = Or
	}
	subs := make([]*Node, len(n.Nodes))
	for i, sub := range n.Nodes {
		subs[i] = negate(sub)
	}
	return &Node{Op: op, Nodes: subs}
}

// combined makes the tests of single columns that a test of a combined field is.
func (x *expander) combined(c *clause) (*Node, error) {
	if c.op.compare == InRanges {
		return nil, x.errorf(c.pos, "%s is no number: it cannot be compared with %s; want one of = != ~ !~ ~* !~* ^= $=", c.field.Name, c.op.text)
	}
	present, err := x.present(c)
	if err != nil {
		return nil, err
	}
	var found []*Node
	if present {
		found = append(found, x.has(c.field.Name))
		c = &clause{op: c.op}
	}
	for _, v := range c.values {
		if err := x.checkText(c, &v); err != nil {
			return nil, err
		}
		found = append(found, x.one(c, textOf(&v, c.op.fold)))
	}
	n := join(Or, found...)
	if c.op.not {
		n = negate(n)
	}
	return n, nil
}

// has asks whether a combined field has a value.
func (x *expander) has(name string) *Node {
	switch name {
	case "HU":
		return x.any("http_path")
	case "HQ":
		return x.any("http_query")
	case "ft":
		return x.any("frontend_tls")
	case "r":
		return join(Or, x.any("http_request"), join(And, x.any("http_method"), x.any("http_path")))
	default:
		return x.headers(name, &Test{Compare: Present})
	}
}

// one asks whether a combined field compares with a text.
func (x *expander) one(c *clause, text []byte) *Node {
	p := parts{x, c.op.fold}
	switch c.field.Name {
	case "HU":
		return p.uri(c.op.compare, text)
	case "HQ":
		return p.query(c.op.compare, text)
	case "ft":
		return p.frontend(c.op.compare, text)
	case "r":
		return p.request(c.op.compare, text)
	default:
		return x.headers(c.field.Name, &Test{Compare: c.op.compare, Fold: c.op.fold, texts: [][]byte{text}})
	}
}

// headers asks whether any captured header compares: of the request, of the response, or whosoever.
func (x *expander) headers(name string, t *Test) *Node {
	sides := []string{"req_header_", "res_header_", "header_"}
	switch name {
	case "hr":
		sides = sides[:1]
	case "hs":
		sides = sides[1:2]
	}
	var found []*Node
	for _, side := range sides {
		for i := range maxSlots {
			one := *t
			one.Field = column(side + strconv.Itoa(i+1))
			found = append(found, x.leaf(&one))
		}
	}
	return join(Or, found...)
}

// any asks whether a column has a value.
func (x *expander) any(name string) *Node {
	return x.leaf(&Test{Field: column(name), Compare: Present})
}

// absent is the opposite of any.
func (x *expander) absent(name string) *Node { return negate(x.any(name)) }

// parts makes tests of columns that a combined field is printed from.
type parts struct {
	*expander
	fold bool
}

func (p parts) is(name string, compare Compare, text []byte) *Node {
	if len(text) == 0 && compare != Equal {
		return p.any(name)
	}
	return p.leaf(&Test{Field: column(name), Compare: compare, Fold: p.fold, texts: [][]byte{slices.Clone(text)}})
}

// uri compares %HU, path or path?query, with a text. A path has no question mark, so that the first one of the text can
// only be the one between them, or one of the query.
func (p parts) uri(compare Compare, text []byte) *Node {
	path, query, marked := bytes.Cut(text, []byte{'?'})
	switch compare {
	case Equal:
		if marked {
			return join(And, p.is("http_path", Equal, path), p.is("http_query", Equal, query))
		}
		return join(And, p.is("http_path", Equal, text), p.absent("http_query"))
	case HasPrefix:
		if marked {
			return join(And, p.is("http_path", Equal, path), p.is("http_query", HasPrefix, query))
		}
		return p.is("http_path", HasPrefix, text)
	case HasSuffix:
		if marked {
			return join(Or, join(And, p.is("http_path", HasSuffix, path), p.is("http_query", Equal, query)), p.is("http_query", HasSuffix, text))
		}
		return join(Or, p.is("http_query", HasSuffix, text), join(And, p.is("http_path", HasSuffix, text), p.absent("http_query")))
	default:
		if marked {
			return join(Or, join(And, p.is("http_path", HasSuffix, path), p.is("http_query", HasPrefix, query)), p.is("http_query", Contains, text))
		}
		return join(Or, p.is("http_path", Contains, text), p.is("http_query", Contains, text))
	}
}

// query compares %HQ, which HAProxy prints with its question mark; it may be left out.
func (p parts) query(compare Compare, text []byte) *Node {
	rest, marked := bytes.CutPrefix(text, []byte{'?'})
	if !marked || compare == Equal || compare == HasPrefix {
		return p.is("http_query", compare, rest)
	}
	whole := HasPrefix
	if compare == HasSuffix {
		whole = Equal
	}
	return join(Or, p.is("http_query", whole, rest), p.is("http_query", compare, text))
}

// frontend compares %ft, the name of a frontend with a ~ behind it on a TLS listener.
func (p parts) frontend(compare Compare, text []byte) *Node {
	name, tls := bytes.CutSuffix(text, []byte{'~'})
	marked := func(is int64) *Node {
		return p.leaf(&Test{Field: column("frontend_tls"), Compare: InRanges, ranges: []Range{{is, is}}})
	}
	switch {
	case tls && (compare == Equal || compare == HasPrefix):
		return join(And, p.is("frontend", Equal, name), marked(1))
	case tls:
		return join(And, p.is("frontend", HasSuffix, name), marked(1))
	case compare == Equal || compare == HasSuffix:
		return join(And, p.is("frontend", compare, name), marked(0))
	default:
		return join(And, p.is("frontend", compare, name), p.any("frontend_tls"))
	}
}

// request compares %r, method URI version or method URI, with a text. None of the three has a blank in it; what has
// other parts, as <BADREQ>, is in http_request.
func (p parts) request(compare Compare, text []byte) *Node {
	pieces := bytes.Split(text, []byte{' '})
	found := []*Node{p.is("http_request", compare, text)}
	add := func(nodes ...*Node) { found = append(found, join(And, nodes...)) }
	method := func(c Compare, text []byte) *Node { return p.is("http_method", c, text) }
	version := func(c Compare, text []byte) *Node { return p.is("http_version", c, text) }
	switch n := len(pieces); compare {
	case Equal:
		if _, _, _, _, _, ok := parser.SplitRequest(text); !ok {
			break
		}
		if n == 2 {
			add(method(Equal, pieces[0]), p.uri(Equal, pieces[1]), p.absent("http_version"))
		} else {
			add(method(Equal, pieces[0]), p.uri(Equal, pieces[1]), version(Equal, pieces[2]))
		}
	case HasPrefix:
		switch n {
		case 1:
			add(method(HasPrefix, pieces[0]), p.any("http_path"))
		case 2:
			add(method(Equal, pieces[0]), p.uriBegins(pieces[1]))
		case 3:
			add(method(Equal, pieces[0]), p.uri(Equal, pieces[1]), version(HasPrefix, pieces[2]))
		}
	case HasSuffix:
		switch n {
		case 1:
			add(p.any("http_method"), p.any("http_path"), version(HasSuffix, pieces[0]))
			add(p.any("http_method"), p.absent("http_version"), p.uriEnds(pieces[0]))
		case 2:
			add(p.any("http_method"), p.uriEnds(pieces[0]), version(Equal, pieces[1]))
			add(p.absent("http_version"), method(HasSuffix, pieces[0]), p.uri(Equal, pieces[1]))
		case 3:
			add(method(HasSuffix, pieces[0]), p.uri(Equal, pieces[1]), version(Equal, pieces[2]))
		}
	default:
		switch n {
		case 1:
			add(p.any("http_path"), method(Contains, pieces[0]))
			add(p.any("http_method"), p.uri(Contains, pieces[0]))
			add(p.any("http_method"), p.any("http_path"), version(Contains, pieces[0]))
		case 2:
			add(method(HasSuffix, pieces[0]), p.uriBegins(pieces[1]))
			add(p.any("http_method"), p.uriEnds(pieces[0]), version(HasPrefix, pieces[1]))
		case 3:
			add(method(HasSuffix, pieces[0]), p.uri(Equal, pieces[1]), version(HasPrefix, pieces[2]))
		}
	}
	return join(Or, found...)
}

// uriBegins and uriEnds compare %HU with the beginning and the end of a request's part, which may be nothing.
func (p parts) uriBegins(text []byte) *Node {
	if len(text) == 0 {
		return p.any("http_path")
	}
	return p.uri(HasPrefix, text)
}

func (p parts) uriEnds(text []byte) *Node {
	if len(text) == 0 {
		return p.any("http_path")
	}
	return p.uri(HasSuffix, text)
}
