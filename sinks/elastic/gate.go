package elastic

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/loghaul/loghaul/internal/backoff"
)

const (
	firstWait = 250 * time.Millisecond
	maxWait   = 5 * time.Second
	calmWait  = 5 * time.Second

	forever = time.Duration(math.MaxInt64)
)

// outcome is how a request ended.
type outcome int

const (
	outcomeTaken    outcome = iota // answered, and nothing of it is to be sent again
	outcomeRefused                 // 429, or some documents of it: too much at once
	outcomeBusy                    // 502, 503, 504: too much at once, or nobody is there
	outcomeFailed                  // no answer, not in time, or none that makes sense
	outcomeRejected                // another status: sending it again is pointless
	outcomeTooLarge                // 413
	outcomeLeft                    // nobody wants to know anymore
)

// gate lets requests through: as many at once as the window says, none while
// the server is given time, one at growing intervals while it does not answer,
// and those that fill gaps only while nothing else waits. All that sends shares
// it; it is safe for concurrent use.
type gate struct {
	// queued reports whether something waits, or is being sent, that goes before
	// filling gaps.
	queued func() bool
	// first and most bound the back-off after a refusal; calm is how long gaps are
	// not filled after one.
	first, most, calm time.Duration

	mu      sync.Mutex
	window  window
	breaker breaker
	streak  int       // refusals and failures in a row
	resume  time.Time // nothing is sent before
	pushed  time.Time // when the server pushed back last
	held    bool      // nothing is sent
	changed chan struct{}
}

func newGate(ceiling, most int, queued func() bool) *gate {
	return &gate{
		window: newWindow(ceiling, most), breaker: breaker{first: firstProbe, last: lastProbe},
		queued: queued, first: firstWait, most: maxWait, calm: calmWait, changed: make(chan struct{}),
	}
}

// pass is the permission for one request.
type pass struct {
	probe bool
	began time.Time
}

// enter waits until a request may be sent; leave has to follow. Instead it gives
// a reason to drop what was to be sent: ctx has ended, or there is no answer, or
// none that lets anything be sent, and expires, if it is not zero, has passed. low
// is for filling gaps.
func (g *gate) enter(ctx context.Context, expires time.Time, low bool) (pass, string) {
	for {
		p, wait, changed := g.try(low)
		switch {
		case ctx.Err() != nil:
			if wait == 0 {
				g.leave(p, outcomeLeft, 0, 0)
			}
			return p, dropShutdown
		case wait == 0:
			return p, ""
		}
		if !expires.IsZero() && g.down() {
			left := time.Until(expires)
			if left <= 0 {
				return p, dropUnreachable
			}
			wait = min(wait, left)
		}
		await(ctx, changed, wait)
	}
}

// expired reports whether enter would give up at once. Decoding a group only to
// drop it would be a waste.
func (g *gate) expired(expires time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return (g.held || g.breaker.wait(now) > 0) && !expires.After(now)
}

// await returns when ctx has ended, changed is closed, or d is over.
func await(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	var over <-chan time.Time
	if d != forever {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-over:
	}
}

// try gives a pass, or says how long to wait at most before another try if
// changed is not closed before.
func (g *gate) try(low bool) (p pass, wait time.Duration, changed <-chan struct{}) {
	queued := low && g.queued()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	wait = max(g.breaker.wait(now), g.resume.Sub(now))
	if low {
		wait = max(wait, g.pushed.Add(g.calm).Sub(now))
	}
	if g.held || !g.window.free() || queued {
		wait = forever
	}
	if wait > 0 {
		return p, wait, g.changed
	}
	g.window.busy++
	return pass{probe: g.breaker.begin(), began: now}, 0, nil
}

// change is what a request has changed for everybody.
type change int

const (
	changeNone change = iota
	changeOpened
	changeClosed
)

// leave says how the request with p ended: size is that of its body, after what
// the server asked to wait.
func (g *gate) leave(p pass, how outcome, size int, after time.Duration) (c change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.signal()
	defer func() { g.window.busy-- }()
	now := time.Now()
	switch how {
	case outcomeLeft:
		g.breaker.left(p.probe)
		return changeNone
	case outcomeTaken:
		g.window.grow(size)
		g.streak = 0
	case outcomeTooLarge, outcomeRejected:
	case outcomeRefused, outcomeBusy, outcomeFailed:
		g.window.shrink(p.began, now)
		if how != outcomeFailed {
			g.pushed = now
		}
		g.resume = now.Add(max(backoff.Delay(g.first, g.most, g.streak+1), min(after, g.most)))
		g.streak++
	}
	return g.heard(how, p.probe, now)
}

// heard tells the breaker. The caller holds the lock.
func (g *gate) heard(how outcome, probe bool, now time.Time) change {
	switch how {
	case outcomeBusy, outcomeFailed, outcomeRejected:
		if g.breaker.failed(probe, now) {
			return changeOpened
		}
	case outcomeTaken, outcomeRefused, outcomeTooLarge:
		if g.breaker.answered() {
			return changeClosed
		}
	case outcomeLeft:
	}
	return changeNone
}

// hold keeps everything back, or lets it through again: while it is not known
// that the server can take anything.
func (g *gate) hold(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = on
	g.signal()
}

// look has all that wait try again: nothing is there any more that goes
// before filling gaps.
func (g *gate) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signal()
}

// signal wakes all that wait. The caller holds the lock.
func (g *gate) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// bodySize is how many bytes a body may have now.
func (g *gate) bodySize() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.window.body
}

// slots is how many requests may be under way now.
func (g *gate) slots() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.window.slots)
}

// tooLarge notes that a body of size bytes and more than one document was too
// large for the server.
func (g *gate) tooLarge(size int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window.tooLarge(size)
}

// down reports whether the server takes nothing, as far as is known.
func (g *gate) down() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held || g.breaker.open
}

// state is that of the breaker.
func (g *gate) state() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.state()
}

// outage is how long the breaker was open last, and how many requests were
// spent on it.
func (g *gate) outage() (time.Duration, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.breaker.opened), g.breaker.probes
}
