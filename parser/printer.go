package parser

import "encoding/binary"

// Printer prints lines as Append does. It takes a block of them through the format together, one field after the other:
// what a field needs stays close, however many fields there are, and a caller that has its values by column need not
// make records of them.
//
// The zero Printer is ready for use, by one goroutine at a time. It keeps its buffers, but for those of very long lines.
type Printer struct {
	format *Format
	all    []printing
	rows   []printing // the block
	lone   []Value
	dates  dateCache
}

// printing is a line that is being printed: the first at bytes of buf.
type printing struct {
	buf   []byte
	at    int
	group int // where the fields began that decide whether the next nodeSep prints
}

// PrintAhead is how many bytes behind a text a Printer copies with it, if the slice has the capacity. That is what it
// does for short texts: those of less capacity take longer.
const PrintAhead = 2 * chunkLen

const (
	// lineRoom is how much room lines have at first. Lines that lie a power of two apart would be in each other's way in
	// the processor's cache.
	lineRoom = 576
	// keptRoom is how much a line keeps that has needed more.
	keptRoom = 32 << 10
	// wordLen and chunkLen are how many bytes are written at once, whatever of them counts.
	wordLen, chunkLen = 8, 16
)

var nothing literal //nolint:gochecknoglobals // a constant

// Begin begins the lines from to to, exclusive: a block of the format f. The caller then passes the values of each field
// of f, in order, to Field, Numbers, Texts or Pieces, one for each line of the block, and asks for what they make with
// Line. lone has the Record.Lone of each line; it is nil if no line has one.
func (p *Printer) Begin(f *Format, from, to int, lone []Value) {
	if n := to - len(p.all); n > 0 {
		room := make([]byte, n*lineRoom)
		for ; len(room) > 0; room = room[lineRoom:] {
			p.all = append(p.all, printing{buf: room[:lineRoom:lineRoom]})
		}
	}
	p.format, p.lone, p.rows = f, lone, p.all[from:to]
	for i := range p.rows {
		r := &p.rows[i]
		if r.at, r.group = 0, 0; len(r.buf) > keptRoom {
			r.buf = make([]byte, lineRoom)
		}
		r.text(f.lead)
	}
}

// Line gives the line with index i. It is valid until the next Begin for this line.
func (p *Printer) Line(i int) []byte { return p.all[i].buf[:p.all[i].at] }

// Field prints the field with this index, and what follows it. values are what Append would find in Record.Values, one
// for each line.
//
// The loops below print what is as usual. All else is for other.
func (p *Printer) Field(field int, values []Value) {
	s := &p.format.steps[field]
	rows := p.rows[:len(values)]
	switch {
	case p.lone != nil && (s.lone || s.afterLone):
		p.lones(s, values)
	case s.code == stepInt:
		for i := range values {
			r, v := &rows[i], &values[i]
			if v.State != Present || uint64(v.Int) > maxDigits {
				p.other(s, r, v)
				continue
			}
			digits, n := shortDigits(uint32(v.Int))
			if n+len(s.tail.text) <= wordLen {
				r.word(digits|s.tail.word<<(8*n&63), n+len(s.tail.text))
				continue
			}
			r.word(digits, n)
			r.text(s.tail.text)
		}
	case s.code == stepText:
		for i := range values {
			r, v := &rows[i], &values[i]
			switch {
			case v.State&Present != 0 && len(v.Text) > 0:
				r.put(s.before, v.Text, &s.tail)
			case v.State == 0 && s.constant:
				r.put(0, nil, &s.none)
			default:
				p.other(s, r, v)
			}
		}
	case s.code == stepDate:
		for i := range values {
			r, v := &rows[i], &values[i]
			if v.State != Present {
				p.other(s, r, v)
				continue
			}
			r.put(0, p.dates.print(v, s.zoned), &s.tail)
		}
	default:
		for i := range values {
			p.other(s, &rows[i], &values[i])
		}
	}
}

// Printed is a number as a format prints it, with what follows: see Format.Print.
type Printed struct {
	word uint64
	n    int // bytes of word; 0: too many for one
}

// Print appends how f prints each number for the field with this index, for Printer.Numbers. It gives nil for a field
// that is no decimal number.
func (f *Format) Print(dst []Printed, field int, numbers []int32) []Printed {
	s := &f.steps[field]
	if s.code != stepInt {
		return nil
	}
	for _, v := range numbers {
		p := Printed{}
		if v >= 0 && v <= maxDigits {
			if digits, n := shortDigits(uint32(v)); n+len(s.tail.text) <= wordLen {
				p = Printed{word: digits | s.tail.word<<(8*n&63), n: n + len(s.tail.text)}
			}
		}
		dst = append(dst, p)
	}
	return dst
}

// Numbers is Field for numbers that are all there and without a plus: line i of the block has numbers[codes[i]]. printed
// is what Print gives for numbers.
func (p *Printer) Numbers(field int, codes, numbers []int32, printed []Printed) {
	rows := p.rows[:len(codes)]
	for i, code := range codes {
		r, n := &rows[i], &printed[code]
		if n.n > 0 {
			r.word(n.word, n.n)
			continue
		}
		p.other(&p.format.steps[field], r, &Value{Int: int64(numbers[code]), State: Present})
	}
}

// PrintsText reports whether the field with this index is printed as it is, so that Printer.Texts and Printer.Pieces are
// for it.
func (f *Format) PrintsText(field int) bool { return f.steps[field].code == stepText }

// Texts is Field for texts that are all there: line i of the block has data[offsets[k]:offsets[k+1]], with k being
// codes[i], or i if codes is nil.
func (p *Printer) Texts(field int, codes []int32, data []byte, offsets []uint32) {
	s := &p.format.steps[field]
	for i := range p.rows {
		r, k := &p.rows[i], i
		if codes != nil {
			k = int(codes[i])
		}
		text := data[offsets[k]:offsets[k+1]]
		if len(text) == 0 {
			p.other(s, r, &Value{Text: text, State: Present})
			continue
		}
		r.put(s.before, text, &s.tail)
	}
}

// Pieces is Field for texts that lie in pieces: that of line i is pieces[0][i] and, for each further one that there is,
// the byte of between before it and pieces[n][i]. If pieces[0][i] has no value, values[i] is what Field is given.
func (p *Printer) Pieces(field int, values []Value, pieces [][]Value, between string) {
	s := &p.format.steps[field]
	for i := range p.rows {
		r, v := &p.rows[i], &pieces[0][i]
		if v.State&Present == 0 || len(v.Text) == 0 && s.before == 0 {
			p.other(s, r, &values[i])
			continue
		}
		before := s.before
		for n := 1; n < len(pieces); n++ {
			if next := &pieces[n][i]; next.State&Present != 0 {
				r.put(before, v.Text, &nothing)
				before, v = between[n], next
			}
		}
		r.put(before, v.Text, &s.tail)
	}
}

// lones prints one of the two fields that may be the lone block: the block is in the place of the first one, and nothing
// in that of the second.
func (p *Printer) lones(s *step, values []Value) {
	for i := range values {
		switch r, v := &p.rows[i], &p.lone[i]; {
		case v.State&Present == 0:
			p.other(s, r, &values[i])
		case s.afterLone && s.constant:
			r.put(0, nil, &s.none)
		case s.afterLone:
			p.other(s, r, &Value{})
		case s.code == stepText:
			r.put(s.before, v.Text, &s.tail)
		default:
			p.other(s, r, v)
		}
	}
}

// other prints a value as Append does.
func (p *Printer) other(s *step, r *printing, v *Value) {
	if s.begins {
		r.group = r.at
	}
	b := s.node.appendValue(r.buf[:r.at], v, &p.dates)
	if s.ends && len(b) != r.group {
		b = append(b, ' ')
	}
	b = append(b, s.lit...)
	r.buf, r.at = b[:cap(b)], len(b)
}

// word appends the n lowest bytes of w, at most eight.
func (r *printing) word(w uint64, n int) {
	if len(r.buf)-r.at < wordLen {
		r.grow()
	}
	binary.LittleEndian.PutUint64(r.buf[r.at:], w)
	r.at += n
}

func (r *printing) text(text string) {
	for len(r.buf)-r.at < len(text) {
		r.grow()
	}
	r.at += copy(r.buf[r.at:], text)
}

// put appends the byte before, unless it is 0, text, and the literal after it. Most texts are short: then what lies
// behind one is copied, too, and written over.
func (r *printing) put(before byte, text []byte, after *literal) {
	n, at := len(text), r.at
	if n > PrintAhead || cap(text) < PrintAhead || len(after.text) > wordLen || len(r.buf)-at < 1+PrintAhead+wordLen {
		r.putLong(before, text, after)
		return
	}
	if before != 0 {
		r.buf[at] = before
		at++
	}
	*(*[chunkLen]byte)(r.buf[at:]) = [chunkLen]byte(text[:chunkLen])
	if n > chunkLen {
		*(*[chunkLen]byte)(r.buf[at+chunkLen:]) = [chunkLen]byte(text[chunkLen:PrintAhead])
	}
	at += n
	binary.LittleEndian.PutUint64(r.buf[at:], after.word)
	r.at = at + len(after.text)
}

func (r *printing) putLong(before byte, text []byte, after *literal) {
	for len(r.buf)-r.at <= len(text) {
		r.grow()
	}
	if before != 0 {
		r.buf[r.at] = before
		r.at++
	}
	r.at += copy(r.buf[r.at:], text)
	r.text(after.text)
}

// grow makes more room.
//
//go:noinline
func (r *printing) grow() {
	buf := make([]byte, 2*len(r.buf))
	copy(buf, r.buf[:r.at])
	r.buf = buf
}
