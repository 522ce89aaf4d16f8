package wrapper

import "bytes"

// Bounds of the names in a header: what is longer is none. RFC 5424, section 6, allows 255 bytes for a host and less
// for the others; HAProxy prints a log-tag of any length.
const maxName = 256

// syslog adds the ways in which b[at:] can begin with a header of syslog, the longest one first.
func (s *Splitter) syslog(b []byte, at int) {
	if at >= len(b) {
		return
	}
	pri, body := priority(b, at)
	if body == 0 {
		if end, legacy := s.date(b, at); end > 0 {
			s.names(b, end, false, legacy)
			if !legacy && s.wants(ISO) {
				s.add(ISO, end, false, true)
			}
		}
		return
	}
	s.pri = pri
	if s.wants(RFC5424) && s.rfc5424(b, body) {
		return
	}
	if end, legacy := s.date(b, body); end > 0 {
		s.names(b, end, true, legacy)
		if !legacy && pri < 8 && s.wants(Timed) {
			s.add(Timed, end, true, true)
		}
	}
	switch {
	case pri < 8 && s.kind != Priority && s.wants(Short):
		s.add(Short, body, true, false)
	case (pri >= 8 || s.kind == Priority) && s.wants(Priority):
		s.add(Priority, body, true, false)
	}
}

// priority reads the PRI part at b[at:]: "<", a number of up to 191 without leading zeros, ">" (RFC 5424, section
// 6.2.1). end is 0 if there is none.
func priority(b []byte, at int) (pri, end int) {
	if b[at] != '<' {
		return 0, 0
	}
	first := at + 1
	for i := first; i < len(b) && i <= first+3; i++ {
		c := b[i]
		if c == '>' && i > first && pri <= 191 && (b[first] != '0' || i == first+1) {
			return pri, i + 1
		}
		if c < '0' || c > '9' {
			break
		}
		pri = pri*10 + int(c-'0')
	}
	return 0, 0
}

// date reads a date of either sort, and the blank behind it, into s.time. end is 0 if there is none.
func (s *Splitter) date(b []byte, at int) (end int, legacy bool) {
	if at >= len(b) {
		return 0, false
	}
	var t Timestamp
	legacy, ok := b[at] >= 'A', true
	if legacy {
		t, ok, end = s.clock.legacy(b, at)
	} else {
		t, end = s.clock.iso(b, at)
	}
	if end == 0 || end >= len(b) || b[end] != ' ' {
		return 0, legacy
	}
	s.time, s.timed = t, ok
	return end + 1, legacy
}

// names adds the ways in which host and tag can follow a date, before b[at:]. HAProxy's local has no host, and both it
// and rfc3164 have no tag if there is none; what rsyslog forwards (RSYSLOG_ForwardFormat) has a date with a year.
func (s *Splitter) names(b []byte, at int, hasPRI, legacy bool) {
	local, full := Local, RFC3164
	if !hasPRI {
		local, full = File, File
	}
	first, next := word(b, at)
	if tag, pid, ok := tagOf(first); ok {
		if s.wants(local) {
			c := s.add(local, behind(b, next), hasPRI, true)
			c.tag, c.pid = tag, pid
		}
		return
	}
	if first != nil && s.wants(full) {
		second, after := word(b, next)
		if tag, pid, ok := tagOf(second); ok {
			c := s.add(full, behind(b, after), hasPRI, true)
			c.host, c.tag, c.pid = first, tag, pid
			return
		}
	}
	if !hasPRI || !legacy {
		return
	}
	if s.wants(local) {
		s.add(local, at, hasPRI, true)
	}
	if first != nil && s.wants(full) {
		s.add(full, next, hasPRI, true).host = first
	}
}

// behind passes more blanks: rsyslog's %msg% begins with one, and many templates have another before it. No message of
// HAProxy begins with a blank.
func behind(b []byte, at int) int {
	for at < len(b) && b[at] == ' ' {
		at++
	}
	return at
}

// word gives the bytes up to the next blank and where those behind it begin. It is nil if there is no blank and what is
// there is no tag, or if it is no name.
func word(b []byte, at int) (name []byte, next int) {
	rest := b[at:]
	if len(rest) > maxName {
		rest = rest[:maxName]
	}
	n := bytes.IndexByte(rest, ' ')
	if n < 0 && at+len(rest) == len(b) && len(rest) > 0 && rest[len(rest)-1] == ':' {
		n = len(rest) // a tag and no message
	}
	if n <= 0 || !visible(rest[:n]) {
		return nil, at
	}
	return rest[:n], min(at+n+1, len(b))
}

// visible reports whether there is neither a blank nor a control character in b. Bytes beyond ASCII are taken as they
// are: hosts and tags are what somebody configured.
func visible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// tagOf splits "haproxy[123]:", or "haproxy:", which is what syslog daemons make of RFC 3164, section 4.1.3.
func tagOf(word []byte) (tag, pid []byte, ok bool) {
	n := len(word) - 1
	if n < 1 || word[n] != ':' {
		return nil, nil, false
	}
	tag = word[:n]
	open := bytes.IndexByte(tag, '[')
	if open < 0 {
		return tag, nil, bytes.IndexByte(tag, ']') < 0
	}
	tag, pid = tag[:open], tag[open+1:]
	if len(tag) == 0 || len(pid) < 2 || bytes.IndexByte(pid, ']') != len(pid)-1 {
		return nil, nil, false
	}
	return tag, pid[:len(pid)-1], true
}
