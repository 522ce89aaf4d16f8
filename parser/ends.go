package parser

import "bytes"

// maxEnds bounds how far a number, an address or a list can reach past the position it starts at, where the solver
// tries one end after the other.
const maxEnds = 48

// singleEnds appends to s.ends where the text of n that starts at p can end, for shapes that leave few choices.
func (s *solver) singleEnds(n *node, text []byte, p int) {
	if n.enc != encNone {
		s.encodedEnds(n, text, p)
		return
	}
	if n.dashed && p < len(text) && text[p] == '-' {
		s.ends = append(s.ends, p+1)
	}
	if n.quoted && n.absent && !n.wrapped() && bytes.HasPrefix(text[p:], []byte(`""`)) {
		s.ends = append(s.ends, p+2)
	}
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		s.numberEnds(n, text, p)
	case shapeDate:
		length := milliLen
		if n.zoned {
			length = offsetLen
		}
		var dates dateCache
		if _, _, end := dates.date(text, p, n.zoned); end == p+length {
			s.ends = append(s.ends, end)
		}
	case shapeAddr:
		s.addrEnds(n, text, p)
	case shapeState:
		if end := stateEnd(text, p, n.width); end > p {
			s.ends = append(s.ends, end)
		}
	case shapeBlock:
		s.blockEnds(n, text, p)
	case shapeItems:
		s.itemEnds(n, text, p)
	case shapeText, shapeCookie:
		s.textEnds(n, text, p)
	case shapeToken: // is always encoded
	}
}

// encodedEnds appends the end of an encoded value. Only a number in JSON does not tell its own.
func (s *solver) encodedEnds(n *node, text []byte, p int) {
	end, looked := n.encodedEnd(text, p)
	s.budget -= looked
	from, to := end, end
	if n.enc == encJSON && p < len(text) && (text[p] == '-' || isDigit(text[p])) {
		from, to = p+1, min(len(text), p+maxEnds/2)
	}
	var v Value
	var r Record
	for q := from; q <= to; q++ {
		if from < to && q > p+1 && !isDigit(text[q-1]) {
			return
		}
		if q > p && n.decode(text[p:q], &v, &r) {
			s.ends = append(s.ends, q)
		}
	}
}

// numberEnds appends every end that leaves a number as it would be printed. The longest run of digits need not be one:
// what follows the number may begin with a digit, as in "0" and "12".
func (s *solver) numberEnds(n *node, text []byte, p int) {
	limit := min(len(text), p+maxEnds/2)
	for q := p + 1; q <= limit; q++ {
		if _, ok := hexDigit(text[q-1]); !ok && q > p+1 {
			return // only the sign is no digit
		}
		if _, _, e := n.scanNumber(text[:q], p); e == q {
			s.ends = append(s.ends, q)
		}
	}
}

func (s *solver) addrEnds(n *node, text []byte, p int) {
	var v Value
	if n.hex {
		var scratch []byte
		for _, length := range [...]int{8, 32} {
			if p+length <= len(text) && v.setHexAddr(text[p:p+length], &scratch) {
				s.ends = append(s.ends, p+length)
			}
		}
		return
	}
	start := p
	if n.wrapped() {
		if p >= len(text) || text[p] != '"' {
			return
		}
		if end := bytes.IndexByte(text[p+1:min(len(text), p+maxEnds+2)], '"'); end >= 0 {
			if addr := text[p+1 : p+1+end]; len(addr) == 0 || v.setAddr(addr) {
				s.ends = append(s.ends, p+end+2)
			}
		}
		return
	}
	if bytes.HasPrefix(text[p:], []byte("unix")) {
		s.ends = append(s.ends, p+len("unix"))
	}
	limit := runEnd(text[:min(len(text), p+maxEnds)], p, classAddr)
	for q := start + 2; q <= limit; q++ {
		if v.setAddr(text[start:q]) {
			s.ends = append(s.ends, q)
		}
	}
	s.budget -= maxEnds
}

func (s *solver) blockEnds(n *node, text []byte, p int) {
	q := p
	if n.quoted {
		if q >= len(text) || text[q] != '"' {
			return
		}
		q++
	}
	var end int
	if n.escaped {
		// Escaping changes nothing about braces.
		end = bytes.IndexByte(text[q:], '}') + q + 1
		s.budget -= end - q
		if end <= q || escapedEnd(text, q, classPrint) < end {
			return
		}
	} else {
		end, _ = blockEnd(text, q)
		s.budget -= end - q
	}
	if end <= q+1 || text[q] != '{' {
		return
	}
	if n.quoted {
		if end >= len(text) || text[end] != '"' {
			return
		}
		end++
	}
	var v Value
	var r Record
	if (n.escaped || n.items > 0) && !n.decode(text[p:end], &v, &r) {
		return
	}
	s.ends = append(s.ends, end)
}

// itemEnds appends the end of each item of a list in quotes, or of each run that unquoted, escaped items can be.
func (s *solver) itemEnds(n *node, text []byte, p int) {
	if !n.quoted {
		s.textEnds(n, text, p)
		return
	}
	for count := 1; p < len(text) && text[p] == '"' && s.budget >= 0; count++ {
		end := closing(text, p, n.class, n.escaped)
		if end < 0 {
			return
		}
		s.budget -= end - p
		if n.items == 0 || count == n.items {
			s.ends = append(s.ends, end+1)
		}
		if count == n.items || end+1 >= len(text) || text[end+1] != ' ' {
			return
		}
		p = end + 2
	}
}

// textEnds appends the ends of a text that is quoted or escaped or both.
func (s *solver) textEnds(n *node, text []byte, p int) {
	if n.wrapped() {
		if p >= len(text) || text[p] != '"' {
			return
		}
		end := closing(text, p, n.class, n.escaped)
		if end < 0 {
			return
		}
		s.budget -= end - p
		var v Value
		var r Record
		if n.decode(text[p:end+1], &v, &r) {
			s.ends = append(s.ends, end+1)
		}
		return
	}
	// +E without quotes: every byte may be the last, except a backslash.
	k := n.class
	if n.shape == shapeItems {
		k |= classPrint
	}
	limit := escapedEnd(text, p, k)
	for q := p; q < limit; {
		if text[q] == '\\' {
			q++
		}
		q++
		s.budget--
		if n.shape == shapeCookie {
			name := runEnd(text[:q], p, classCookie)
			if name == p || name == q || text[name] != '=' {
				s.budget -= name - p
				continue
			}
		}
		s.ends = append(s.ends, q)
	}
}
