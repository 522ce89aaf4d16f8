package parser

import (
	"bytes"
	"encoding/binary"
)

// HAProxy's JSON is flat: strings that escape only `"` and `\`, numbers, truth values, null for captured headers that
// are not there, and arrays of strings for %hrl and %hsl.

const jsonNull = "null"

// jsonEnd returns the end of the value at text[p:], or p.
func jsonEnd(text []byte, p int) int {
	if p >= len(text) {
		return p
	}
	switch text[p] {
	case '"':
		if end, _ := jsonString(text, p); end > 0 {
			return end
		}
	case '[':
		q := p + 1
		for q < len(text) && text[q] == '"' {
			end, _ := jsonString(text, q)
			switch {
			case end == 0:
				return p
			case end < len(text) && text[end] == ']':
				return end + 1
			case !bytes.HasPrefix(text[end:], []byte(", ")):
				return p
			}
			q = end + 2
		}
	case 't', 'f', 'n':
		for _, word := range [...]string{"true", "false", jsonNull} {
			if bytes.HasPrefix(text[p:], []byte(word)) {
				return p + len(word)
			}
		}
	default:
		_, end := scanInt(text, p)
		return end
	}
	return p
}

// jsonString returns the end of the string whose opening quote is text[p], 0 if it has none, and whether it holds a
// backslash. It looks at eight bytes at a time.
func jsonString(text []byte, p int) (end int, escapes bool) {
	q := p + 1
	for ; q+8 <= len(text); q += 8 {
		x := binary.LittleEndian.Uint64(text[q:])
		quotes, slashes := x^ones*'"', x^ones*'\\'
		hit := ((quotes-ones)&^quotes | (slashes-ones)&^slashes) & highs
		if hit == 0 {
			continue
		}
		q += firstByte(hit)
		if text[q] == '"' {
			return q + 1, false
		}
		return jsonEscaped(text, q)
	}
	for ; q < len(text); q++ {
		switch text[q] {
		case '"':
			return q + 1, false
		case '\\':
			return jsonEscaped(text, q)
		}
	}
	return 0, false
}

// jsonEscaped goes on from a backslash.
func jsonEscaped(text []byte, q int) (end int, escapes bool) {
	for q < len(text) {
		switch text[q] {
		case '"':
			return q + 1, true
		case '\\':
			if q+1 >= len(text) || text[q+1] != '"' && text[q+1] != '\\' {
				return 0, true
			}
			q++
		}
		q++
	}
	return 0, true
}

func (n *node) decodeJSON(text []byte, v *Value, r *Record) bool {
	if len(text) == 0 || jsonEnd(text, 0) != len(text) {
		return false
	}
	list := n.shape == shapeBlock || n.shape == shapeItems
	switch c := text[0]; {
	case c == '[':
		return n.shape == shapeItems && n.decodeArray(text, v, r)
	case c == 'n':
		return list && n.setAbsent(v)
	case c != '"':
		if n.shape == shapeToken {
			n.setToken(text, true, v, r)
			return true
		}
		if c == 't' || c == 'f' || n.textual {
			return false
		}
		var end int
		v.Int, v.State, end = n.scanNumber(text, 0)
		return end == len(text)
	}
	inner := text[1 : len(text)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner = unescape(inner, &r.scratch)
	}
	switch {
	case n.shape == shapeToken:
		if len(inner) == 0 {
			return n.setAbsent(v)
		}
		n.setToken(inner, false, v, r)
		return true
	case !n.textual, len(inner) == 0 && n.absent && !list: // only a number that is not there is ""
		return len(inner) == 0 && n.absent && n.setAbsent(v)
	case n.shape == shapeItems:
		return false
	}
	return n.decodeText(inner, v, r)
}

// decodeArray reads `["a", "b"]`.
func (n *node) decodeArray(text []byte, v *Value, r *Record) bool {
	start := len(r.scratch)
	v.Int, v.State = 0, Present
	for p := 1; p < len(text); p++ {
		end, escapes := jsonString(text, p)
		if end == 0 {
			return false
		}
		item := text[p+1 : end-1]
		if v.Int > 0 {
			r.scratch = append(r.scratch, '|')
		}
		v.Int++
		at := len(r.scratch)
		r.scratch = append(r.scratch, item...)
		if escapes {
			r.scratch = unescapeInPlace(r.scratch, at)
		}
		if runEnd(r.scratch, at, classHeader) != len(r.scratch) {
			return false
		}
		if p = end; text[p] == ',' {
			p++
		}
	}
	v.Text = r.scratch[start:len(r.scratch):len(r.scratch)]
	return n.hasItems(v)
}

// unescapeInPlace removes the backslashes of text[at:].
func unescapeInPlace(text []byte, at int) []byte {
	out := text[:at]
	for i := at; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		out = append(out, text[i])
	}
	return out
}

func (n *node) appendJSON(dst []byte, v *Value, dates *dateCache) []byte {
	if v.State&Present == 0 {
		if n.shape == shapeBlock || n.shape == shapeItems {
			return append(dst, jsonNull...)
		}
		return append(dst, '"', '"')
	}
	switch {
	case n.shape == shapeItems:
		sep := "["
		for item := range v.Items {
			dst = append(appendJSONText(append(append(dst, sep...), '"'), item), '"')
			sep = ", "
		}
		return append(dst, ']')
	case n.shape == shapeToken && n.bare(v):
		return append(dst, v.Text...)
	case n.shape == shapeToken:
		return append(appendJSONText(append(dst, '"'), v.Text), '"')
	case !n.textual:
		return n.appendNumber(dst, v)
	}
	dst = append(dst, '"')
	start := len(dst)
	dst = n.appendPlain(dst, v, dates)
	if bytes.ContainsAny(dst[start:], `"\`) {
		inner := append([]byte(nil), dst[start:]...)
		dst = appendJSONText(dst[:start], inner)
	}
	return append(dst, '"')
}

func appendJSONText(dst, text []byte) []byte {
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
