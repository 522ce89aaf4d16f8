package parser

import "bytes"

// decode reads text, all that n printed, into v. It is false if HAProxy cannot have printed text for n.
func (n *node) decode(text []byte, v *Value, r *Record) bool {
	if n.enc != encNone {
		return n.decodeEncoded(text, v, r)
	}
	v.State = Present
	if n.wrapped() && n.shape != shapeItems && (len(text) > 0 || !n.blank) {
		if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
			return false
		}
		text = text[1 : len(text)-1]
		if n.shape == shapeAddr && len(text) == 0 {
			return n.setAbsent(v)
		}
	} else if n.printedAbsent(text) {
		if n.free() && len(text) > 0 {
			v.Text, v.State = text, Unsure // the value may be "-"
			return true
		}
		return n.setAbsent(v)
	}
	return n.decodeText(text, v, r)
}

// decodeText reads the text of a value, without what is around it, into v.
func (n *node) decodeText(text []byte, v *Value, r *Record) bool {
	v.State = Present
	var end int
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		v.Int, v.State, end = n.scanNumber(text, 0)
		return end == len(text) && end > 0
	case shapeDate:
		v.Int, v.Zone, end = r.dates.date(text, 0, n.zoned)
		return end == len(text) && end > 0
	case shapeAddr:
		if n.hex {
			return v.setHexAddr(text, &r.scratch)
		}
		return v.setAddr(text)
	case shapeState:
		v.Text = text
		return stateEnd(text, 0, n.width) == len(text)
	case shapeBlock:
		return n.decodeBlock(text, v, r)
	case shapeItems:
		return n.decodeItems(text, v, r)
	case shapeCookie:
		if len(text) == 0 {
			return n.wrapped() && n.setAbsent(v)
		}
		name := runEnd(text, 0, classCookie)
		if name == 0 || name == len(text) || text[name] != '=' {
			return false
		}
	case shapeText:
		if len(text) < n.min {
			return false
		}
	default:
		return false
	}
	if n.escaped {
		if escapedEnd(text, 0, n.class) != len(text) {
			return false
		}
		text = unescape(text, &r.scratch)
	} else if runEnd(text, 0, n.class) != len(text) {
		return false
	}
	if len(text) == 0 && n.absent && !n.free() {
		return n.setAbsent(v)
	}
	v.Text = text
	return true
}

// printedAbsent reports whether text, which has no quotes around it, is what n prints without a value.
func (n *node) printedAbsent(text []byte) bool {
	switch {
	case len(text) == 0:
		return n.blank && n.absent
	case n.dashed:
		return len(text) == 1 && text[0] == '-'
	default:
		return n.quoted && n.absent && !n.wrapped() && string(text) == `""`
	}
}

func (n *node) setAbsent(v *Value) bool {
	v.Text, v.State, v.Int = nil, 0, 0
	return true
}

// scanNumber reads a number at line[p:]. end is p if there is none.
func (n *node) scanNumber(line []byte, p int) (v int64, state State, end int) {
	switch {
	case n.hex && n.shape == shapePort:
		v, end = scanHex(line[:min(len(line), p+4)], p, 4)
		return v, Present, end
	case n.hex:
		v, end = scanHex(line, p, n.width)
		return v, Present, end
	case n.shape == shapeMilli:
		if len(line)-p < 3 {
			return 0, Present, p
		}
		v, ok := parseMilli(line[p : p+3])
		if !ok {
			return 0, Present, p
		}
		return v, Present, p + 3
	case n.plus && p < len(line) && line[p] == '+':
		v, end = scanInt(line, p+1)
		if end == p+1 {
			end = p
		}
		return v, Present | Plus, end
	default:
		v, end = scanInt(line, p)
		return v, Present, end
	}
}

// stateEnd returns the end of a termination state of width letters at line[p:], or p.
func stateEnd(line []byte, p, width int) int {
	if len(line)-p < width {
		return p
	}
	for i, c := range line[p : p+width] {
		if letter := c == '-' || c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (i < 2 || !isDigit(c)) {
			return p
		}
	}
	return p + width
}

// decodeBlock reads `{a|b}`.
func (n *node) decodeBlock(text []byte, v *Value, r *Record) bool {
	if n.escaped {
		if len(text) < 2 || escapedEnd(text, 1, classPrint) != len(text) {
			return false
		}
		text = unescape(text, &r.scratch)
	}
	end, items := blockEnd(text, 0)
	if end != len(text) || end == 0 {
		return false
	}
	v.Text, v.Int = text[1:end-1], int64(items)
	return n.hasItems(v)
}

// hasItems reports whether a list has as many items as the frontend captures.
func (n *node) hasItems(v *Value) bool { return n.items == 0 || int(v.Int) == n.items }

// decodeItems reads `"a" "b"`, or `a b` if that can only be one item.
func (n *node) decodeItems(text []byte, v *Value, r *Record) bool {
	if !n.quoted {
		// Items may hold spaces. They can be told apart if there are no more spaces than between them.
		spaces := bytes.Count(text, []byte{' '})
		if spaces > 0 && n.items > 1 && spaces == n.items-1 && runEnd(text, 0, n.class) == len(text) && !n.escaped {
			start := len(r.scratch)
			r.scratch = append(r.scratch, text...)
			v.Text, v.Int = r.scratch[start:len(r.scratch):len(r.scratch)], int64(n.items)
			for i, c := range v.Text {
				if c == ' ' {
					v.Text[i] = '|'
				}
			}
			return true
		}
		if spaces > 0 && n.items != 1 || n.items > 1 {
			return false
		}
		v.Int = 1
		if n.escaped {
			if escapedEnd(text, 0, n.class) != len(text) {
				return false
			}
			text = unescape(text, &r.scratch)
		}
		v.Text = text
		return runEnd(text, 0, n.class) == len(text)
	}
	start := len(r.scratch)
	v.Int = 0
	for p := 0; ; p++ {
		if p >= len(text) || text[p] != '"' {
			return false
		}
		end := closing(text, p, n.class, n.escaped)
		if end < 0 {
			return false
		}
		if v.Int > 0 {
			r.scratch = append(r.scratch, '|')
		}
		v.Int++
		item := text[p+1 : end]
		if n.escaped {
			mark := len(r.scratch)
			item = unescape(item, &r.scratch)
			if len(r.scratch) > mark {
				r.scratch = r.scratch[:mark+len(item)]
			} else {
				r.scratch = append(r.scratch, item...)
			}
		} else {
			r.scratch = append(r.scratch, item...)
		}
		p = end + 1
		if p == len(text) {
			v.Text = r.scratch[start:len(r.scratch):len(r.scratch)]
			return n.hasItems(v)
		}
		if text[p] != ' ' {
			return false
		}
	}
}
