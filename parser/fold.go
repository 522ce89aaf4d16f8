package parser

import "math"

// clock is what a record says about its wall clock.
type clock struct {
	wall     int64 // in milliseconds
	duration int64 // from then until the line was written, in milliseconds
	ended    bool  // the duration is known
	anchor   int64 // an absolute date of the same record, near the wall clock
	anchored bool
}

// skew is how far the clocks of who wrote a line and who received it may differ, and prompt how long after it was
// written a line is received as a rule. Both in milliseconds.
const (
	skew   = 60_000
	prompt = 600_000
)

// resolve is Resolve with all that is known. sure is false if the time may be another one.
func (z *Zone) resolve(c *clock) (unixMilli int64, offsetSeconds int32, sure bool) {
	if c.wall < z.from || c.wall >= z.to {
		z.look(c.wall)
	}
	if z.sides == 0 {
		at := c.wall - int64(z.skipped)*1000
		return at, z.skipped, false
	}
	side := 0
	sure = z.sides == 1
	if !sure {
		side, sure = z.side(c)
	}
	at := c.wall - int64(z.offsets[side])*1000
	z.note(at+c.duration, sure)
	return at, z.offsets[side], sure
}

// note remembers when a line ended, for the next one.
func (z *Zone) note(ended int64, sure bool) {
	z.last, z.known = ended, knownUnsure
	if sure {
		z.known = knownSure
	}
}

// side decides which of the times that a wall clock happened it was, from the strongest evidence to the weakest.
func (z *Zone) side(c *clock) (side int, sure bool) {
	ends := func(i int) int64 { return c.wall - int64(z.offsets[i])*1000 + c.duration }
	sides := z.sides
	// Nothing is near one of the times and near another one, if near means a quarter of what is between them.
	near := (int64(z.offsets[0]) - int64(z.offsets[1])) * 1000 / 4
	if c.anchored {
		for i := range sides {
			if distance(ends(i)-c.duration, c.anchor) <= near {
				return i, true
			}
		}
	}
	// A line is not received before it was written.
	if z.received != math.MaxInt64 && ends(0) <= z.received+skew {
		for ends(sides-1) > z.received+skew {
			sides--
		}
		if sides == 1 {
			return 0, true
		}
	}
	// Lines are written in the order of their ends, but for the time that threads need. What began before the end of
	// the line before may have ended after it.
	follows, back := -1, near
	if c.ended {
		back = min(near, skew)
	}
	if z.known != knownNothing {
		for i := range sides {
			if after := ends(i) - z.last; after >= -back && after <= near {
				follows = i
			}
		}
		if follows < 0 && c.ended && ends(sides-2) < z.last-back && ends(sides-1) >= z.last {
			return sides - 1, true // the others were over
		}
		// From the first time, of which it was only not sure whether it was, nothing but the second follows if the
		// clock went back.
		if follows >= 0 && (z.known == knownSure || follows > 0) {
			return follows, true
		}
	}
	if z.received != math.MaxInt64 {
		for i := range sides {
			if late := z.received - ends(i); late >= -skew && late <= min(near, prompt) {
				return i, true
			}
		}
	}
	return max(follows, 0), false
}

func distance(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}
