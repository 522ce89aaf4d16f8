package parser

import "time"

// Zone turns the wall clock that HAProxy printed without an offset into an instant. It caches and therefore belongs
// to one goroutine.
type Zone struct {
	loc      *time.Location
	from, to int64 // range of wall clock seconds for which offset holds
	offset   int32
}

// NewZone returns a resolver for wall clocks of loc; nil means UTC.
func NewZone(loc *time.Location) *Zone {
	if loc == nil {
		loc = time.UTC
	}
	return &Zone{loc: loc}
}

// Resolve returns the instant of a wall clock, both in milliseconds (the wall clock as if it were UTC), and the offset
// from UTC in seconds. Where the clock was set back and a wall clock happened twice, it takes the first; a wall clock
// that was skipped is read with the offset that held before.
func (z *Zone) Resolve(wallMilli int64) (unixMilli int64, offsetSeconds int32) {
	sec := floorDiv(wallMilli, 1000)
	if sec < z.from || sec >= z.to {
		z.look(sec)
	}
	return wallMilli - int64(z.offset)*1000, z.offset
}

// look finds the offset of a wall clock and how long around it the offset holds without doubt.
func (z *Zone) look(sec int64) {
	before := offset(z.loc, sec-86400)
	after := offset(z.loc, sec+86400)
	if before == after && offset(z.loc, sec-int64(before)) == before {
		// No change of clocks near: a quarter of an hour is a safe unit, as zones change on such borders.
		z.offset, z.from = before, sec-sec%900
		z.to = z.from + 900
		return
	}
	off := before
	if offset(z.loc, sec-int64(before)) != before && offset(z.loc, sec-int64(after)) == after {
		off = after
	}
	z.offset, z.from, z.to = off, sec, sec+1
}

// offsetAt returns the offset from UTC, in seconds, that holds at an instant in Unix seconds.
func (z *Zone) offsetAt(unixSec int64) int32 { return offset(z.loc, unixSec) }

func offset(loc *time.Location, unixSec int64) int32 {
	_, off := time.Unix(unixSec, 0).In(loc).Zone()
	return int32(off)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
