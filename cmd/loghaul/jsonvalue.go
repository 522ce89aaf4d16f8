package main

import (
	"encoding/binary"
	"time"
	"unicode/utf8"
)

// appendText appends text as JSON: a string, or {"hex":"…"} if it is not valid UTF-8.
func appendText(dst, text []byte) []byte {
	if plainText(text) {
		return append(append(append(dst, '"'), text...), '"')
	}
	const hex = "0123456789ABCDEF"
	if !utf8.Valid(text) {
		dst = append(dst, `{"hex":"`...)
		for _, c := range text {
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		return append(dst, '"', '}')
	}
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// plainText reports whether text is ASCII that JSON does not escape. It looks at eight bytes at a time.
func plainText(text []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	if len(text) < 8 {
		return plainBytes(text)
	}
	for at := 0; ; at += 8 {
		if at+8 > len(text) {
			if at == len(text) {
				return true
			}
			at = len(text) - 8 // the last ones, some of them again
		}
		x := binary.LittleEndian.Uint64(text[at:])
		quote, slash := x^ones*'"', x^ones*'\\'
		if ((x-ones*' ')|(quote-ones)|(slash-ones)|x)&highs != 0 {
			return plainBytes(text[at:]) // or a byte above one of these: rare
		}
		if at+8 == len(text) {
			return true
		}
	}
}

func plainBytes(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// clock prints instants. Neighbouring records are of the same second as a rule, so that only milliseconds change.
type clock struct {
	second int64
	offset int32
	zone   *time.Location
	text   []byte // of the second
	millis int    // where in it the milliseconds are; 0 before the first use
}

// append appends an instant, in Unix milliseconds, as RFC 3339 with milliseconds and the offset from UTC in seconds.
func (c *clock) append(dst []byte, ms int64, offset int32) []byte {
	second := ms / 1000
	if ms < 0 && ms%1000 != 0 {
		second--
	}
	if c.millis == 0 || second != c.second || offset != c.offset {
		if c.zone == nil || offset != c.offset {
			c.zone = time.FixedZone("", int(offset))
		}
		c.text = time.Unix(second, 0).In(c.zone).AppendFormat(c.text[:0], "2006-01-02T15:04:05.000Z07:00")
		c.second, c.offset = second, offset
		for c.millis = len(c.text) - 1; c.text[c.millis] != '.'; {
			c.millis--
		}
		c.millis++
	}
	milli := ms - second*1000
	digits := c.text[c.millis:]
	digits[0], digits[1], digits[2] = byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10)
	return append(dst, c.text...)
}
