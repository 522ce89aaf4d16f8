package ship

import (
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

const (
	// watchEvery is how often the connection is looked at while data flows.
	// Nothing wakes up for it.
	watchEvery = 10 * time.Second
	// badLooks in a row make a bad connection.
	badLooks = 3
	// cutEvery is how often a bad connection is made anew at most.
	cutEvery = 10 * time.Minute
	// unscaled is the largest window without window scaling.
	unscaled = 1<<16 - 1
)

// watch finds a connection whose window has become too small for what is sent.
// Linux makes one without window scaling, or with a scale that both ends read
// differently, when its queue of half-open connections overflows and it
// answers with SYN cookies: after a fleet came back at once, some nodes stay
// slow until somebody restarts them, and nothing on the broker shows which.
//
// The zero watch is ready after begin.
type watch struct {
	every, cutEvery time.Duration // 0: watchEvery, cutEvery

	from, next time.Time // this look's interval
	sent       int64     // bytes handed to the connection in it
	acks       int       // answers in it
	ackSum     time.Duration

	last   broker.TCPInfo // of the same connection
	widest int64          // window of it
	calm   time.Duration  // until an answer, while all was well
	bad    int
	cut    time.Time // when the last bad connection was cut
	said   bool
}

// begin starts over with a new connection.
func (w *watch) begin(now time.Time) {
	if w.every == 0 {
		w.every, w.cutEvery = watchEvery, cutEvery
	}
	w.last, w.widest, w.bad = broker.TCPInfo{}, 0, 0
	w.interval(now)
}

func (w *watch) interval(now time.Time) {
	w.from, w.next = now, now.Add(w.every)
	w.sent, w.acks, w.ackSum = 0, 0, 0
}

// handed counts bytes. After a pause the interval begins with them.
func (w *watch) handed(n int, now time.Time) {
	if w.sent == 0 && now.After(w.next) {
		w.interval(now)
	}
	w.sent += int64(n)
}

func (w *watch) acked(took time.Duration) {
	w.acks++
	w.ackSum += took
}

// hurry has the connection looked at now: an answer is overdue.
func (w *watch) hurry(now time.Time) {
	if now.Sub(w.from) >= w.every/2 {
		w.next = now
	}
}

func (w *watch) due(now time.Time, flowing bool) bool {
	return w.every > 0 && !now.Before(w.next) && (flowing || w.sent > 0)
}

// look judges the interval that ends now, and says whether the connection has
// to be made anew.
func (w *watch) look(info broker.TCPInfo, now time.Time) bool {
	w.widest = max(w.widest, info.SendWindow)
	l := look{
		TCPInfo: info, widest: w.widest, calm: w.calm,
		busy: info.Busy - w.last.Busy, limited: info.Limited - w.last.Limited,
	}
	if d := now.Sub(w.from).Seconds(); d > 0 {
		l.rate = float64(w.sent) / d
	}
	if w.acks > 0 {
		l.ack = w.ackSum / time.Duration(w.acks)
	}
	w.last = info
	w.interval(now)
	if l.SendWindow == 0 {
		return false // tells nothing: the broker does not read at the moment
	}
	if !l.bad() {
		w.bad = 0
		switch {
		case l.narrow():
		case w.calm == 0:
			w.calm = l.ack
		case l.ack > 0:
			w.calm += (l.ack - w.calm) / 8
			w.said = false
		}
		return false
	}
	if w.bad++; w.bad < badLooks || !w.cut.IsZero() && now.Before(w.cut.Add(w.cutEvery)) {
		return false
	}
	w.cut = now
	return true
}

// look is what one look at the connection shows.
type look struct {
	broker.TCPInfo
	widest        int64         // window seen on this connection
	busy, limited time.Duration // in the interval
	rate          float64       // bytes a second handed over in it
	ack, calm     time.Duration // until an answer: now, and while all was well
}

// bad needs both: a window that is small for a reason that a new connection
// cures, and somebody who suffers from it.
func (l look) bad() bool { return l.narrow() && l.pressed() }

// narrow says that the window cannot become wide enough for what is sent. One
// that was wide before and is not now belongs to a broker that reads slowly: a
// new connection would not make it read.
func (l look) narrow() bool {
	switch {
	case !l.Scaled && l.widest <= unscaled:
		return true
	case float64(l.widest) < 2*l.RTT.Seconds()*l.rate:
		return true
	}
	// On loopback a healthy connection is limited most of the time too.
	return l.widest <= unscaled && l.busy > 0 && float64(l.limited) > 0.8*float64(l.busy)
}

func (l look) pressed() bool {
	rising := l.calm > 0 && l.ack > 2*l.calm && l.ack > l.calm+50*time.Millisecond
	return l.NotSent > 0 || rising
}
