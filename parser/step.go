package parser

// step is how a Printer prints one field and what follows it, see steps.
type step struct {
	node *node
	code stepcode
	// begins says that a separator has just been printed, ends that a nodeSep follows: it prints if anything was
	// printed since. Only fields that may be blank are between the two.
	begins, ends bool
	lit          string // what follows: after the separator, if there is one
	// lone is set on the field that may be the lone block, afterLone on the second one of the two.
	lone, afterLone bool
	zoned           bool // of stepDate

	// For a value that prints something: the byte before the text, 0 if there is none, and all that follows the text.
	before byte
	tail   literal
	// For no value, if constant: all that is printed.
	constant bool
	none     literal
}

type stepcode uint8

const (
	stepOther stepcode = iota
	stepInt            // a decimal number
	stepText           // a text as it is, perhaps in quotes or braces
	stepDate
)

// makeSteps derives the steps of a Printer from the nodes: one per field, in order. lead is what is printed before the
// first one.
func makeSteps(nodes []node, lone int) (lead string, steps []step) {
	sep := true // a separator was printed for certain
	for i := range nodes {
		n := &nodes[i]
		switch n.kind {
		case nodeText:
			if len(steps) == 0 {
				lead = n.text
			} else {
				steps[len(steps)-1].lit = n.text
			}
			sep = n.sep
		case nodeSep:
			steps[len(steps)-1].ends = true
			sep = true
		case nodeField:
			s := step{
				node: n, code: n.stepcode(), begins: sep, zoned: n.zoned,
				lone: i == lone, afterLone: lone >= 0 && i == lone+2,
			}
			steps = append(steps, s)
			sep = false
		}
	}
	for i := range steps {
		steps[i].finish()
	}
	return lead, steps
}

func (n *node) stepcode() stepcode {
	if n.enc != encNone && !n.plainInt() {
		return stepOther
	}
	switch n.shape {
	case shapeInt, shapePort:
		if n.plainInt() && !n.blank {
			return stepInt
		}
	case shapeDate:
		return stepDate
	case shapeText, shapeCookie, shapeState:
		if !n.escaped {
			return stepText
		}
	case shapeAddr:
		if !n.hex {
			return stepText
		}
	case shapeBlock:
		if !n.escaped && !n.quoted {
			return stepText
		}
	default:
	}
	return stepOther
}

// finish readies what is compared around a text.
func (s *step) finish() {
	after, sep := "", ""
	switch {
	case s.node.shape == shapeBlock:
		s.before, after = '{', "}"
	case s.code == stepText && s.node.wrapped():
		s.before, after = '"', `"`
	}
	if s.ends {
		sep = " "
	}
	s.tail = newLiteral(after + sep + s.lit)
	if s.begins && !s.ends && s.node.blank {
		s.code = stepOther // other notes where the group begins
		return
	}
	none := string(s.node.appendValue(nil, &Value{}, nil))
	switch {
	case none != "":
		s.constant, s.none = true, newLiteral(none+sep+s.lit)
	case s.begins || !s.ends:
		s.constant, s.none = true, newLiteral(s.lit)
	}
}

// literal is a text that is always the same. Up to eight bytes are also a word, the first one lowest.
type literal struct {
	text string
	word uint64
}

func newLiteral(text string) literal {
	l := literal{text: text}
	if len(text) <= wordLen {
		for i := range len(text) {
			l.word |= uint64(text[i]) << (8 * i)
		}
	}
	return l
}
