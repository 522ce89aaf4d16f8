package parser

import "encoding/binary"

// Lengths of what HAProxy prints: "22/Nov/2026:16:17:55", and with ".857" or " +0000" after it.
const (
	secondLen   = 20
	milliLen    = secondLen + 4
	offsetLen   = secondLen + 6
	monthDigits = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// dateCache remembers the last second that was read, and the last that was written: neighbouring lines share it.
type dateCache struct {
	a, b  uint64 // the first sixteen bytes of the text
	c     uint32 // the other four
	milli int64  // wall clock in ms; valid if a is not 0

	written   int64 // seconds
	text      [offsetLen + PrintAhead]byte
	haveWrote bool
}

// second reads the wall clock at line[p:], which must hold secondLen bytes.
func (d *dateCache) second(line []byte, p int) (milli int64, ok bool) {
	s := line[p : p+secondLen : p+secondLen]
	a, b, c := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:]), binary.LittleEndian.Uint32(s[16:])
	if a == d.a && b == d.b && c == d.c {
		return d.milli, true
	}
	milli, ok = parseSecond(s)
	if ok {
		d.a, d.b, d.c, d.milli = a, b, c, milli
	}
	return milli, ok
}

// date reads a date with milliseconds, or with its offset in seconds if zoned. end is p if there is none.
func (d *dateCache) date(line []byte, p int, zoned bool) (milli int64, zone int32, end int) {
	if zoned {
		if len(line)-p < offsetLen {
			return 0, 0, p
		}
		milli, ok := d.second(line, p)
		if !ok {
			return 0, 0, p
		}
		zone, ok := parseOffset(line[p+secondLen : p+offsetLen])
		if !ok {
			return 0, 0, p
		}
		return milli, zone, p + offsetLen
	}
	if len(line)-p < milliLen {
		return 0, 0, p
	}
	milli, ok := d.second(line, p)
	x := binary.LittleEndian.Uint32(line[p+secondLen:]) ^ '.'
	frac, fine := int64(x>>8&0xf)*100+int64(x>>16&0xf)*10+int64(x>>24&0xf), threeDigits(x)
	if !ok || !fine {
		return 0, 0, p
	}
	return milli + frac, 0, p + milliLen
}

// threeDigits reports whether x is a zero byte and three decimal digits above it.
func threeDigits(x uint32) bool {
	y := x ^ 0x30303000
	return (y|(y+0x76767676&^0xff))&0x808080ff == 0 && y&0x70707000 == 0
}

// parseMilli reads three digits.
func parseMilli(s []byte) (int64, bool) {
	_ = s[2]
	a, b, c := s[0]-'0', s[1]-'0', s[2]-'0'
	return int64(a)*100 + int64(b)*10 + int64(c), a <= 9 && b <= 9 && c <= 9
}

// parseOffset reads " +0530".
func parseOffset(s []byte) (int32, bool) {
	hour, minute := twoDigits(s, 2), twoDigits(s, 4)
	off := int32(hour*3600 + minute*60)
	switch {
	case s[0] != ' ' || hour > 24 || minute > 59:
		return 0, false
	case s[1] == '+':
		return off, true
	default:
		return -off, s[1] == '-' && off != 0
	}
}

func parseSecond(s []byte) (milli int64, ok bool) {
	if s[2] != '/' || s[6] != '/' || s[11] != ':' || s[14] != ':' || s[17] != ':' {
		return 0, false
	}
	month := 0
	for i := 0; i < len(monthDigits); i += 3 {
		if string(s[3:6]) == monthDigits[i:i+3] {
			month = i/3 + 1
		}
	}
	day, century, year := twoDigits(s, 0), twoDigits(s, 7), twoDigits(s, 9)
	hour, minute, second := twoDigits(s, 12), twoDigits(s, 15), twoDigits(s, 18)
	if month == 0 || century > 99 || year > 99 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	year += century * 100
	if day < 1 || day > daysIn(month, year) {
		return 0, false
	}
	seconds := int64(hour)*3600 + int64(minute)*60 + int64(second)
	return (daysFromCivil(int64(year), int64(month), int64(day))*86400 + seconds) * 1000, true
}

func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// daysFromCivil and civilFromDays convert between the proleptic Gregorian calendar and days since 1970, after Howard
// Hinnant, "chrono-Compatible Low-Level Date Algorithms".
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func civilFromDays(z int64) (y, m, d int64) {
	z += 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	m = mp + 3
	if mp >= 10 {
		m = mp - 9
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, doy - (153*mp+2)/5 + 1
}

// print is the inverse of date. The text is valid until the next call.
func (d *dateCache) print(v *Value, zoned bool) []byte {
	sec := floorDiv(v.Int, 1000)
	if !d.haveWrote || sec != d.written {
		writeSecond(d.text[:0], sec)
		d.written, d.haveWrote = sec, true
	}
	text := d.text[:milliLen]
	if !zoned {
		milli := v.Int - sec*1000
		text[secondLen] = '.'
		text[secondLen+1], text[secondLen+2], text[secondLen+3] = byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10)
		return text
	}
	sign, zone := byte('+'), int64(v.Zone)
	if zone < 0 {
		sign, zone = '-', -zone
	}
	return appendTwo(appendTwo(append(d.text[:secondLen], ' ', sign), zone/3600), zone/60%60)
}

func writeSecond(dst []byte, sec int64) {
	days := floorDiv(sec, 86400)
	rest := sec - days*86400
	y, m, day := civilFromDays(days)
	dst = append(appendTwo(dst, day), '/')
	dst = append(dst, monthDigits[m*3-3:m*3]...)
	dst = append(dst, '/')
	dst = append(appendTwo(appendTwo(dst, y/100%100), y%100), ':')
	dst = append(appendTwo(dst, rest/3600), ':')
	dst = append(appendTwo(dst, rest/60%60), ':')
	appendTwo(dst, rest%60)
}
