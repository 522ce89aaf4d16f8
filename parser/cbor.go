package parser

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// HAProxy's CBOR (RFC 8949) is a map of indefinite length with texts, whole numbers, truth values, null, byte strings
// of binary samples and arrays of texts. Texts that may hold `#XX` are of indefinite length: one chunk for each run of
// other bytes before a `#XX`, even if it is empty, one for each `#XX`, and one for what is left. The log shows every
// byte as two hexadecimal digits, unless +bin is set.
const (
	cborBytes   = 0x40
	cborText    = 0x60
	cborArray   = 0x9F
	cborMap     = 0xBF
	cborFalse   = 0xF4
	cborTrue    = 0xF5
	cborNull    = 0xF6
	cborBreak   = 0xFF
	indefinite  = 0x1F
	maxCBORText = 64 << 10
)

// cborReader reads CBOR that may be written as hexadecimal digits. p is -1 after it has run into something else.
type cborReader struct {
	text  []byte
	p     int
	hex   bool
	steps int  // how many bytes were read
	short bool // the text ended too early, and nothing else was wrong
}

func (c *cborReader) next() byte {
	c.steps++
	if c.p < 0 {
		return 0
	}
	if !c.hex {
		if c.p >= len(c.text) {
			c.p, c.short = -1, true
			return 0
		}
		c.p++
		return c.text[c.p-1]
	}
	if c.p+2 > len(c.text) {
		c.short = c.p == len(c.text)
		if !c.short {
			_, c.short = hexDigit(c.text[c.p])
		}
		c.p = -1
		return 0
	}
	high, ok := hexDigit(c.text[c.p])
	low, fine := hexDigit(c.text[c.p+1])
	if !ok || !fine {
		c.p = -1
		return 0
	}
	c.p += 2
	return high<<4 | low
}

// argument reads the number that the head of an item holds or announces.
func (c *cborReader) argument(head byte) (value uint64) {
	size := 0
	switch low := head & 0x1f; {
	case low < 24:
		return uint64(low)
	case low < 28:
		size = 1 << (low - 24)
	default:
		c.p = -1
	}
	for range size {
		value = value<<8 | uint64(c.next())
	}
	return value
}

// bytes appends n bytes to dst.
func (c *cborReader) bytes(dst []byte, n uint64) []byte {
	if n > maxCBORText {
		c.p = -1
	}
	for range n {
		b := c.next()
		if c.p < 0 {
			break
		}
		dst = append(dst, b)
	}
	return dst
}

// cborItem is what a value of the map is, as far as HAProxy uses the encoding.
type cborItem struct {
	kind    byte // cborText, cborBytes, cborArray, cborTrue for a truth value, cborNull, or 0 for a number
	chunked bool
	number  int64
}

// item reads one item and appends its text to dst; the texts of an array are joined with '|'.
func (c *cborReader) item(dst []byte) (it cborItem, out []byte) {
	head := c.next()
	switch major := head & 0xE0; {
	case c.p < 0:
	case head == cborNull:
		it.kind = cborNull
	case head == cborTrue, head == cborFalse:
		it.kind = cborTrue
		if head == cborTrue {
			it.number = 1
		}
	case head == cborArray:
		it.kind = cborArray
		for {
			text := c.next()
			if text == cborBreak || c.p < 0 {
				return it, dst
			}
			if it.number > 0 {
				dst = append(dst, '|')
			}
			it.number++
			if text != cborText|indefinite {
				c.p = -1
			}
			dst = c.chunks(dst, cborText)
		}
	case head == cborText|indefinite, head == cborBytes|indefinite:
		it.kind, it.chunked = major, true
		dst = c.chunks(dst, major)
	case major == cborText, major == cborBytes:
		it.kind = major
		dst = c.bytes(dst, c.argument(head))
	case major == 0:
		it.number = int64(c.argument(head))
	case major == 0x20:
		it.number = -1 - int64(c.argument(head))
	default:
		c.p = -1
	}
	return it, dst
}

// chunks reads the chunks of a text of indefinite length up to its end.
func (c *cborReader) chunks(dst []byte, major byte) []byte {
	for c.p >= 0 {
		head := c.next()
		if head == cborBreak {
			return dst
		}
		if head&0xE0 != major {
			c.p = -1
			return dst
		}
		dst = c.bytes(dst, c.argument(head))
	}
	return dst
}

// cborEnd returns the end of the item at text[p:], or p, and how many bytes it looked at.
func cborEnd(text []byte, p int, hex bool) (end, looked int) {
	c := cborReader{text: text, p: p, hex: hex}
	var scratch [256]byte
	if c.item(scratch[:0]); c.p < 0 {
		return p, 2 * c.steps
	}
	return c.p, 2 * c.steps
}

func (n *node) decodeCBOR(text []byte, v *Value, r *Record) bool {
	c := cborReader{text: text, hex: n.enc == encCBORHex}
	start := len(r.scratch)
	var it cborItem
	it, r.scratch = c.item(r.scratch)
	inner := r.scratch[start:len(r.scratch):len(r.scratch)]
	if c.p != len(text) || !n.setCBOR(it, inner, v, r) {
		return false
	}
	// The same could be written in other ways: it has to be that of HAProxy.
	start = len(r.scratch)
	r.scratch = n.appendEncoded(r.scratch, v, &r.dates)
	same := bytes.Equal(r.scratch[start:], text)
	r.scratch = r.scratch[:start]
	return same
}

// setCBOR sets v to the item, whose text is inner.
func (n *node) setCBOR(it cborItem, inner []byte, v *Value, r *Record) bool {
	switch it.kind {
	case cborNull:
		return n.setAbsent(v)
	case cborTrue:
		if n.shape != shapeToken {
			return false
		}
		word := "false"
		if it.number != 0 {
			word = "true"
		}
		n.setToken(r.keep(word), true, v, r)
		return true
	case 0:
		if n.shape == shapeToken {
			n.setToken(r.keep(strconv.FormatInt(it.number, 10)), true, v, r)
			return true
		}
		v.Int, v.State = it.number, Present
		return !n.textual && (n.shape == shapeInt || n.shape == shapePort)
	case cborArray:
		v.Text, v.Int, v.State = inner, it.number, Present
		return n.shape == shapeItems && n.hasItems(v)
	case cborBytes:
		v.Text, v.State = inner, Present|Binary
		r.inexact = true
		return n.shape == shapeToken && it.chunked
	}
	if n.shape == shapeToken {
		n.setToken(inner, false, v, r)
		return true
	}
	if !n.textual || n.shape == shapeItems {
		return false
	}
	if n.free() && len(inner) == 0 {
		v.Text, v.State = inner, Present
		return true
	}
	return n.decodeText(inner, v, r)
}

// keep gives text a place in r's scratch space.
func (r *Record) keep(text string) []byte {
	start := len(r.scratch)
	r.scratch = append(r.scratch, text...)
	return r.scratch[start:len(r.scratch):len(r.scratch)]
}

// appendCBOR appends the bytes of the value, not as digits.
func (n *node) appendCBOR(dst []byte, v *Value, dates *dateCache) []byte {
	if v.State&Present == 0 {
		return append(dst, cborNull)
	}
	switch {
	case n.shape == shapeItems:
		dst = append(dst, cborArray)
		for item := range v.Items {
			dst = append(appendChunks(append(dst, cborText|indefinite), item), cborBreak)
		}
		return append(dst, cborBreak)
	case n.shape == shapeToken && v.State&Binary != 0:
		dst = append(dst, cborBytes|indefinite)
		if len(v.Text) > 0 {
			dst = append(appendHead(dst, cborBytes, uint64(len(v.Text))), v.Text...)
		}
		return append(dst, cborBreak)
	case n.shape == shapeToken && n.bare(v):
		switch v.Text[0] {
		case 't':
			return append(dst, cborTrue)
		case 'f':
			return append(dst, cborFalse)
		}
		number, _ := scanInt(v.Text, 0)
		return appendCBORInt(dst, number)
	case n.shape == shapeToken:
		return append(appendHead(dst, cborText, uint64(len(v.Text))), v.Text...)
	case !n.textual:
		return appendCBORInt(dst, v.Int)
	}
	var buf [256]byte
	inner := n.appendPlain(buf[:0], v, dates)
	if !n.vartext {
		return append(appendHead(dst, cborText, uint64(len(inner))), inner...)
	}
	dst = append(dst, cborText|indefinite)
	switch {
	case n.shape == shapeBlock:
		dst = append(dst, cborText|1, '{')
		first := true
		for item := range v.Items {
			if !first {
				dst = append(dst, cborText|1, '|')
			}
			first = false
			dst = appendChunks(dst, item)
		}
		dst = append(dst, cborText|1, '}')
	case n.class == classFrontend:
		name, tls := bytes.CutSuffix(inner, []byte("~"))
		dst = append(appendHead(dst, cborText, uint64(len(name))), name...)
		if tls {
			dst = append(dst, cborText|1, '~')
		}
	default:
		dst = appendChunks(dst, inner)
	}
	return append(dst, cborBreak)
}

// appendChunks appends a text in the chunks that HAProxy cuts it into.
func appendChunks(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '#')
		if at < 0 || at+3 > len(text) {
			break
		}
		dst = append(appendHead(dst, cborText, uint64(at)), text[:at]...)
		dst = append(append(dst, cborText|3), text[at:at+3]...)
		text = text[at+3:]
	}
	if len(text) > 0 {
		dst = append(appendHead(dst, cborText, uint64(len(text))), text...)
	}
	return dst
}

func appendHead(dst []byte, major byte, value uint64) []byte {
	switch {
	case value < 24:
		return append(dst, major|byte(value))
	case value < 1<<8:
		return append(dst, major|24, byte(value))
	case value < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(value))
	case value < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(value))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), value)
	}
}

func appendCBORInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendHead(dst, 0x20, uint64(-1-v))
	}
	return appendHead(dst, 0, uint64(v))
}

// hexInPlace replaces the bytes of dst[start:] by their hexadecimal digits.
func hexInPlace(dst []byte, start int) []byte {
	n := len(dst) - start
	dst = append(dst, dst[start:]...)
	for i := n - 1; i >= 0; i-- {
		b := dst[start+i]
		dst[start+2*i], dst[start+2*i+1] = upperHex[b>>4], upperHex[b&15]
	}
	return dst
}
