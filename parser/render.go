package parser

import "strconv"

// Append appends the line of r, without LF, to dst: the exact bytes that were parsed. r may also have been filled in by
// hand after Reset; the fields that are not set then print as absent. It may use r's caches, so that r must not be
// used by another goroutine meanwhile.
func (f *Format) Append(dst []byte, r *Record) []byte {
	sep, spans := true, r.spans
	for i := 0; i < len(f.nodes); i++ {
		if len(spans) > 0 && spans[0].first == i {
			dst = append(dst, spans[0].text...)
			sep, i = spans[0].sep, spans[0].last-1
			spans = spans[1:]
			continue
		}
		n := &f.nodes[i]
		switch n.kind {
		case nodeText:
			sep = n.sep
			if len(n.text) == 1 {
				dst = append(dst, n.text[0])
				continue
			}
			dst = append(dst, n.text...)
		case nodeSep:
			if !sep {
				dst = append(dst, ' ')
				sep = true
			}
		case nodeField:
			if i == f.lone && r.Lone.State&Present != 0 {
				dst = append(n.appendValue(dst, &r.Lone, r), ' ')
				sep, i = true, i+3
				continue
			}
			v := &r.Values[n.field]
			if n.plainInt() && v.State == Present {
				dst, sep = appendInt(dst, v.Int), false
				continue
			}
			start := len(dst)
			dst = n.appendValue(dst, v, r)
			if len(dst) > start || n.expr {
				sep = false
			}
		}
	}
	return dst
}

// AppendDate appends the text of a KindDate field of r as HAProxy printed it.
func (r *Record) AppendDate(dst []byte, field int) []byte {
	return r.dates.appendDate(dst, &r.Values[field], r.Format.fields[field].zoned)
}

func (n *node) appendValue(dst []byte, v *Value, r *Record) []byte {
	if v.State&(Present|Unsure) == 0 {
		switch {
		case n.shape == shapeBlock, n.shape == shapeItems:
			return dst
		case n.quoted:
			return append(dst, '"', '"')
		case n.dashed:
			return append(dst, '-')
		default:
			return dst
		}
	}
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		return n.appendNumber(dst, v)
	case shapeDate:
		return r.dates.appendDate(dst, v, n.zoned)
	case shapeState:
		return append(dst, v.Text...)
	case shapeBlock:
		if !n.quoted {
			return n.appendBlock(dst, v)
		}
		return append(n.appendBlock(append(dst, '"'), v), '"')
	case shapeItems:
		return n.appendItems(dst, v)
	case shapeAddr:
		if n.hex {
			return appendHexAddr(dst, v)
		}
	default: // a text
	}
	if n.quoted {
		return append(n.appendText(append(dst, '"'), v.Text), '"')
	}
	return n.appendText(dst, v.Text)
}

func (n *node) plainInt() bool { return (n.shape == shapeInt || n.shape == shapePort) && !n.hex }

func (n *node) appendText(dst, text []byte) []byte {
	if n.escaped {
		return appendEscaped(dst, text)
	}
	return append(dst, text...)
}

func (n *node) appendBlock(dst []byte, v *Value) []byte {
	return append(n.appendText(append(dst, '{'), v.Text), '}')
}

func (n *node) appendItems(dst []byte, v *Value) []byte {
	first := true
	for item := range v.Items {
		if !first {
			dst = append(dst, ' ')
		}
		first = false
		if n.quoted {
			dst = append(n.appendText(append(dst, '"'), item), '"')
		} else {
			dst = n.appendText(dst, item)
		}
	}
	return dst
}

func (n *node) appendNumber(dst []byte, v *Value) []byte {
	switch {
	case n.hex && n.shape == shapePort:
		return appendHex(dst, uint64(v.Int), 4)
	case n.hex:
		return appendHex(dst, uint64(v.Int), n.width)
	case n.shape == shapeMilli:
		return append(dst, byte('0'+v.Int/100%10), byte('0'+v.Int/10%10), byte('0'+v.Int%10))
	case v.State&Plus != 0:
		return appendInt(append(dst, '+'), v.Int)
	default:
		return appendInt(dst, v.Int)
	}
}

// appendInt is strconv.AppendInt, faster for the small numbers that lines are full of.
func appendInt(dst []byte, v int64) []byte {
	switch {
	case v < 0 || v > 999:
		return strconv.AppendInt(dst, v, 10)
	case v < 10:
		return append(dst, byte('0'+v))
	case v < 100:
		return append(dst, byte('0'+v/10), byte('0'+v%10))
	default:
		return append(dst, byte('0'+v/100), byte('0'+v/10%10), byte('0'+v%10))
	}
}
