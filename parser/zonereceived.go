package parser

// Milliseconds by which clocks may differ, and for how long a wall clock that happened twice counts as just read.
const (
	clockSkew  = 15 * 60 * 1000
	justBefore = 60 * 60 * 1000
)

// ResolveReceived is Resolve for a wall clock that was received at an instant, in Unix milliseconds. It differs where
// the clock was set back and the wall clock happened twice: the second one is taken if the line was received then or
// within the hour after, give or take what clocks differ by.
func (z *Zone) ResolveReceived(wallMilli, receivedMilli int64) (unixMilli int64, offsetSeconds int32) {
	first, offset := z.Resolve(wallMilli)
	sec := floorDiv(wallMilli, 1000)
	// Only near a change of clocks does the offset a day later differ.
	after := z.offsetAt(sec - int64(offset) + 86400)
	if after >= offset {
		return first, offset
	}
	second := wallMilli - int64(after)*1000
	if z.offsetAt(floorDiv(second, 1000)) != after || receivedMilli < second-clockSkew || receivedMilli >= second+justBefore {
		return first, offset
	}
	return second, after
}
