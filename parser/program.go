package parser

import (
	"bytes"
	"encoding/binary"
)

// Parse reads line, without its LF, into r and reports whether it is of this format. It is true only when the whole
// line is what HAProxy prints for the format, so that Append(nil, r) is line again. It does not allocate once r has
// seen a few lines. When it is false the contents of r are undefined. The values of r alias line.
func (f *Format) Parse(line []byte, r *Record) bool {
	if f.special != nil {
		return f.special(line, r)
	}
	f.begin(r)
	values := r.Values
	p, proved := 0, false
	guess, guessed := -1, 0 // the op from which on the solver has to take over if the rest does not match, and where it began
run:
	for i := range f.program {
		o := &f.program[i]
		start := p
		switch o.code {
		case opInts:
			for k := range len(o.lit) {
				v := &values[int(o.field)+k]
				v.State = Present
				if p+1 < len(line) && line[p+1] == o.lit[k] {
					// One digit is so common that it is worth a guess of the branch predictor.
					if d := line[p] - '0'; d <= 9 {
						v.Int = int64(d)
						p += 2
						continue
					}
				}
				n, q := shortInt(line, p)
				if q == p {
					if n, v.State, q = f.nodes[int(o.node)+2*k].scanInteger(line, p); q == p {
						break run
					}
				}
				v.Int = n
				if q >= len(line) || line[q] != o.lit[k] {
					break run
				}
				p = q + 1
			}
			continue
		case opInt:
			v := &values[o.field]
			n, q := shortInt(line, p)
			v.State = Present
			if q == p {
				if n, v.State, q = f.nodes[o.node].scanInteger(line, p); q == p {
					break run
				}
			}
			v.Int = n
			p = q
		case opWord:
			q := p
			if o.class == classGraph {
				q = visibleEnd(line, p, '!')
			} else {
				// Names are short: four bytes at a time, as long as all of them are of the class.
				for ; q+4 <= len(line); q += 4 {
					if four := line[q : q+4 : q+4]; classes[four[0]]&classes[four[1]]&classes[four[2]]&classes[four[3]]&o.class == 0 {
						break
					}
				}
				for q < len(line) && classes[line[q]]&o.class != 0 {
					q++
				}
			}
			v := &values[o.field]
			v.Text, v.State = line[p:q:q], Present
			if q-p < 2 {
				n := &f.nodes[o.node]
				if q == p && n.dashed && p < len(line) && line[p] == '-' {
					v.Text, v.State = nil, 0 // of a class that does not have the dash
					q++
				} else if !n.shortWord(line[p:q], v) {
					if n.blank && guess < 0 {
						guess, guessed = i, start
					}
					break run
				}
			}
			p = q
		case opDate:
			v := &values[o.field]
			v.State = Present
			v.Int, v.Zone, p = r.dates.date(line, p, f.nodes[o.node].zoned)
			if p == start {
				break run
			}
		case opAddr, opAddrColon:
			v := &values[o.field]
			addr, q := scanIPv4(line, p)
			v.Int, v.State = int64(addr), Present|IPv4
			if q == p {
				if q = f.otherAddr(line, p, o, v); q == p {
					break run
				}
			}
			v.Text = line[p:q:q]
			p = q
		case opState:
			p = stateEnd(line, p, f.nodes[o.node].width)
			if p == start {
				break run
			}
			v := &values[o.field]
			v.Text, v.State = line[start:p:p], Present
		case opTight:
			if o.dash && p+1 < len(line) && line[p] == '-' && line[p+1] == o.lit[0] {
				values[o.field].State = 0
				p++
				break
			}
			if guess < 0 {
				guess, guessed = i, start
			}
			q := p
			for q < len(line) && !o.delims.has(line[q]) {
				q++
			}
			if len(o.lit) == 0 && q < len(line) || !f.nodes[o.node].decode(line[p:q:q], &values[o.field], r) {
				break run
			}
			p = q
		case opTwoBlocks:
			end, items := blockEnd(line, p)
			first, second := &values[o.field], &values[f.nodes[o.node+2].field]
			first.State, second.State = 0, 0
			if end == p {
				if f.nodes[o.node].must != 0 {
					return f.solve(line, 0, 0, true, r) // only a line without a stream has none
				}
				continue
			}
			if end >= len(line) || line[end] != ' ' {
				break run
			}
			end2, items2 := blockEnd(line, end+1)
			count, count2 := f.nodes[o.node].items, f.nodes[o.node+2].items
			if end2 == end+1 {
				lone := Value{Text: line[p+1 : end-1 : end-1], Int: int64(items), State: Present}
				if f.captures != nil && f.nodes[o.node].must != 0 {
					break run // both sides or none
				}
				if f.modes != oneMode { // other fields may tell which it is
					if guess < 0 {
						guess, guessed = i, start
					}
					break run
				}
				first.State, second.State = Unsure, Unsure
				first.Text, second.Text = nil, nil
				r.Lone = lone
				p = end + 1
				continue
			}
			if end2 >= len(line) || line[end2] != ' ' || count > 0 && items != count || count2 > 0 && items2 != count2 {
				break run
			}
			first.Text, first.Int, first.State = line[p+1:end-1:end-1], int64(items), Present
			second.Text, second.Int, second.State = line[end+2:end2-1:end2-1], int64(items2), Present
			p = end2 + 1
		case opBlock:
			end, items := blockEnd(line, p)
			v := &values[o.field]
			v.State = 0
			if end == p {
				if f.nodes[o.node].must != 0 {
					return f.solve(line, 0, 0, true, r)
				}
				continue
			}
			if count := f.nodes[o.node].items; end >= len(line) || line[end] != ' ' || count > 0 && items != count {
				break run
			}
			v.Text, v.Int, v.State = line[p+1:end-1:end-1], int64(items), Present
			p = end + 1
		case opPrint:
			if p >= len(line) || line[p] != '"' {
				break run
			}
			end := printEnd(line, p+1)
			if end >= len(line) || line[end] != '"' || end-p-1 < f.nodes[o.node].min {
				break run
			}
			v := &values[o.field]
			v.Text, v.State = line[p+1:end:end], Present
			p = end + 1
		case opQuoted:
			if p = f.quoted(line, p, o, r); p == start {
				break run
			}
		case opFree:
			if !proved {
				if int(o.quotes) != bytes.Count(line[p:], []byte{'"'}) {
					if guess < 0 {
						guess, guessed = i, start
					}
					break run
				}
				proved = true
			}
			if p >= len(line) || line[p] != '"' {
				break run
			}
			end := bytes.IndexByte(line[p+1:], '"')
			if end < 0 || !f.nodes[o.node].decode(line[p:p+end+2], &values[o.field], r) {
				break run
			}
			p += end + 2
		case opNumber:
			v := &values[o.field]
			n := &f.nodes[o.node]
			v.Int, v.State, p = n.scanNumber(line, p)
			if p == start {
				if guess < 0 {
					guess, guessed = i, start
				}
				break run
			}
		case opEncoded:
			if p = f.encoded(line, p, o, r); p == start {
				break run
			}
		case opAbsent:
			values[o.field].State = 0
		case opRest:
			if !f.nodes[o.node].decode(line[p:], &values[o.field], r) {
				break run
			}
			p = len(line)
		case opLit:
		case opEnd:
			if p == len(line) {
				if f.modes != oneMode && f.contradicts(r) {
					return false
				}
				if len(f.dashes) > 0 {
					f.settleDashes(r)
				}
				return true
			}
			break run
		case opSolve:
			if guess < 0 {
				guess, guessed = i, start
			}
			break run
		}
		if o.mask != 0 && len(line)-p >= 8 {
			if binary.LittleEndian.Uint64(line[p:])&o.mask != o.word {
				break run
			}
			p += len(o.lit)
			continue
		}
		end := p + len(o.lit)
		if end > len(line) || string(line[p:end]) != o.lit {
			break run
		}
		p = end
	}
	if guess < 0 {
		return false
	}
	node := int(f.program[guess].node)
	return f.solve(line, guessed, node, f.sepBefore(node), r)
}

// begin readies r for a line of f.
func (f *Format) begin(r *Record) {
	if r.Format != f {
		r.use(f)
	}
	r.Lone.State = 0
	r.spans = r.spans[:0]
	r.scratch = r.scratch[:0]
	r.inexact, r.Truncated = false, false
}

func (r *Record) use(f *Format) {
	r.Format = f
	if cap(r.Values) < len(f.fields) {
		r.Values = make([]Value, len(f.fields))
	}
	r.Values = r.Values[:len(f.fields)]
}

// sepBefore reports whether what a program read before node i ended with a separator.
func (f *Format) sepBefore(i int) bool {
	return i == 0 || f.nodes[i-1].kind == nodeSep || f.nodes[i-1].kind == nodeText && f.nodes[i-1].sep
}

// shortWord completes the value of a text of less than two bytes. It is false if n cannot be that short.
func (n *node) shortWord(text []byte, v *Value) bool {
	switch {
	case len(text) == 0:
		return false
	case n.dashed && text[0] == '-':
		v.Text, v.State = nil, 0
	}
	return true
}

// quoted reads a field in quotes whose text cannot hold a bare one, and returns the offset after it, or p.
func (f *Format) quoted(line []byte, p int, o *op, r *Record) int {
	if p >= len(line) || line[p] != '"' {
		return p
	}
	n := &f.nodes[o.node]
	end := closing(line, p, n.class, n.escaped)
	if end < 0 || !n.decode(line[p:end+1], &r.Values[o.field], r) {
		return p
	}
	return end + 1
}

// encoded reads an encoded value and returns the offset after it, or p.
func (f *Format) encoded(line []byte, p int, o *op, r *Record) int {
	n := &f.nodes[o.node]
	if n.enc == encJSON && n.textual && p < len(line) && line[p] == '"' {
		if end, escapes := jsonString(line, p); end > p+2 && !escapes && n.shape != shapeItems {
			if !n.decodeText(line[p+1:end-1:end-1], &r.Values[o.field], r) {
				return p
			}
			return end
		}
	}
	end, _ := n.encodedEnd(line, p)
	if end == p || !n.decodeEncoded(line[p:end], &r.Values[o.field], r) {
		return p
	}
	return end
}

// otherAddr reads an address that is not an IPv4 one and returns the offset after it, or p.
func (f *Format) otherAddr(line []byte, p int, o *op, v *Value) int {
	const unix = "unix"
	if end := p + len(unix); end <= len(line) && string(line[p:end]) == unix {
		v.State = Present
		return end
	}
	if f.nodes[o.node].dashed && p < len(line) && line[p] == '-' {
		v.State = 0
		return p + 1
	}
	end := runEnd(line, p, classAddr)
	if o.code == opAddrColon {
		end = p + max(0, bytes.LastIndexByte(line[p:end], ':'))
	}
	if !validIPv6(line[p:end]) {
		return p
	}
	v.State = Present
	return end
}
