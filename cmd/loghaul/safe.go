package main

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What clients send ends up in lines, and would steer the terminal that shows
// them: escape sequences that rewrite the screen, and characters that turn the
// direction of text.

// appendSafe appends text with everything escaped that is not printed as it
// stands: \xXX for bytes, \u{X} for characters. A tab stays, an LF at the end
// is left out. A backslash is not escaped: what is printed is for eyes.
func appendSafe(dst, text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t', r == 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, text[0])
		case r == '\t' || unicode.IsPrint(r):
			dst = append(dst, text[:size]...)
		default:
			dst = fmt.Appendf(dst, `\u{%x}`, r)
		}
		text = text[size:]
	}
	return dst
}

// appendSafeJSON is appendSafe for JSON in one line, which stays what it means:
// such characters stand in texts only, where JSON has an escape for them.
func appendSafeJSON(dst, text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case unicode.IsPrint(r):
			dst = append(dst, text[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[size:]
	}
	return dst
}
