package parser

import "bytes"

// ParseCut reads line, which lacks its end, into r: HAProxy cuts lines at the length of `log … len` (manual, section 4.2,
// `log`), wherever that falls. It is true if line is a beginning of what the format prints, with two fields at least.
// The fields before the cut are set as by Parse; those that the cut may have taken something of are absent, Unsure where
// the line leaves open which ones these are. r is not Exact then.
func (f *Format) ParseCut(line []byte, r *Record) bool {
	return f.parseCut(line, r) >= 2
}

// parseCut is ParseCut for any number of fields, which it returns: -1 if line is no beginning.
func (f *Format) parseCut(line []byte, r *Record) int {
	if len(line) == 0 || len(line) > maxSolve || f.isEvent() {
		return -1
	}
	f.begin(r)
	clear(r.Values)
	r.inexact, r.Truncated = true, true
	s := &r.solver
	defer s.release()
	s.prepare(len(f.nodes), len(line))
	s.forced, s.cut = s.forced[:0], true
	width := len(line) + 1
	s.rows[0] = afterSep(f.modes)
	last := 0
	for last < len(f.nodes) && s.forward(&f.nodes[last], line, last, width) {
		last++
	}
	if s.budget < 0 {
		return -1
	}
	if last == len(f.nodes) { // the whole of a line is no beginning of one
		clear(s.rows[last*width : (last+1)*width])
		s.low[last], s.high[last] = len(line)+1, -1
		last--
	}
	for i := last; i >= 0; i-- {
		s.backward(&f.nodes[i], line, i, width)
	}
	if s.rows[0] == 0 {
		return -1
	}
	return f.collectCut(line, last, r)
}

// collectCut sets the fields before the first node that the line may end in and returns how many have a value. last is
// the last node it reached.
func (f *Format) collectCut(line []byte, last int, r *Record) int {
	s := &r.solver
	width := len(line) + 1
	endsIn := func(i int) bool {
		for p := s.low[i]; p <= s.high[i]; p++ {
			if s.rows[i*width+p] != 0 && f.nodes[i].begins(line[p:]) {
				return true
			}
		}
		return false
	}
	end := 0
	for end < last && !endsIn(end) {
		end++
	}
	for last > end && s.high[last] < 0 {
		last--
	}
	r.cutField = 0
	found := 0
	for i := range f.nodes[:last] {
		n := &f.nodes[i]
		if n.kind != nodeField {
			continue
		}
		v := &r.Values[n.field]
		if i < end {
			r.cutField = n.field + 1
		}
		if i >= end || s.low[i] != s.high[i] || s.low[i+1] != s.high[i+1] {
			*v = Value{State: Unsure}
			continue
		}
		if !n.decode(line[s.low[i]:s.low[i+1]:s.low[i+1]], v, r) {
			*v = Value{State: Unsure}
		}
		if v.State&Present != 0 {
			found++
		}
	}
	f.settleDashes(r)
	return found
}

// begins reports whether n can print more than text and begin with it, or prints nothing of it.
func (n *node) begins(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	switch n.kind {
	case nodeText:
		return len(text) < len(n.text) && n.text[:len(text)] == string(text)
	case nodeSep:
		return false
	case nodeField:
	}
	switch {
	case n.never:
		return false
	case n.enc == encJSON:
		return jsonBegins(text)
	case n.enc != encNone:
		c := cborReader{text: text, hex: n.enc == encCBORHex}
		c.item(nil)
		return c.short
	case n.wrapped() && n.shape != shapeItems:
		return text[0] == '"' && n.textBegins(text[1:], true)
	case n.quoted && n.absent && string(text) == `"`:
		return true
	default:
		return n.textBegins(text, false)
	}
}

// textBegins is begins for the text without the quote before it.
func (n *node) textBegins(text []byte, quoted bool) bool {
	if len(text) == 0 {
		return true
	}
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		return n.numberBegins(text)
	case shapeDate:
		return dateBegins(text, n.zoned)
	case shapeState:
		return len(text) < n.width && stateEnd(append(bytes.Clone(text), "----"[:n.width-len(text)]...), 0, n.width) > 0
	case shapeAddr:
		if n.hex {
			return len(text) < 32 && runEnd(text, 0, classMethod) == len(text)
		}
		return runEnd(text, 0, classAddr) == len(text) || bytes.HasPrefix([]byte("unix"), text) || n.dashed && string(text) == "-"
	case shapeBlock:
		return text[0] == '{' && bytes.IndexByte(text, '}') < 0 && n.runs(text[1:], classPrint)
	case shapeItems:
		if n.quoted {
			return n.itemsBegin(text)
		}
		return n.runs(text, classPrint)
	case shapeCookie:
		name := runEnd(text, 0, classCookie)
		return name == len(text) || name > 0 && text[name] == '=' && (!n.escaped || n.runs(text[name:], n.class))
	case shapeText:
		return quoted && n.class == classAny && !n.escaped || n.runs(text, n.class)
	case shapeToken: // is always encoded
	}
	return false
}

// runs reports whether text is made of bytes of k, which may have backslashes before them.
func (n *node) runs(text []byte, k class) bool {
	if !n.escaped {
		return runEnd(text, 0, k) == len(text)
	}
	end := escapedEnd(text, 0, k)
	return end == len(text) || end == len(text)-1 && text[end] == '\\'
}

func (n *node) numberBegins(text []byte) bool {
	if n.hex {
		return runEnd(text, 0, classMethod) == len(text)
	}
	if n.plus && text[0] == '+' {
		text = text[1:]
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	return runEnd(text, 0, classDigit) == len(text)
}

// itemsBegin is begins for a list of items in quotes.
func (n *node) itemsBegin(text []byte) bool {
	for {
		if text[0] != '"' {
			return false
		}
		end := closing(text, 0, n.class, n.escaped)
		switch {
		case end < 0:
			return n.runs(text[1:], n.class)
		case end+1 == len(text):
			return true
		case text[end+1] != ' ':
			return false
		case end+2 == len(text):
			return true
		}
		text = text[end+2:]
	}
}

// dateBegins reports whether text, shorter than a date, is the beginning of one.
func dateBegins(text []byte, isZoned bool) bool {
	sample := []byte("01/Jan/2000:00:00:00.000")
	if isZoned {
		sample = []byte("01/Jan/2000:00:00:00 +0000")
	}
	if len(text) >= len(sample) {
		return false
	}
	// The month is what is most certain to look like nothing else; with the rest of the sample it has to be a date.
	copy(sample, text)
	if at := len("01/"); len(text) < at+3 {
		part := text[min(at, len(text)):]
		for month := 0; ; month += 3 {
			if month == len(monthDigits) {
				return false
			}
			if monthDigits[month:month+len(part)] == string(part) {
				copy(sample[at:], monthDigits[month:month+3])
				break
			}
		}
	}
	if len(text) == 1 && text[0] == '0' || len(text) == 0 {
		sample[1] = '1'
	}
	var d dateCache
	_, _, end := d.date(sample, 0, isZoned)
	return end == len(sample)
}

// jsonBegins reports whether text is the beginning of a value, or a number that may go on.
func jsonBegins(text []byte) bool {
	switch c := text[0]; {
	case c == '"':
		end := jsonOpen(text)
		return end == len(text)
	case c == '[':
		for p := 1; ; {
			if p == len(text) {
				return true
			}
			if text[p] != '"' {
				return false
			}
			end, _ := jsonString(text, p)
			if end == 0 {
				return jsonOpen(text[p:]) == len(text)-p
			}
			rest := text[end:]
			if len(rest) < 2 {
				return len(rest) == 0 || rest[0] == ','
			}
			if string(rest[:2]) != ", " {
				return false
			}
			p = end + 2
		}
	case c == '-' || isDigit(c):
		return runEnd(text, 1, classDigit) == len(text)
	default:
		for _, word := range [...]string{"true", "false", jsonNull} {
			if len(text) < len(word) && word[:len(text)] == string(text) {
				return true
			}
		}
		return false
	}
}

// jsonOpen returns how much of text, which begins with a quote, a string without its closing quote can be.
func jsonOpen(text []byte) int {
	p := 1
	for p < len(text) {
		switch text[p] {
		case '"':
			return p
		case '\\':
			if p+1 < len(text) && text[p+1] != '"' && text[p+1] != '\\' {
				return p
			}
			p++
		}
		p++
	}
	return len(text)
}
