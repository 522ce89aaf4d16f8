package input

import (
	"context"
	"time"
)

// leastRest is the shortest time that is worth sleeping.
const leastRest = time.Millisecond

// Pace says how long data is left with the kernel before it is read. Waking up
// for each line costs a node several times what reading it does.
type Pace struct {
	limit, rest time.Duration
	timer       *time.Timer
}

// NewPace makes a Pace that rests at most limit; below a millisecond it does
// not rest at all.
func NewPace(limit time.Duration) *Pace {
	if limit < leastRest {
		limit = 0
	}
	return &Pace{limit: limit, rest: limit}
}

// Rests says whether Rest may wait at all now.
func (p *Pace) Rests() bool { return p.rest > 0 }

// Rest waits, or until ctx ends.
func (p *Pace) Rest(ctx context.Context) {
	if p.rest == 0 {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(p.rest)
	} else {
		p.timer.Reset(p.rest)
	}
	select {
	case <-ctx.Done():
		p.timer.Stop()
	case <-p.timer.C:
	}
}

// Filled adapts to how much of the room that the kernel has was used during
// the last Rest: at a quarter rests become shorter, down to none, and below a
// sixteenth longer again.
func (p *Pace) Filled(used, room int64) {
	switch {
	case used > room/4:
		if p.rest /= 2; p.rest < leastRest {
			p.rest = 0
		}
	case used < room/16:
		p.rest = min(max(2*p.rest, leastRest), p.limit)
	}
}
