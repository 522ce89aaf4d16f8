package parser

// node is one element of the line: what may be printed at one place. The nodes of a format are its grammar; the
// solver reads lines by them, the renderer writes by them, and the program is derived from them.
type node struct {
	kind nodeKind

	// nodeText
	text string
	sep  bool // the text ends with a separator, so that a separator after it prints nothing

	// nodeField
	field   int // index into Format.fields
	shape   shape
	class   class
	width   int  // of hexadecimal and of shapeState
	min     int  // of the bytes of a text
	quoted  bool // +Q: what wrapped tells is in quotes, and no value is ""
	escaped bool // `"`, `\` and `]` have a backslash before them
	hex     bool
	dashed  bool // an empty value prints "-"
	absent  bool // HAProxy may have no value
	blank   bool // may print nothing
	never   bool // never prints anything: headers of which the frontend captures none
	plus    bool
	zoned   bool
	expr    bool // counts as printed even if it printed nothing
	pos     int  // in the spec

	// Of an encoded value; quoted to plus are not set then.
	enc     encoding
	textual bool // JSON puts it in quotes and CBOR makes it a text
	vartext bool // HAProxy writes it piece by piece, which CBOR shows
	str     bool // of shapeToken: always a text, even if it looks like a number
	items   int  // of shapeBlock and shapeItems: how many, 0 if that is not known

	// How n depends on what others print, see modes.
	tls           bool   // an expression that has a value on TLS connections only
	request       bool   // a request line or a part of one
	captures      byte   // captured headers of the request 'q' or the response 's', 0 for others
	index         int    // of a single captured header: which one, from 1 on
	must, mustNot modes  // of a list: in which it prints, and does not
	bound         modes  // in which n prints none
	none          string // what n prints for no value or no request
}

type nodeKind uint8

const (
	nodeText nodeKind = iota
	// nodeSep is a space that prints only if what was printed last was no separator. Only those that cannot be
	// decided beforehand are left as nodes.
	nodeSep
	nodeField
)

// shape is the form of the printed text of a field.
type shape uint8

const (
	shapeText   shape = iota // bytes of a class
	shapeInt                 // decimal, or hexadecimal of at least width digits
	shapePort                // the same, exactly four hexadecimal digits
	shapeMilli               // three decimal digits, or hexadecimal of at least width digits
	shapeDate                // 22/Nov/2026:16:17:55.857, or with an offset instead of the milliseconds
	shapeAddr                // IPv4, IPv6 or "unix"
	shapeState               // two or four letters
	shapeCookie              // NAME=value
	shapeBlock               // {a|b|c}
	shapeItems               // a b c
	shapeToken               // encoded only: a text, a number or a truth value
)

// wrapped reports whether the value of n is in quotes. Numbers and what +X prints are not.
func (n *node) wrapped() bool {
	switch n.shape {
	case shapeText, shapeCookie, shapeBlock, shapeItems:
		return n.quoted
	case shapeAddr:
		return n.quoted && !n.hex
	default:
		return false
	}
}

// free reports whether any text can be the value, so that "-" may be one as well as stand for none.
func (n *node) free() bool { return n.shape == shapeText && n.class == classAny }

// interval reports whether the text of n can end at many places, so that the solver has to look at ranges.
func (n *node) interval() bool {
	if n.enc != encNone {
		return false
	}
	switch n.shape {
	case shapeText:
		return !n.escaped && (!n.quoted || n.class == classAny)
	case shapeCookie:
		return !n.escaped
	case shapeItems:
		return !n.quoted
	default:
		return false
	}
}

// first returns the bytes that the text of n can begin with; the end of the line stands for printing nothing.
func (n *node) first() (s byteSet) {
	s.end = n.blank
	if n.never {
		return s
	}
	switch {
	case n.kind == nodeText:
		s.add(n.text[0])
		return s
	case n.kind == nodeSep:
		s.add(' ')
		s.end = true
		return s
	case n.enc == encJSON:
		s.addClass(classDigit)
		for _, c := range []byte(`-"[tfn`) {
			s.add(c)
		}
		return s
	case n.enc != encNone:
		s.addClass(classAny)
		return s
	case n.wrapped():
		s.add('"')
		return s
	case n.quoted && n.absent:
		s.add('"')
	}
	if n.dashed {
		s.add('-')
	}
	switch n.shape {
	case shapeText, shapeItems:
		s.addClass(n.class)
		if n.escaped {
			s.add('\\')
		}
	case shapeInt, shapePort, shapeMilli:
		s.addClass(classDigit)
		s.add('-')
		if n.plus {
			s.add('+')
		}
		if n.hex {
			for c := byte('A'); c <= 'F'; c++ {
				s.add(c)
			}
		}
	case shapeDate:
		s.addClass(classDigit)
	case shapeAddr:
		s.addClass(classAddr)
		s.add('u')
		if n.hex {
			for c := byte('A'); c <= 'F'; c++ {
				s.add(c)
			}
		}
	case shapeState:
		s.addClass(classMethod)
	case shapeCookie:
		s.addClass(classCookie)
	case shapeBlock:
		s.add('{')
	case shapeToken: // is always encoded
	}
	if n.shape == shapeItems {
		s.add(' ')
	}
	return s
}
