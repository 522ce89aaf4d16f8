package parser

// Milliseconds by which clocks may differ, and for how long a wall clock that happened twice counts as just read. They
// are wider than those of lines (see fold.go): a header has nothing else to go by, and relays' clocks are not HAProxy's.
const (
	clockSkew  = 15 * 60 * 1000
	justBefore = 60 * 60 * 1000
)

// ResolveReceived is Resolve for a wall clock that was received at an instant, in Unix milliseconds. It differs where
// the clock was set back and the wall clock happened twice: the second one is taken if the line was received then or
// within the hour after, give or take what clocks differ by.
func (z *Zone) ResolveReceived(wallMilli, receivedMilli int64) (unixMilli int64, offsetSeconds int32) {
	unixMilli, offsetSeconds = z.Resolve(wallMilli)
	if z.sides > 1 {
		after := z.offsets[z.sides-1]
		if second := wallMilli - int64(after)*1000; receivedMilli >= second-clockSkew && receivedMilli < second+justBefore {
			return second, after
		}
	}
	return unixMilli, offsetSeconds
}
