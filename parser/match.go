package parser

import "encoding/binary"

// Matcher compares lines with what Append would print for them, without printing them. It takes a block of lines
// through the format together, one field after the other: what a field needs stays close, however many fields there
// are, and a caller that has its values by column need not make records of them.
//
// The zero Matcher is ready for use, by one goroutine at a time. It keeps its buffers.
type Matcher struct {
	format  *Format
	rows    []matched
	lone    []Value
	dates   dateCache
	scratch []byte
}

// matched is a line and how much of it is what Append prints. After the first difference line is nil and at is 1, so
// that nothing matches any more.
type matched struct {
	line  []byte
	at    int
	group int // where the fields began that decide whether the next nodeSep prints
}

// Begin begins a block of lines of the format f. The caller then passes the values of each field of f to Field, in
// order, and asks for the result with Matches. lone has the Record.Lone of each line; it is nil if no line has one.
// lines, lone and values have one element per line.
func (m *Matcher) Begin(f *Format, lines [][]byte, lone []Value) {
	m.format, m.lone = f, lone
	m.rows = m.rows[:0]
	for _, line := range lines {
		m.rows = append(m.rows, matched{line: line})
	}
	for i := range m.rows {
		m.rows[i].text(f.lead)
	}
}

// Matches reports whether the whole line with index i of the block is what Append prints.
func (m *Matcher) Matches(i int) bool { return m.rows[i].at == len(m.rows[i].line) }

// Field compares what the format prints for the field with this index, and after it. values are what Append would find
// in Record.Values; Field may change them.
//
// The loops below pass what is as usual. All else, and all that differs, is for other to judge.
func (m *Matcher) Field(field int, values []Value) {
	s := &m.format.steps[field]
	if m.lone != nil && (s.lone || s.afterLone) {
		m.placeLone(s, values)
	}
	rows := m.rows[:len(values)]
	tail, tailLen := s.tail, len(s.tail.text)
	switch s.code {
	case stepInt:
		for i := range values {
			r, v := &rows[i], &values[i]
			if v.State == Present && uint64(v.Int) <= maxDigits {
				// The number and what follows it are one word, as a rule.
				word, n := shortDigits(uint32(v.Int))
				all := n + tailLen
				if all <= 8 && lowAt(r.line, r.at, word|tail.word<<(8*n&63), all) {
					r.at += all
					continue
				}
			}
			m.other(s, r, v)
		}
	case stepText:
		before := s.before
		for i := range values {
			r, v := &rows[i], &values[i]
			p, n := r.at, len(v.Text)
			if v.State&Present == 0 {
				if v.State == 0 && s.constant && s.none.at(r.line, p) {
					r.at += len(s.none.text)
					continue
				}
				m.other(s, r, v)
				continue
			}
			printed := n > 0
			if before != 0 {
				printed = p < len(r.line) && r.line[p] == before
				p++
			}
			if printed && textAt(r.line, p, v.Text) && tail.at(r.line, p+n) {
				r.at = p + n + tailLen
				continue
			}
			m.other(s, r, v)
		}
	case stepDate:
		for i := range values {
			r, v := &rows[i], &values[i]
			if v.State == Present {
				text := m.dates.print(v, s.zoned)
				if textAt(r.line, r.at, text) && tail.at(r.line, r.at+len(text)) {
					r.at += len(text) + tailLen
					continue
				}
			}
			m.other(s, r, v)
		}
	case stepOther:
		for i := range values {
			m.other(s, &rows[i], &values[i])
		}
	}
}

// Printed is a number as a format prints it, with what follows: see Format.Print.
type Printed struct {
	word uint64
	n    int // bytes of word; 0: too many for one
}

// Print appends how f prints each number for the field with this index, for Matcher.Numbers. It gives nil for a field
// that is no decimal number.
func (f *Format) Print(dst []Printed, field int, numbers []int32) []Printed {
	s := &f.steps[field]
	if s.code != stepInt {
		return nil
	}
	for _, v := range numbers {
		p := Printed{}
		if v >= 0 && v <= maxDigits {
			if word, n := shortDigits(uint32(v)); n+len(s.tail.text) <= 8 {
				p = Printed{word: word | s.tail.word<<(8*n&63), n: n + len(s.tail.text)}
			}
		}
		dst = append(dst, p)
	}
	return dst
}

// Numbers is Field for numbers that are all there and without a plus: line i of the block has numbers[codes[i]]. printed
// is what Print gives for numbers.
func (m *Matcher) Numbers(field int, codes, numbers []int32, printed []Printed) {
	rows := m.rows[:len(codes)]
	for i, code := range codes {
		r, p := &rows[i], &printed[code]
		if p.n > 0 && lowAt(r.line, r.at, p.word, p.n) {
			r.at += p.n
			continue
		}
		m.other(&m.format.steps[field], r, &Value{Int: int64(numbers[code]), State: Present})
	}
}

// ComparesRequests reports whether Matcher.Requests is for the field with this index: it prints a request as it is.
func (f *Format) ComparesRequests(field int) bool { return f.steps[field].code == stepText }

// Requests is Field for requests that lie in pieces, see SplitRequest: those of line i are method[i] to version[i], or if
// method[i] has no value, values[i] is what Field is given.
func (m *Matcher) Requests(field int, values, method, path, query, version []Value) {
	s := &m.format.steps[field]
	rows := m.rows[:len(values)]
	for i := range rows {
		r := &rows[i]
		if method[i].State&Present == 0 {
			m.other(s, r, &values[i])
			continue
		}
		p, ok := r.at, true
		if s.before != 0 {
			ok = p < len(r.line) && r.line[p] == s.before
			p++
		}
		if ok = ok && textAt(r.line, p, method[i].Text); ok {
			p += len(method[i].Text)
			p, ok = pieceAt(r.line, p, ' ', path[i].Text)
		}
		if v := &query[i]; ok && v.State&Present != 0 {
			p, ok = pieceAt(r.line, p, '?', v.Text)
		}
		if v := &version[i]; ok && v.State&Present != 0 {
			p, ok = pieceAt(r.line, p, ' ', v.Text)
		}
		if ok && s.tail.at(r.line, p) {
			r.at = p + len(s.tail.text)
			continue
		}
		r.line, r.at = nil, 1
	}
}

// pieceAt compares a byte and a text that follows, and gives where they end.
func pieceAt(line []byte, p int, before byte, text []byte) (end int, ok bool) {
	if p >= len(line) || line[p] != before || !textAt(line, p+1, text) {
		return p, false
	}
	return p + 1 + len(text), true
}

// placeLone puts the lone block in the place of the first one of the two that it may be, and nothing in that of the second.
func (m *Matcher) placeLone(s *step, values []Value) {
	for i := range values {
		switch {
		case m.lone[i].State&Present == 0:
		case s.lone:
			values[i] = m.lone[i]
		default:
			values[i] = Value{}
		}
	}
}

// other prints a value as Append does and compares it.
func (m *Matcher) other(s *step, r *matched, v *Value) {
	if s.begins {
		r.group = r.at
	}
	m.scratch = s.node.appendValue(m.scratch[:0], v, &m.dates)
	r.text(string(m.scratch))
	if s.ends && r.at != r.group {
		r.text(" ")
	}
	r.text(s.lit)
}

// text compares what the line has next.
func (r *matched) text(text string) {
	if len(r.line)-r.at >= len(text) && string(r.line[r.at:r.at+len(text)]) == text {
		r.at += len(text)
		return
	}
	r.line, r.at = nil, 1
}

// wordAt reports whether line[p:] has at least eight bytes and those in mask are those of word.
func wordAt(line []byte, p int, word, mask uint64) bool {
	return len(line)-p >= 8 && (binary.LittleEndian.Uint64(line[p:])^word)&mask == 0
}

// lowAt is wordAt for the n lowest bytes of word, one to eight.
func lowAt(line []byte, p int, word uint64, n int) bool {
	return len(line)-p >= 8 && (binary.LittleEndian.Uint64(line[p:])^word)<<((64-8*n)&63) == 0
}

// textAt reports whether line[p:] begins with text. Most texts are short, so that two words hold them; cap lets it read
// what lies behind a text, and shift out what it read.
func textAt(line []byte, p int, text []byte) bool {
	n := len(text)
	switch rest := len(line) - p; {
	case rest < n:
		return false
	case n <= 8 && rest >= 8 && cap(text) >= 8:
		return (binary.LittleEndian.Uint64(line[p:])^binary.LittleEndian.Uint64(text[:8]))<<(64-8*n) == 0
	case n >= 8 && n <= 16:
		at := line[p : p+n]
		return binary.LittleEndian.Uint64(at) == binary.LittleEndian.Uint64(text) &&
			binary.LittleEndian.Uint64(at[n-8:]) == binary.LittleEndian.Uint64(text[n-8:])
	default:
		return string(line[p:p+n]) == string(text)
	}
}
