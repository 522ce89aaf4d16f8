package parser

import (
	"math"
	"time"
)

// Zone turns the wall clocks that HAProxy prints without an offset into instants. A wall clock that happened twice,
// because clocks were set back, is decided by what is known: the absolute dates of the same record, the time at which
// the line was received, and the lines before it (see fold.go). Zone therefore takes the lines of one stream in their
// order, and belongs to one goroutine.
type Zone struct {
	loc *time.Location

	// For the wall clocks from..to, in milliseconds, these offsets in seconds are possible. Their instants come one
	// after the other; none if the clock was set forward over them, and then skipped is the offset that held before.
	from, to int64
	offsets  [maxSides]int32
	sides    int
	skipped  int32

	// The same for instants in seconds.
	atFrom, atTo int64
	at           int32

	received int64 // in milliseconds, math.MaxInt64 if not known
	last     int64 // when the line before ended
	known    knowledge
}

// maxSides bounds how often a wall clock can happen.
const maxSides = 4

// knowledge is what is known about the line before.
type knowledge uint8

const (
	knownNothing knowledge = iota
	knownUnsure            // its time was taken without being certain
	knownSure
)

// NewZone returns a resolver for wall clocks of loc; nil means UTC.
func NewZone(loc *time.Location) *Zone {
	if loc == nil {
		loc = time.UTC
	}
	return &Zone{loc: loc, received: math.MaxInt64}
}

// Restart begins another stream: the lines so far are no neighbours of those to come, and it is not known when these
// were received.
func (z *Zone) Restart() { z.known, z.received = knownNothing, math.MaxInt64 }

// Received tells when the lines to come were read by the one who got them from HAProxy, in Unix milliseconds. They were
// written before, and as a rule shortly before.
func (z *Zone) Received(unixMilli int64) { z.received = unixMilli }

// Resolve returns the instant of a wall clock, both in milliseconds (the wall clock as if it were UTC), and the offset
// from UTC in seconds. Where a wall clock happened twice it takes the first; one that was skipped is read with the
// offset that held before. It knows nothing of the stream.
func (z *Zone) Resolve(wallMilli int64) (unixMilli int64, offsetSeconds int32) {
	if wallMilli < z.from || wallMilli >= z.to {
		z.look(wallMilli)
	}
	off := z.offsets[0]
	if z.sides == 0 {
		off = z.skipped
	}
	return wallMilli - int64(off)*1000, off
}

// reach is how far from a wall clock, in seconds, its instants can be: no offset is as large. validity is for how long
// around it what was found is remembered.
const (
	reach    = 40 * 3600
	validity = 12 * 3600
)

// look finds the offsets that are possible for a wall clock, and the wall clocks around it for which they are, too.
func (z *Zone) look(wallMilli int64) {
	wall := floorDiv(wallMilli, 1000)
	from, to := wall-validity, wall+validity
	// A border between two offsets is one of wall clocks, too: one for the offset before and one for that after.
	border := func(at int64) {
		if at <= wall {
			from = max(from, at)
		} else {
			to = min(to, at)
		}
	}
	z.sides = 0
	first := true
	for at := wall - reach; at <= wall+reach; {
		off, start, end := period(z.loc, at)
		if !first {
			start = at
			border(start + int64(off))
		}
		if at := wall - int64(off); at >= start && at < end && z.sides < maxSides {
			z.offsets[z.sides] = off
			z.sides++
		}
		if z.sides == 0 && wall-int64(off) >= end {
			z.skipped = off // the last one that was over before the wall clock was reached
		}
		if end < wall+reach {
			border(end + int64(off))
		}
		first, at = false, end
	}
	z.from, z.to = from*1000, to*1000
}

// offsetAt returns the offset from UTC, in seconds, that holds at an instant in Unix seconds.
func (z *Zone) offsetAt(unixSec int64) int32 {
	if unixSec < z.atFrom || unixSec >= z.atTo {
		z.at, z.atFrom, z.atTo = period(z.loc, unixSec)
	}
	return z.at
}

// period returns the offset at an instant, and from when to when it holds.
func period(loc *time.Location, unixSec int64) (off int32, start, end int64) {
	t := time.Unix(unixSec, 0).In(loc)
	_, seconds := t.Zone()
	from, to := t.ZoneBounds()
	start, end = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		start = from.Unix()
	}
	if !to.IsZero() {
		end = to.Unix()
	}
	// For the last day of leap years beyond the table of a zone, ZoneBounds of Go 1.26 gives bounds that do not hold the
	// instant. Clocks change on quarters of an hour.
	if end <= unixSec || start > unixSec {
		start, end = unixSec, unixSec-unixSec%900+900
	}
	return int32(seconds), start, end
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
