package parser

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// firstByte returns the index of the lowest byte of x that has its high bit set.
func firstByte(x uint64) int { return bits.TrailingZeros64(x) >> 3 }

// runEnd returns the end of the longest run of bytes of k at s[p:].
func runEnd(s []byte, p int, k class) int {
	switch k {
	case classAny:
		return len(s)
	case classPrint:
		return visibleEnd(s, p, ' ')
	case classGraph:
		return visibleEnd(s, p, '!')
	default:
		for p < len(s) && classes[s[p]]&k != 0 {
			p++
		}
		return p
	}
}

// printEnd is runEnd for classPrint.
func printEnd(s []byte, p int) int { return visibleEnd(s, p, ' ') }

// visibleEnd is runEnd for classPrint, if least is a space, and for classGraph, if it is '!', eight bytes at a time: it
// looks for the first byte below least, above 126 or '"'.
func visibleEnd(s []byte, p int, least uint64) int {
	low := ones * least
	for ; p+8 <= len(s); p += 8 {
		x := binary.LittleEndian.Uint64(s[p:])
		q := x ^ ones*'"'
		// A borrow or carry can only spoil bytes above a hit, and the first hit is all that matters.
		if hit := ((x-low)&^x | (q-ones)&^q | (x + ones) | x) & highs; hit != 0 {
			return p + firstByte(hit)
		}
	}
	for p < len(s) && s[p] != '"' && s[p] < 127 && uint64(s[p]) >= least {
		p++
	}
	return p
}

// blockEnd reads a block of captured headers, `{a|b}`, at s[p:]: the offset after it, and the number of headers. end is
// p if there is none.
func blockEnd(s []byte, p int) (end, items int) {
	if p >= len(s) || s[p] != '{' {
		return p, 0
	}
	items = 1
	q := p + 1
	for ; q+8 <= len(s); q += 8 {
		x := binary.LittleEndian.Uint64(s[q:])
		c := x ^ ones*'"'
		// Stops at what printEnd stops at, and at { | } ~, which spoil no byte above them.
		hit := ((x-ones*' ')&^x | (c-ones)&^c | (x + ones*5) | x) & highs
		for ; hit != 0; hit &= hit - 1 {
			at := q + firstByte(hit)
			switch s[at] {
			case '|':
				items++
			case '~':
			case '}':
				return at + 1, items
			default:
				return p, 0
			}
		}
	}
	for ; q < len(s); q++ {
		switch c := s[q]; {
		case c == '|':
			items++
		case c == '}':
			return q + 1, items
		case classes[c]&classHeader == 0:
			return p, 0
		}
	}
	return p, 0
}

// closing returns the offset of the quote that ends the quoted text whose opening quote is at s[p], or -1: for +E the
// first one without a backslash, where `"`, `\` and `]` must have one; else the first one after bytes of k.
func closing(s []byte, p int, k class, escaped bool) int {
	if !escaped {
		if end := runEnd(s, p+1, k&^classAny); end < len(s) && s[end] == '"' {
			return end
		}
		return -1
	}
	end := escapedEnd(s, p+1, k)
	if end < len(s) && s[end] == '"' {
		return end
	}
	return -1
}

// escapedEnd is runEnd for the text of +E.
func escapedEnd(s []byte, p int, k class) int {
	for p < len(s) {
		switch c := s[p]; {
		case c == '\\':
			if p+1 >= len(s) || !escapable(s[p+1]) || classes[s[p+1]]&k == 0 {
				return p
			}
			p += 2
		case c == '"', c == ']', classes[c]&k == 0:
			return p
		default:
			p++
		}
	}
	return p
}

func escapable(c byte) bool { return c == '"' || c == '\\' || c == ']' }

// unescape removes the backslashes of +E. The text is text itself if it has none, else it is appended to scratch.
func unescape(text []byte, scratch *[]byte) []byte {
	first := -1
	for i, c := range text {
		if c == '\\' {
			first = i
			break
		}
	}
	if first < 0 {
		return text
	}
	start := len(*scratch)
	out := append(*scratch, text[:first]...)
	for i := first; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		out = append(out, text[i])
	}
	*scratch = out
	return out[start:len(out):len(out)]
}

// appendEscaped is the inverse of unescape.
func appendEscaped(dst, text []byte) []byte {
	for _, c := range text {
		if escapable(c) {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
