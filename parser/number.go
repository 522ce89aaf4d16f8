package parser

import (
	"encoding/binary"
	"math"
)

// scanInt reads the decimal number at line[p:] as printf would print it: no leading zero, no "-0". end is p if there
// is none, or if it does not fit.
func scanInt(line []byte, p int) (v int64, end int) {
	q, negative := p, false
	if q < len(line) && line[q] == '-' {
		negative = true
		q++
	}
	start, u := q, uint64(0)
	for q < len(line) {
		d := line[q] - '0'
		if d > 9 {
			break
		}
		if q-start >= 18 && u > (math.MaxInt64-uint64(d))/10 {
			return 0, p
		}
		u = u*10 + uint64(d)
		q++
	}
	switch {
	case q == start, q-start > 1 && line[start] == '0', negative && u == 0:
		return 0, p
	case negative:
		return -int64(u), q
	default:
		return int64(u), q
	}
}

// shortInt reads a number of up to eight digits without sign, with eight bytes of the line at hand. end is p if it is
// not of that kind, whatever else it is. It has no branch that depends on the number of digits.
func shortInt(line []byte, p int) (v int64, end int) {
	if len(line)-p < 8 {
		return 0, p
	}
	x := binary.LittleEndian.Uint64(line[p:]) ^ ones*'0'
	other := ((x + ones*0x76) | x) & highs // set for bytes that are no digit, exact up to the first
	digits := firstByte(other)
	if digits == 0 || digits > 1 && x&0xff == 0 || other == 0 {
		return 0, p
	}
	x <<= 64 - 8*uint(digits)
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return int64((x*10000 + x>>32) & 0xffffffff), p + digits
}

// scanInteger reads a decimal number, or the "-" that stands for none.
func (n *node) scanInteger(line []byte, p int) (v int64, state State, end int) {
	v, state, end = n.scanNumber(line, p)
	if n.enc != encNone && end == p && n.absent && p+1 < len(line) && line[p] == '"' && line[p+1] == '"' {
		return 0, 0, p + 2
	}
	if end == p && n.dashed && p < len(line) && line[p] == '-' {
		return 0, 0, p + 1
	}
	return v, state, end
}

// scanHex reads the hexadecimal number of at least width digits, upper case, at line[p:], as "%04X" would print it.
func scanHex(line []byte, p, width int) (v int64, end int) {
	q, u := p, uint64(0)
	for q < len(line) && q-p < 16 {
		d, ok := hexDigit(line[q])
		if !ok {
			break
		}
		u = u<<4 | uint64(d)
		q++
	}
	if q-p < max(width, 1) || q-p > max(width, 1) && line[p] == '0' || u > math.MaxInt64 {
		return 0, p
	}
	return int64(u), q
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}

const upperHex = "0123456789ABCDEF"

// appendHex is the inverse of scanHex.
func appendHex(dst []byte, v uint64, width int) []byte {
	var digits [16]byte
	i := len(digits)
	for v > 0 || len(digits)-i < width {
		i--
		digits[i] = upperHex[v&15]
		v >>= 4
	}
	return append(dst, digits[i:]...)
}

// twoDigits reads two decimal digits; it is above 99 if they are none.
func twoDigits(line []byte, p int) int {
	a, b := line[p]-'0', line[p+1]-'0'
	if a > 9 || b > 9 {
		return math.MaxInt32
	}
	return int(a)*10 + int(b)
}

func appendTwo(dst []byte, v int64) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
