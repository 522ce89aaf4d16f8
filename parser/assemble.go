package parser

// op is one instruction of a program. A program reads a line from the left as long as every step is forced: as long as
// the text of the next field can end at one place only. Where that stops, at compile time or because of what a line
// holds, the solver takes over with the node of the op.
type op struct {
	code       opcode
	field      uint16
	node       uint16
	class      class    // opWord: the bytes of the text
	quotes     int16    // opFree: how many quotes the line prints from here on
	lit        string   // what is printed after the field
	mask, word uint64   // lit as a word and its bits, if it is not longer than that
	dash       bool     // opTight: a "-" before lit can only be the cookie that was not captured
	delims     *byteSet // opTight: what ends the text
}

type opcode uint8

const (
	opEnd    opcode = iota // the end of the line
	opSolve                // leave the rest to the solver
	opLit                  // only lit
	opInts                 // decimal numbers, each followed by one byte of lit
	opInt                  // a decimal number
	opNumber               // other numbers
	opDate
	opAddr      // an address that is not followed by what can be in one
	opAddrColon // an address followed by ":", a number, and something that cannot be in an address
	opState     // termination state
	opWord      // bytes of a class that does not have the first byte of lit
	opPrint     // the same in quotes, for classPrint
	opQuoted    // text in quotes that holds none, or only with a backslash
	opFree      // any text in quotes, if the quotes of the line are as many as the format prints
	opTight     // any text up to the first of delims; right if the rest of the line matches, see tightGroup
	opBlock     // one block of headers and the separator after it, or neither
	opTwoBlocks // the same twice
	opEncoded   // a value in JSON or CBOR
	opAbsent    // nothing: headers of which none is captured
	opRest      // any text up to the end of the line
)

// assemble derives the program from the nodes.
func assemble(nodes []node, lone int) []op {
	var program []op
	var delims *byteSet
	tight, groupEnd := -1, 0 // the first op of a tight group; the node after it
	for i := 0; i < len(nodes); i++ {
		n := &nodes[i]
		if i >= groupEnd {
			if end, set := tightGroup(nodes, i); end > i {
				groupEnd, delims = end, set
				if tight < 0 {
					tight = len(program)
				}
			}
		}
		next := op{node: uint16(i), field: uint16(n.field), class: n.class}
		switch {
		case n.kind == nodeText:
			next.code, next.lit = opLit, n.text
		case n.kind == nodeSep:
			next.code = opSolve
		case i == lone:
			next.code = opTwoBlocks
			if follow := after(nodes, i+3); follow.has('{') || n.quoted || n.escaped {
				next.code = opSolve
			}
			i += 3
		case n.never && n.enc == encNone:
			next.code = opAbsent
			if i+1 < len(nodes) && nodes[i+1].kind == nodeText {
				i++
				next.lit = nodes[i].text
			}
		case n.shape == shapeBlock && n.enc == encNone:
			next.code = opSolve
			if loneSep(nodes, i) && !n.quoted && !n.escaped {
				if follow := after(nodes, i+1); !follow.has('{') {
					next.code = opBlock
					i++
				}
			}
		default:
			next.code = fieldOp(nodes, i)
			next.quotes = int16(quotesFrom(nodes, i))
			if i < groupEnd {
				next.code, next.delims = opTight, delims
			}
			if next.code != opSolve && i+1 < len(nodes) && nodes[i+1].kind == nodeText {
				i++
				next.lit = nodes[i].text
				next.dash = n.shape == shapeCookie && n.dashed && classes[next.lit[0]]&classCookie == 0 && next.lit[0] != '='
			}
		}
		program = append(program, next)
		if next.code == opSolve {
			if tight >= 0 { // there is no use in a guess that the program cannot follow up
				program = program[:tight+1]
				program[tight].code = opSolve
			}
			return program
		}
	}
	return fuse(append(program, op{code: opEnd}))
}

// fuse joins neighbouring numbers with one byte between into one instruction, and readies the literals.
func fuse(program []op) []op {
	out := program[:0]
	for _, o := range program {
		if o.code == opInt && len(o.lit) == 1 {
			if last := len(out) - 1; last >= 0 && out[last].code == opInts && int(out[last].node)+2*len(out[last].lit) == int(o.node) {
				out[last].lit += o.lit
				continue
			}
			o.code = opInts
		}
		if len(o.lit) <= 8 {
			for j := range len(o.lit) {
				o.mask |= 0xff << (8 * j)
				o.word |= uint64(o.lit[j]) << (8 * j)
			}
		}
		out = append(out, o)
	}
	return out
}

// loneSep reports whether the node i stands between two separators, so that it vanishes with one of them.
func loneSep(nodes []node, i int) bool {
	return i > 0 && nodes[i-1].kind == nodeText && nodes[i-1].sep && i+1 < len(nodes) && nodes[i+1].kind == nodeSep
}

// fieldOp chooses the instruction for the field at node i, opSolve if where its text ends depends on more than itself.
func fieldOp(nodes []node, i int) opcode {
	n := &nodes[i]
	follow := after(nodes, i)
	switch {
	case n.enc == encNone:
	case n.plainInt() && !follow.meets(classDigit):
		return opInt
	case n.enc == encJSON && !n.textual && !n.str && follow.meets(classDigit):
		return opSolve
	default:
		return opEncoded
	}
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		switch {
		case n.shape == shapeMilli && !n.hex, n.shape == shapePort && n.hex && !n.dashed && !n.blank:
			return opNumber // of fixed width
		case follow.meets(classDigit), n.hex && follow.meets(classMethod), n.blank:
			return opSolve
		case n.hex, n.dashed && follow.has('-'), n.quoted && n.absent:
			return opNumber
		}
		return opInt
	case shapeDate:
		return opDate
	case shapeState:
		return opState
	case shapeAddr:
		return addrOp(nodes, i, &follow)
	case shapeCookie, shapeText:
		return textOp(nodes, i, &follow)
	default:
		return opSolve
	}
}

func addrOp(nodes []node, i int, follow *byteSet) opcode {
	n := &nodes[i]
	switch {
	case n.hex, n.blank, n.wrapped():
		return opSolve
	case !follow.meets(classAddr):
		return opAddr
	}
	if i+2 < len(nodes) && nodes[i+1].kind == nodeText && nodes[i+1].text == ":" {
		number := &nodes[i+2]
		if beyond := after(nodes, i+2); number.kind == nodeField && !number.hex && !number.blank && !number.quoted &&
			(number.shape == shapeInt || number.shape == shapePort) && !beyond.meets(classAddr) {
			return opAddrColon
		}
	}
	return opSolve
}

func textOp(nodes []node, i int, follow *byteSet) opcode {
	n := &nodes[i]
	last := i+1 == len(nodes)
	switch {
	case n.quoted && n.interval():
		return opFree
	case n.quoted && n.escaped:
		return opQuoted
	case n.quoted && n.class == classPrint:
		return opPrint
	case n.quoted:
		return opQuoted
	case n.escaped:
		return opSolve
	case n.free() && last && !n.blank:
		return opRest
	case n.class != classAny && !follow.meets(n.class):
		return opWord
	default:
		return opSolve
	}
}

// after returns what can be printed next after node i; end means the end of the line.
func after(nodes []node, i int) (s byteSet) {
	for i++; i < len(nodes); i++ {
		first := nodes[i].first()
		more := first.end
		first.end = false
		s.union(&first)
		if !more {
			return s
		}
	}
	s.end = true
	return s
}

// quotesFrom returns how many quotes are printed from node i on if no value holds any, or -1 if that depends on the
// line.
func quotesFrom(nodes []node, i int) (count int) {
	for ; i < len(nodes); i++ {
		n := &nodes[i]
		switch {
		case n.kind == nodeText:
			for j := range len(n.text) {
				if n.text[j] == '"' {
					count++
				}
			}
		case n.kind == nodeSep, n.never:
		case n.enc != encNone:
			return -1
		case n.shape == shapeBlock, n.shape == shapeItems:
			if n.quoted {
				return -1
			}
		case n.wrapped():
			count += 2
		case n.quoted && n.absent, n.class == classAny:
			return -1
		}
	}
	return count
}
