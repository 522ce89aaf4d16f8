package parser

import (
	"strconv"
	"strings"
)

// Compile compiles spec, a well-known name (see WellKnown and EventFormat) or a log-format string as HAProxy sees it
// after its own quoting. The error is a *SyntaxError.
func Compile(spec string) (*Format, error) { return CompileWith(spec, Options{}) }

// Options is what of the lines of a format only HAProxy's configuration tells. The zero Options knows nothing, and fits
// every configuration.
type Options struct {
	// Captures are the headers that the frontend captures, nil if that is not known.
	Captures *Captures
	// MaxLens are the lengths at which lines are cut (`log … len N`). Without any a line of a usual length may be a cut
	// one.
	MaxLens []int
}

// Captures are the headers that a frontend captures, in the order of the configuration (`capture request header`,
// `declare capture request` and so on). A slot that was declared without a header has the name "".
type Captures struct {
	Request, Response []string
}

// CompileWith is Compile for the lines of a configuration that is known.
func CompileWith(spec string, o Options) (*Format, error) {
	for i := range wellKnown {
		if wellKnown[i].name == spec {
			f, err := compile(spec, wellKnown[i].spec, true, o)
			if err != nil {
				return nil, err
			}
			return f, f.addOtherTexts(o)
		}
	}
	if spec == EventFormat {
		return compileEvent(o)
	}
	return compile(spec, spec, false, o)
}

// maxSpec bounds a log-format string, and with it the memory of a Format and the numbers in its program. HAProxy reads
// lines of a configuration up to 2,048 bytes.
const maxSpec = 16 << 10

func compile(name, spec string, allowLegacy bool, o Options) (*Format, error) {
	s := scanner{spec: spec}
	if len(spec) > maxSpec {
		return nil, s.fail(maxSpec, "a log-format string may have "+strconv.Itoa(maxSpec)+" bytes")
	}
	if err := s.scan(); err != nil {
		return nil, err
	}
	f := &Format{name: name, spec: spec, captures: o.Captures, maxLens: o.MaxLens, msField: -1, lone: -1}
	if err := f.addNodes(s.items, s.global, allowLegacy); err != nil {
		return nil, err
	}
	if len(f.nodes) == 0 {
		return nil, s.fail(0, "the string prints nothing: expected a well-known name ("+strings.Join(WellKnown(), ", ")+
			") or a log-format string")
	}
	f.findLone()
	f.findModes()
	f.findDashes()
	f.findOpenEnd()
	f.findTime()
	f.program = assemble(f.nodes, f.lone)
	f.lead, f.steps = makeSteps(f.nodes, f.lone)
	return f, nil
}

// addNodes turns items into nodes and fields. It settles each separator whose printing does not depend on the line.
func (f *Format) addNodes(items []item, global options, allowLegacy bool) error {
	if f.encoding = global.encoding(); f.encoding != encNone {
		return f.addMap(items, allowLegacy)
	}
	after := sepPrinted // what the line looks like to a separator: it starts as if one had been printed
	for i := range items {
		switch it := &items[i]; it.kind {
		case itemText:
			f.addText(it.text, false)
			after = sepNone
		case itemSpace:
			switch after {
			case sepNone:
				f.addText(" ", true)
			case sepEither:
				f.nodes = append(f.nodes, node{kind: nodeSep, pos: it.pos})
			case sepPrinted:
			}
			after = sepPrinted
		case itemAlias, itemExpr:
			n, err := f.addField(it, allowLegacy)
			if err != nil {
				return err
			}
			switch {
			case n.never:
			case !n.blank || n.expr:
				after = sepNone
			case after == sepPrinted:
				after = sepEither
			}
		}
	}
	return nil
}

type separator uint8

const (
	sepNone    separator = iota // something else was printed last
	sepPrinted                  // a separator was printed last
	sepEither                   // it depends on the line
)

func (f *Format) addText(text string, sep bool) {
	if last := len(f.nodes) - 1; last >= 0 && f.nodes[last].kind == nodeText {
		f.nodes[last].text += text
		f.nodes[last].sep = sep
		return
	}
	f.nodes = append(f.nodes, node{kind: nodeText, text: text, sep: sep})
}

func (f *Format) addField(it *item, allowLegacy bool) (*node, error) {
	row := &sampleExpression
	field := Field{Name: it.text}
	if it.kind == itemAlias {
		row = findAlias(it.text, allowLegacy)
		if row == nil {
			return nil, f.unknownAlias(it)
		}
		field.Alias = it.text
	} else {
		field.Expr = it.text
		if it.name != "" {
			field.Name = it.name
		}
	}
	field.Kind, field.Doc, field.zoned = row.kind, row.doc, row.flags&zoned != 0
	has := func(flag aliasFlags) bool { return row.flags&flag != 0 }
	set := func(opt options) bool { return it.opts&opt != 0 }
	n := node{
		kind: nodeField, field: len(f.fields), pos: it.pos,
		shape: row.shape, class: row.class, width: int(row.class),
		hex:     has(hexed) && set(optHex),
		plus:    has(plus),
		zoned:   has(zoned),
		expr:    has(expression),
		quoted:  has(quotable) && set(optQuote),
		absent:  has(missing),
		escaped: row.kind != KindInt && row.kind != KindDate && row.kind != KindAddr && row.shape != shapeState && set(optEscape),
	}
	n.dashed = has(dash) && has(missing) && !n.quoted && set(optMandatory)
	switch row.shape {
	case shapeBlock, shapeItems:
		n.blank = true // prints nothing without captures, even in quotes
	default:
		n.blank = !n.quoted && !n.dashed && (has(empty) || has(missing))
	}
	if orNone := has(empty) || has(missing); !n.blank && (!n.quoted || !orNone) {
		n.min = 1
	}
	if n.expr {
		n.class = expressionClass(it.text)
		n.tls = strings.HasPrefix(it.text, "ssl_fc_") || strings.HasPrefix(it.text, "ssl_c_")
	}
	n.captures = capturedSide(row, it.text)
	if n.captures != 0 && row.flags&expression != 0 {
		n.setIndex(it.text)
	}
	n.request = row.kind == KindRequest || row.flags&requestPart != 0
	if n.shape == shapeBlock || n.shape == shapeItems {
		n.captured(row.name, f.captures)
	}
	switch {
	case !set(optEncode):
	case n.expr && it.cast == castRaw:
		n.quoted, n.escaped, n.dashed, n.blank, n.min = false, false, false, true, 0
	default:
		n.encode(row, it)
		field.Kind, field.Truth = n.encodedKind(field.Kind), it.cast == castBool && row.kind == KindInt
	}
	f.fields = append(f.fields, field)
	f.nodes = append(f.nodes, n)
	return &f.nodes[len(f.nodes)-1], nil
}

// addMap is addNodes for a string that is encoded as a whole: only fields with a name are printed, and nothing between
// them but what the encoding puts there.
func (f *Format) addMap(items []item, allowLegacy bool) error {
	f.addText(f.encoding.begin(), false)
	first := true
	for i := range items {
		it := &items[i]
		if it.kind != itemAlias && it.kind != itemExpr {
			continue
		}
		if it.name == "" {
			if it.kind == itemAlias && findAlias(it.text, allowLegacy) == nil {
				return f.unknownAlias(it)
			}
			continue
		}
		f.addText(f.encoding.key(it.name, first), false)
		first = false
		if _, err := f.addField(it, allowLegacy); err != nil {
			return err
		}
	}
	f.addText(f.encoding.end(), false)
	return nil
}

// captured tells n, the list of headers of one side, how many the frontend captures.
func (n *node) captured(alias string, c *Captures) {
	if c == nil {
		return
	}
	headers := c.Request
	if alias[1] == 's' {
		headers = c.Response
	}
	n.items, n.never = len(headers), len(headers) == 0
}

// unknownAlias names the aliases that differ from the unknown one only in case or by what follows.
func (f *Format) unknownAlias(it *item) error {
	msg := "there is no alias " + quote(it.text)
	var near []string
	for i := range aliases {
		a := &aliases[i]
		if a.flags&legacy == 0 && (strings.EqualFold(a.name, it.text) || strings.HasPrefix(it.text, a.name)) {
			near = append(near, "%"+a.name)
		}
	}
	switch {
	case len(near) > 0:
		msg += ": did you mean " + strings.Join(near, " or ") + "?"
	default:
		msg += "; a percent sign is written '%%'"
	}
	return &SyntaxError{Spec: f.spec, Pos: it.pos, Msg: msg}
}

// findLone looks for %hr and %hs with nothing but a separator between and a separator around: a line with one block
// there does not tell which of the two it is.
func (f *Format) findLone() {
	for i := 1; i+3 < len(f.nodes); i++ {
		n := f.nodes[i-1 : i+4]
		if n[0].kind == nodeText && n[0].sep && n[1].block() && n[2].kind == nodeSep && n[3].block() &&
			n[4].kind == nodeSep && n[1].escaped == n[3].escaped && n[1].quoted == n[3].quoted {
			f.lone = i
			return
		}
	}
}

func (n *node) block() bool {
	return n.kind == nodeField && n.shape == shapeBlock && n.enc == encNone && !n.never
}

// findTime lists the fields that tell the time of the event: when the request began before when the connection was
// accepted, milliseconds before seconds.
func (f *Format) findTime() {
	for _, name := range []string{"tr", "trg", "trl", "t", "T", "Tl", "Ts"} {
		for i := range f.fields {
			if f.fields[i].Alias == name {
				f.timeFields = append(f.timeFields, i)
			}
		}
	}
	f.msField, f.requestField, f.sessionField = f.fieldOf("ms"), f.fieldOf("Ta"), f.fieldOf("Tt")
}

// fieldOf returns the last field of an alias, or -1.
func (f *Format) fieldOf(alias string) int {
	last := -1
	for i := range f.fields {
		if f.fields[i].Alias == alias {
			last = i
		}
	}
	return last
}
