package parser

// encoding is how the value of a field is printed with +json or +cbor. Encoded values tell their own end, so that they
// leave nothing open.
type encoding uint8

const (
	encNone    encoding = iota // text
	encJSON                    // json.go
	encCBORHex                 // cbor.go, every byte as two hexadecimal digits
	encCBOR                    // cbor.go
)

func (o options) encoding() encoding {
	switch {
	case o&optJSON != 0:
		return encJSON
	case o&optCBOR != 0 && o&optBin != 0:
		return encCBOR
	case o&optCBOR != 0:
		return encCBORHex
	default:
		return encNone
	}
}

// encode makes n, a node whose value has the shape of a text format, one of an encoded value.
func (n *node) encode(row *alias, it *item) {
	n.enc = it.opts.encoding()
	n.vartext = row.flags&quotable != 0 && row.flags&dash == 0
	n.min = 1
	if row.flags&(empty|missing) != 0 {
		n.min = 0
	}
	n.quoted, n.escaped, n.dashed, n.blank, n.plus = false, false, false, false, false
	if n.shape == shapeMilli {
		n.shape = shapeInt // not padded
		n.width = 2
	}
	number := n.shape == shapeInt || n.shape == shapePort && !n.hex
	switch {
	case number && it.cast == castBool:
		n.shape = shapeToken
	case number && it.cast == castStr && n.enc == encJSON, number && n.hex:
		n.textual = true
	case number:
	case n.expr && it.cast == castNone:
		n.shape, n.str = shapeToken, printsText(it.text)
	case n.expr && it.cast == castInt:
		n.shape = shapeInt
	case n.expr && it.cast == castBool:
		n.shape = shapeToken
	default:
		n.textual = true
	}
}

// encodedKind is the kind of the field of n; kind is that of its text.
func (n *node) encodedKind(kind Kind) Kind {
	switch {
	case n.shape == shapeToken:
		return KindText
	case n.expr && n.shape == shapeInt:
		return KindInt
	default:
		return kind
	}
}

// begin, key and end are what is printed around the values of a string that is encoded as a whole.
func (e encoding) begin() string {
	if e == encJSON {
		return "{"
	}
	return e.print(cborMap)
}

func (e encoding) key(name string, first bool) string {
	switch {
	case e != encJSON:
		return e.print(append(appendHead(nil, cborText, uint64(len(name))), name...)...)
	case first:
		return `"` + name + `": `
	default:
		return `, "` + name + `": `
	}
}

func (e encoding) end() string {
	if e == encJSON {
		return "}"
	}
	return e.print(cborBreak)
}

func (e encoding) print(raw ...byte) string {
	if e == encCBORHex {
		raw = hexInPlace(raw, 0)
	}
	return string(raw)
}

// encodedEnd returns the end of the encoded value of n at text[p:], or p, and how many bytes it looked at.
func (n *node) encodedEnd(text []byte, p int) (end, looked int) {
	if n.enc != encJSON {
		return cborEnd(text, p, n.enc == encCBORHex)
	}
	end = jsonEnd(text, p)
	switch looked = end - p; {
	case p < len(text) && end == p && (text[p] == '"' || text[p] == '['):
		return end, len(text) - p // for the quote that is missing
	default:
		return end, looked + 1
	}
}

// decodeEncoded reads text, an encoded value, into v. It is false if HAProxy cannot have printed it for n.
func (n *node) decodeEncoded(text []byte, v *Value, r *Record) bool {
	if n.enc == encJSON {
		return n.decodeJSON(text, v, r)
	}
	return n.decodeCBOR(text, v, r)
}

func (n *node) appendEncoded(dst []byte, v *Value, dates *dateCache) []byte {
	if n.enc == encJSON {
		return n.appendJSON(dst, v, dates)
	}
	start := len(dst)
	dst = n.appendCBOR(dst, v, dates)
	if n.enc == encCBORHex {
		dst = hexInPlace(dst, start)
	}
	return dst
}

// setToken sets v to a value whose type the encoding printed: bare is a number or a truth value. What the text alone
// does not tell, when it is stored in place of the line, makes the record inexact.
func (n *node) setToken(text []byte, bare bool, v *Value, r *Record) {
	v.Text, v.State = text, Present
	looks := !n.str && looksBare(text)
	switch {
	case bare:
		v.State |= Bare
	case looks:
		v.State |= Quoted
	}
	if bare != looks {
		r.inexact = true
	}
}

// bare reports whether v is printed as a number or a truth value.
func (n *node) bare(v *Value) bool {
	switch {
	case len(v.Text) == 0, v.State&(Quoted|Binary) != 0:
		return false
	case v.State&Bare != 0:
		return true
	case n.str:
		return false
	default:
		return looksBare(v.Text)
	}
}

// looksBare reports whether text is what a number or a truth value prints.
func looksBare(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if text[0] == 't' || text[0] == 'f' {
		return string(text) == "true" || string(text) == "false"
	}
	_, end := scanInt(text, 0)
	return end == len(text)
}
