package parser

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

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
				dst = append(n.appendValue(dst, &r.Lone, &r.dates), ' ')
				sep, i = true, i+3
				continue
			}
			v := &r.Values[n.field]
			if n.plainInt() && v.State == Present {
				dst, sep = AppendInt(dst, v.Int), false
				continue
			}
			start := len(dst)
			dst = n.appendValue(dst, v, &r.dates)
			if len(dst) > start || n.expr {
				sep = false
			}
		}
	}
	return dst
}

// AppendDate appends the text of a KindDate field of r as HAProxy printed it.
func (r *Record) AppendDate(dst []byte, field int) []byte {
	return append(dst, r.dates.print(&r.Values[field], r.Format.fields[field].zoned)...)
}

func (n *node) appendValue(dst []byte, v *Value, dates *dateCache) []byte {
	if n.enc != encNone {
		return n.appendEncoded(dst, v, dates)
	}
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
	switch {
	case n.shape == shapeItems:
		return n.appendItems(dst, v)
	case n.wrapped():
		return append(n.appendPlain(append(dst, '"'), v, dates), '"')
	default:
		return n.appendPlain(dst, v, dates)
	}
}

// appendPlain appends the text of a value without what is around it.
func (n *node) appendPlain(dst []byte, v *Value, dates *dateCache) []byte {
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		return n.appendNumber(dst, v)
	case shapeDate:
		return append(dst, dates.print(v, n.zoned)...)
	case shapeState:
		return append(dst, v.Text...)
	case shapeBlock:
		return n.appendBlock(dst, v)
	case shapeAddr:
		if n.hex {
			return appendHexAddr(dst, v)
		}
		return append(dst, v.Text...)
	default:
		return n.appendText(dst, v.Text)
	}
}

// plainInt reports whether n prints a number in decimal digits, whatever it prints for none.
func (n *node) plainInt() bool {
	return (n.shape == shapeInt || n.shape == shapePort) && !n.hex &&
		(n.enc == encNone || n.enc == encJSON && !n.textual)
}

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
	case v.State&Plus != 0 && n.plus:
		return AppendInt(append(dst, '+'), v.Int)
	default:
		return AppendInt(dst, v.Int)
	}
}

// AppendInt is strconv.AppendInt, faster for the numbers that lines are full of.
func AppendInt(dst []byte, v int64) []byte {
	if uint64(v) > maxDigits {
		return strconv.AppendInt(dst, v, 10)
	}
	word, n := shortDigits(uint32(v))
	return binary.LittleEndian.AppendUint64(dst, word)[:len(dst)+n]
}

// maxDigits is the largest number for digits.
const maxDigits = 99_999_999

// digits prints v: n bytes of word, the first one lowest, and zeros above. It has no branch that depends on v.
func digits(v uint32) (word uint64, n int) {
	// Halves of four digits in lanes of 32 bits, then pairs in lanes of 16, then single digits in bytes. The factors
	// divide by 100 and by 10, exactly for numbers this small.
	x := uint64(v/10_000) | uint64(v%10_000)<<32
	q := x * 10486 >> 20 & 0x0000007f_0000007f
	x = q | (x-q*100)<<16
	q = x * 103 >> 10 & 0x000f_000f_000f_000f
	x = q | (x-q*10)<<8
	zeros := bits.TrailingZeros64(x|1<<56) &^ 7
	return (x | ones*'0') >> zeros, 8 - zeros>>3
}

// shortDigits is digits, with a table for the smallest numbers, which most are.
func shortDigits(v uint32) (word uint64, n int) {
	if v < uint32(len(small)) {
		return uint64(small[v] & 0xffffff), int(small[v] >> 24)
	}
	return digits(v)
}

// small has the digits of its indices, and their number in the highest byte.
var small = makeSmall() //nolint:gochecknoglobals // a constant table

func makeSmall() (small [1000]uint32) {
	for v := range small {
		word, n := digits(uint32(v))            //nolint:gosec // small
		small[v] = uint32(word) | uint32(n)<<24 //nolint:gosec // three bytes, and a number of up to three
	}
	return small
}
