package wrapper

import "bytes"

// rfc5424 adds a cut, and reports it, if b[at:], behind the PRI, goes on as RFC 5424, section 6, says: VERSION, TIMESTAMP, HOSTNAME,
// APP-NAME, PROCID, MSGID, STRUCTURED-DATA, and a message that may begin with a byte order mark.
func (s *Splitter) rfc5424(b []byte, at int) bool {
	if len(b)-at < 2 || b[at] != '1' || b[at+1] != ' ' {
		return false
	}
	c := cut{kind: RFC5424, hasPRI: true}
	at += 2
	if nil5424(b, at) {
		at += 2
	} else {
		end, legacy := s.date(b, at)
		if end == 0 || legacy {
			return false
		}
		at, c.dated = end, true
	}
	for _, name := range [...]*[]byte{&c.host, &c.tag, &c.pid, &c.msgID} {
		text, next := word(b, at)
		if text == nil || next == len(b) {
			return false
		}
		if len(text) > 1 || text[0] != '-' {
			*name = text
		}
		at = next
	}
	end := at + 1
	if b[at] != '-' {
		end = structuredData(b, at)
		if end > 0 {
			c.structuredData = b[at:end]
		}
	}
	switch {
	case end == len(b): // no message
	case end == 0 || b[end] != ' ':
		// HAProxy cut the line in here, or printed quotes without +E. Where the message begins could only be guessed.
		c.structuredData, c.open, end = nil, true, at
	default:
		end++
		if bytes.HasPrefix(b[end:], []byte("\xef\xbb\xbf")) {
			end += 3
		}
	}
	c.at = end
	s.cuts[s.n] = c
	s.n++
	return true
}

// nil5424 tells the NILVALUE.
func nil5424(b []byte, at int) bool { return len(b)-at > 1 && b[at] == '-' && b[at+1] == ' ' }

// structuredData gives the end of the SD-ELEMENTs at b[at:], 0 if there are none. Where a name may stand anything but
// blanks, '=', ']' and '"' is taken; in a value '"', '\' and ']' have a backslash before them (section 6.3.3), which is
// what HAProxy's +E prints. A value may lack its quotes: HAProxy's +Q gives numbers none.
func structuredData(b []byte, at int) (end int) {
	for at < len(b) && b[at] == '[' {
		if at = sdName(b, at+1); at == 0 {
			return 0
		}
		for at < len(b) && b[at] == ' ' {
			eq := sdName(b, at+1)
			if eq == 0 || b[eq] != '=' {
				return 0
			}
			if at = sdValue(b, eq+1); at == 0 {
				return 0
			}
		}
		if at >= len(b) || b[at] != ']' {
			return 0
		}
		at++
		end = at
	}
	return end
}

func sdName(b []byte, at int) (end int) {
	for i := at; i < len(b); i++ {
		switch c := b[i]; {
		case c == '=' || c == ']' || c == ' ':
			if i == at {
				return 0
			}
			return i
		case c < ' ' || c == '"':
			return 0
		}
	}
	return 0
}

// sdValue gives where a value ends, behind its quote.
func sdValue(b []byte, at int) (end int) {
	if at < len(b) && (b[at] == ' ' || b[at] == ']') {
		return at // nothing, as for a %hr without headers
	}
	if at == len(b) || b[at] != '"' {
		return sdName(b, at)
	}
	for i := at + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case ']':
			return 0
		}
	}
	return 0
}
