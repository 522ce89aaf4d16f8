package wrapper

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// docker reads a line of Docker's json-file driver: an object whose keys are log, stream, time and, with labels or
// env, attrs (moby/daemon/logger/jsonfilelog/jsonlog). s.text is the log without its LF; a log without one is a part of
// a line of more than 16 KiB.
func (s *Splitter) docker(line []byte) bool {
	s.buf = s.buf[:0]
	j := jsonText{b: line, at: 1}
	var log, stream []byte
	hasLog, hasTime, hasAttrs := false, false, false
	for more := true; more; {
		key, ok := j.plain()
		if !ok || !j.next(':') {
			return false
		}
		switch string(key) {
		case "log":
			if hasLog {
				return false
			}
			log, ok = s.unescape(&j)
			hasLog = true
		case "stream":
			if stream != nil {
				return false
			}
			stream, ok = j.plain()
			ok = ok && (string(stream) == "stdout" || string(stream) == "stderr")
		case "time":
			var text []byte
			text, ok = j.plain()
			ok = ok && !hasTime && len(text) > 0
			if ok {
				var end int
				s.outer.Time, end = s.clock.iso(text, 0)
				ok = end == len(text)
			}
			hasTime = true
		case "attrs":
			ok = !hasAttrs && j.skip()
			hasAttrs = true
		default:
			return false
		}
		if !ok {
			return false
		}
		more = j.next(',')
	}
	if !j.next('}') || !j.end() || !hasLog || !hasTime || stream == nil {
		return false
	}
	message, whole := bytes.CutSuffix(log, []byte{'\n'})
	s.outer.Kind, s.outer.Stream, s.outer.TimeOK, s.outer.Partial = Docker, stream, true, !whole
	s.text = message
	return true
}

// jsonText walks through the text of a JSON object.
type jsonText struct {
	b  []byte
	at int
}

func (j *jsonText) blanks() {
	for j.at < len(j.b) && (j.b[j.at] == ' ' || j.b[j.at] == '\t' || j.b[j.at] == '\r') {
		j.at++
	}
}

func (j *jsonText) end() bool {
	j.blanks()
	return j.at == len(j.b)
}

// next passes c.
func (j *jsonText) next(c byte) bool {
	j.blanks()
	if j.at == len(j.b) || j.b[j.at] != c {
		return false
	}
	j.at++
	return true
}

// plain passes a short string without escapes.
func (j *jsonText) plain() (text []byte, ok bool) {
	const limit = 64
	if !j.next('"') {
		return nil, false
	}
	rest := j.b[j.at:]
	if len(rest) > limit {
		rest = rest[:limit]
	}
	n := bytes.IndexByte(rest, '"')
	if n < 0 || bytes.IndexByte(rest[:n], '\\') >= 0 {
		return nil, false
	}
	j.at += n + 1
	return rest[:n], true
}

// skip passes a value: a string, or whatever is between brackets.
func (j *jsonText) skip() bool {
	depth := 0
	j.blanks()
	for ; j.at < len(j.b); j.at++ {
		switch j.b[j.at] {
		case '"':
			for j.at++; j.at < len(j.b) && j.b[j.at] != '"'; j.at++ {
				if j.b[j.at] == '\\' {
					j.at++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				j.at++
				return true
			}
		}
		if depth == 0 {
			j.at++
			return j.at <= len(j.b)
		}
	}
	return false
}

// unescape passes a string and gives what it stands for: a part of j.b, or of s.buf.
func (s *Splitter) unescape(j *jsonText) (text []byte, ok bool) {
	if !j.next('"') {
		return nil, false
	}
	quote := -1
	for from := j.at; ; {
		if quote < from {
			n := bytes.IndexByte(j.b[from:], '"')
			if n < 0 {
				return nil, false
			}
			quote = from + n
		}
		n := bytes.IndexByte(j.b[from:quote], '\\')
		if n < 0 {
			first := j.at
			j.at = quote + 1
			if len(s.buf) == 0 {
				return j.b[first:quote], true
			}
			s.buf = append(s.buf, j.b[from:quote]...)
			return s.buf, true
		}
		s.buf = append(s.buf, j.b[from:from+n]...)
		size := s.escape(j.b[from+n:])
		if size == 0 {
			return nil, false
		}
		from += n + size
	}
}

// escape appends what the escape that b begins with stands for and gives its size, 0 if it is none.
func (s *Splitter) escape(b []byte) (size int) {
	if len(b) < 2 {
		return 0
	}
	c := b[1]
	switch c {
	case '"', '\\', '/':
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		r, ok := unit(b)
		if !ok {
			return 0
		}
		size = 6
		if utf16.IsSurrogate(r) {
			low, _ := unit(b[6:])
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				r, size = pair, 12
			} else {
				r = utf8.RuneError
			}
		}
		s.buf = utf8.AppendRune(s.buf, r)
		return size
	default:
		return 0
	}
	s.buf = append(s.buf, c)
	return 2
}

// unit reads a UTF-16 code unit: \u and four hexadecimal digits.
func unit(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
