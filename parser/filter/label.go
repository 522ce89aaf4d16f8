package filter

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Label gives a member of the archive's column labels, a JSON object of texts. ok is false if it has none of that name.
// text aliases object, unless it had to be unescaped.
func Label(object []byte, name string) (text []byte, ok bool) {
	rest, ok := bytes.CutPrefix(object, []byte("{"))
	for ok {
		var key, value []byte
		if key, rest, ok = member(rest); !ok || len(rest) == 0 || rest[0] != ':' {
			return nil, false
		}
		if value, rest, ok = member(rest[1:]); !ok {
			return nil, false
		}
		if string(key) == name {
			return unescape(value), true
		}
		rest, ok = bytes.CutPrefix(rest, []byte(","))
	}
	return nil, false
}

// member reads a text in quotes, as it stands.
func member(object []byte) (text, rest []byte, ok bool) {
	if len(object) == 0 || object[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(object); i++ {
		switch object[i] {
		case '\\':
			i++
		case '"':
			return object[1:i], object[i+1:], true
		}
	}
	return nil, nil, false
}

// unescape gives what a text in JSON says.
func unescape(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out = append(out, text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := codeUnit(text[i+1:])
			i += 4
			if utf16.IsSurrogate(r) && i+2 < len(text) && text[i+1] == '\\' && text[i+2] == 'u' {
				r = utf16.DecodeRune(r, codeUnit(text[i+3:]))
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

// codeUnit reads four hexadecimal digits.
func codeUnit(text []byte) (r rune) {
	for i := range 4 {
		if i >= len(text) || hexDigit(text[i]) < 0 {
			return utf8.RuneError
		}
		r = r<<4 | rune(hexDigit(text[i]))
	}
	return r
}
