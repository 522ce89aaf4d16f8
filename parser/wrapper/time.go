package wrapper

import (
	"encoding/binary"
	"time"

	"github.com/loghaul/loghaul/parser"
)

// Timestamp is an instant and the clock that it was read from.
type Timestamp struct {
	// Seconds since 1970, UTC.
	Seconds int64
	// Nanos of the second; Digits is how many digits of it were printed.
	Nanos  int32
	Digits int8
	// UTCOffset of the clock in seconds.
	UTCOffset int32
}

// MilliTimestamp gives the time of milliseconds since 1970.
func MilliTimestamp(unixMilli int64) Timestamp {
	t := Timestamp{Seconds: unixMilli / 1000, Nanos: int32(unixMilli%1000) * 1e6, Digits: 3} //nolint:gosec // below a second
	if t.Nanos < 0 {
		t.Seconds, t.Nanos = t.Seconds-1, t.Nanos+1e9
	}
	return t
}

// UnixMilli gives the time in milliseconds since 1970.
func (t *Timestamp) UnixMilli() int64 { return t.Seconds*1000 + int64(t.Nanos/1e6) }

// Append appends the time as RFC 3339 has it, with as many digits as were printed.
func (t *Timestamp) Append(dst []byte) []byte {
	dst = time.Unix(t.Seconds+int64(t.UTCOffset), 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05")
	if t.Digits > 0 {
		dst = t.AppendFraction(append(dst, '.'))
	}
	if t.UTCOffset == 0 {
		return append(dst, 'Z')
	}
	sign, off := byte('+'), t.UTCOffset/60
	if off < 0 {
		sign, off = '-', -off
	}
	hour, minute := off/60, off%60
	return append(dst, sign, byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10))
}

// AppendFraction appends the digits of the fraction as they were printed.
func (t *Timestamp) AppendFraction(dst []byte) []byte {
	n := t.Nanos
	var digits [9]byte
	for i := 8; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:t.Digits]...)
}

// Lengths of what is printed: "Nov 22 16:17:55" and "2026-11-22T16:17:55".
const (
	legacyLen = 15
	isoLen    = 19
	months    = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// skew is how far in the future of its reception a date without a year may lie: clocks differ, and a wrong zone makes
// them differ by up to 14 hours.
const skew = 24 * 60 * 60

// clock reads dates. Neighbouring lines share most of a date, so it remembers the last one of each sort.
type clock struct {
	zone     *parser.Zone
	received int64 // Unix seconds; unknown if known is false
	known    bool

	legacyText [legacyLen]byte
	legacyTime Timestamp
	legacyOK   bool // legacyTime is known

	isoText [isoLen]byte
	isoWall int64 // seconds as if it were UTC
}

// legacy reads a date of RFC 3164, section 4.1.2, as in "Nov  2 16:17:55", at b[at:]. The day may have a zero in place
// of the blank, and the second a fraction (journalctl -o short-precise). end is 0 if there is none. ok is false if the
// year is not known.
func (c *clock) legacy(b []byte, at int) (t Timestamp, ok bool, end int) {
	if len(b)-at < legacyLen {
		return t, false, 0
	}
	s := b[at : at+legacyLen]
	if s[3] != ' ' {
		return t, false, 0
	}
	if [legacyLen]byte(s) != c.legacyText {
		month, day, second := legacyDate(s)
		if month == 0 {
			return t, false, 0
		}
		c.legacyText = [legacyLen]byte(s)
		c.legacyTime, c.legacyOK = c.year(month, day, second)
	}
	t, end = c.legacyTime, at+legacyLen
	t.Nanos, t.Digits, end = fraction(b, end)
	return t, c.legacyOK, end
}

// legacyDate reads the parts of a date of RFC 3164; month is 0 if it is none.
func legacyDate(s []byte) (month, day, second int) {
	if s[3] != ' ' || s[6] != ' ' {
		return 0, 0, 0
	}
	for i := 0; i < len(months); i += 3 {
		if string(s[:3]) == months[i:i+3] {
			month = i/3 + 1
		}
	}
	tens := s[4]
	if tens == ' ' {
		tens = '0'
	}
	day = int(tens-'0')*10 + int(s[5]-'0')
	second, ok := timeOfDay(s[7:])
	if !ok || tens < '0' || tens > '3' || s[5] < '0' || s[5] > '9' || month == 0 || day < 1 || day > daysIn(month, 2000) {
		return 0, 0, 0
	}
	return month, day, second
}

// year finds the year of a date: the latest one in which the date exists and is not after the reception, or only as
// much as clocks may differ. A leap day may be up to eight years old.
func (c *clock) year(month, day, second int) (t Timestamp, ok bool) {
	if !c.known {
		return t, false
	}
	last := time.Unix(c.received+skew, 0).UTC().Year() + 1
	for y := last; y > last-11; y-- {
		if day > daysIn(month, y) {
			continue
		}
		wall := time.Date(y, time.Month(month), day, 0, 0, second, 0, time.UTC).Unix()
		ms, offset := c.zone.ResolveReceived(wall*1000, c.received*1000)
		if ms/1000 <= c.received+skew {
			return Timestamp{Seconds: ms / 1000, UTCOffset: offset}, true
		}
	}
	return t, false
}

// iso reads a date of RFC 3339 at b[at:], which RFC 5424, section 6.2.3, narrows down: upper-case T, no leap second, an
// offset. The offset may lack its colon (journalctl -o short-iso). end is 0 if there is none.
func (c *clock) iso(b []byte, at int) (t Timestamp, end int) {
	if len(b)-at < isoLen+1 {
		return t, 0
	}
	s := b[at : at+isoLen]
	if s[4] != '-' {
		return t, 0
	}
	if [isoLen]byte(s) != c.isoText {
		wall, ok := isoDate(s)
		if !ok {
			return t, 0
		}
		c.isoText, c.isoWall = [isoLen]byte(s), wall
	}
	t.Nanos, t.Digits, end = fraction(b, at+isoLen)
	if end == len(b) {
		return t, 0
	}
	switch sign := b[end]; sign {
	case 'Z':
		end++
	case '+', '-':
		z := b[end+1:]
		if len(z) > 4 && z[2] == ':' {
			z = z[:5]
		} else if len(z) > 3 {
			z = z[:4]
		} else {
			return t, 0
		}
		hour, minute := twoDigits(z), twoDigits(z[len(z)-2:])
		if hour > 23 || minute > 59 {
			return t, 0
		}
		t.UTCOffset = int32(hour*3600 + minute*60) //nolint:gosec // a day
		if sign == '-' {
			t.UTCOffset = -t.UTCOffset
		}
		end += 1 + len(z)
	default:
		return t, 0
	}
	t.Seconds = c.isoWall - int64(t.UTCOffset)
	return t, end
}

func isoDate(s []byte) (wall int64, ok bool) {
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' {
		return 0, false
	}
	year, month, day := twoDigits(s)*100+twoDigits(s[2:]), twoDigits(s[5:]), twoDigits(s[8:])
	second, ok := timeOfDay(s[11:])
	if !ok || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(month, year) {
		return 0, false
	}
	return time.Date(year, time.Month(month), day, 0, 0, second, 0, time.UTC).Unix(), true
}

// timeOfDay reads "16:17:55".
func timeOfDay(s []byte) (second int, ok bool) {
	const colons, mask = uint64(':')<<16 | uint64(':')<<40, uint64(0xff)<<16 | uint64(0xff)<<40
	if binary.LittleEndian.Uint64(s)&mask != colons {
		return 0, false
	}
	h, m, sec := twoDigits(s), twoDigits(s[3:]), twoDigits(s[6:])
	return h*3600 + m*60 + sec, h < 24 && m < 60 && sec < 60
}

// fraction reads "." and one to nine digits at b[at:], if that is there.
func fraction(b []byte, at int) (nanos int32, digits int8, end int) {
	if at == len(b) || b[at] != '.' {
		return 0, 0, at
	}
	end, unit := at+1, int32(100_000_000)
	for end < len(b) && b[end]-'0' <= 9 && digits < 9 {
		nanos += int32(b[end]-'0') * unit
		unit /= 10
		digits++
		end++
	}
	if digits == 0 {
		return 0, 0, at
	}
	return nanos, digits, end
}

// twoDigits gives a number, or one far above 9999 if these are no digits.
func twoDigits(s []byte) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return 1 << 20
	}
	return int(a)*10 + int(b)
}

// daysIn is the day before the first of the next month.
func daysIn(month, year int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
