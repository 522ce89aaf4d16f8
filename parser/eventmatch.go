package parser

import (
	"bytes"
	"strings"
)

// matchEvent reports whether line is what pattern says, see events, and fills e.
func matchEvent(pattern string, line []byte, e *Event) bool {
	*e = Event{}
	p, after := 0, -1 // after is where the rest of the line begins that a reason may be in
	for pattern != "" {
		if pattern[0] != '%' {
			end := literalEnd(pattern)
			if len(line)-p < end || string(line[p:p+end]) != pattern[:end] {
				return false
			}
			p, pattern = p+end, pattern[end:]
			continue
		}
		what := pattern[1]
		pattern = pattern[2:]
		if what == '[' {
			option, rest, _ := strings.Cut(pattern, "]")
			pattern = rest
			if bytes.HasPrefix(line[p:], []byte(option)) {
				p += len(option)
			}
			continue
		}
		q := eventEnd(what, pattern, line, p)
		if q < 0 {
			return false
		}
		switch text := line[p:q:q]; what {
		case 'b':
			e.Proxy = text
		case 's':
			e.Server = text
		case 'S':
			if e.State = eventState(text); e.State == "" {
				return false
			}
		case '.':
			after = p
		case '*':
			if bytes.HasPrefix(text, []byte(checked)) {
				after = p
			}
		}
		p = q
	}
	if after >= 0 && e.Server != nil {
		e.Reason = reason(line[after:])
	}
	return p == len(line)
}

// eventEnd returns where the text of a pattern's element that starts at line[p] ends, or -1. rest is the pattern after
// it.
func eventEnd(what byte, rest string, line []byte, p int) int {
	q := p
	switch what {
	case 'b', 's':
		// A name may hold ':' and '.', which may also follow it.
		return beforeLiteral(line, p+1, runEnd(line, p, className), rest)
	case 'q':
		for q < len(line) && line[q] != '\'' && line[q] != ']' {
			q++
		}
		return q
	case 'S':
		for q < len(line) && line[q] >= 'A' && line[q] <= 'Z' {
			q++
		}
	case 'd':
		q = runEnd(line, p, classDigit)
	case 'k':
		for _, kind := range [...]string{"frontend", "backend", "proxy", "defaults", "peers section"} {
			if bytes.HasPrefix(line[p:], []byte(kind)) {
				return p + len(kind)
			}
		}
		return -1
	case '.':
		if p < len(line) && classes[line[p]]&classMethod != 0 && line[p] != '.' {
			return -1
		}
		return len(line)
	default: // %*
		return beforeLiteral(line, p, len(line), rest)
	}
	if q == p {
		return -1
	}
	return q
}

// beforeLiteral returns the last position from low to high where the literal that begins rest stands, or -1. Without a
// literal that is high.
func beforeLiteral(line []byte, low, high int, rest string) int {
	literal := rest[:literalEnd(rest)]
	if literal == "" {
		if high < low {
			return -1
		}
		return high
	}
	for q := high; q >= low; q-- {
		if len(line)-q >= len(literal) && string(line[q:q+len(literal)]) == literal {
			return q
		}
	}
	return -1
}

// literalEnd returns the length of the literal that begins pattern.
func literalEnd(pattern string) int {
	if i := strings.IndexByte(pattern, '%'); i >= 0 {
		return i
	}
	return len(pattern)
}

// eventState gives the constant for a state that HAProxy prints, or "".
func eventState(text []byte) string {
	switch string(text) {
	case "UP":
		return "UP"
	case "DOWN":
		return "DOWN"
	case "DRAIN":
		return "DRAIN"
	default:
		return ""
	}
}
