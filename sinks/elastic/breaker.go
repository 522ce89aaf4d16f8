package elastic

import (
	"time"

	"github.com/loghaul/loghaul/internal/backoff"
)

const (
	// breakAfter failures in a row open the breaker.
	breakAfter = 3
	// The first probe begins at most firstProbe after the breaker has opened,
	// each further one after twice as long, up to lastProbe, after the one before
	// has failed.
	firstProbe = time.Second
	lastProbe  = 30 * time.Second
)

// The states of a breaker: values of the label state.
const (
	breakerClosed   = "closed"
	breakerOpen     = "open"
	breakerHalfOpen = "half_open"
)

// breaker keeps requests from a server that does not answer: after some
// failures in a row only one request at growing intervals is let through, until
// one is answered. gate guards it. It has no clock.
type breaker struct {
	first, last time.Duration // bounds of the interval between probes

	failures int       // in a row
	open     bool      // or half open
	probing  bool      // a probe is under way
	opened   time.Time // when it opened
	probes   int       // since then
	interval time.Duration
	next     time.Time // when the next probe may begin
}

func (b *breaker) state() string {
	switch {
	case !b.open:
		return breakerClosed
	case b.probing:
		return breakerHalfOpen
	default:
		return breakerOpen
	}
}

// wait says how long no request may begin. A probe that is under way has no end
// that is known: forever stands for it.
func (b *breaker) wait(now time.Time) time.Duration {
	switch {
	case !b.open:
		return 0
	case b.probing:
		return forever
	default:
		return max(b.next.Sub(now), 0)
	}
}

// begin notes a request that wait has let through, and reports whether it is a
// probe.
func (b *breaker) begin() bool {
	if b.open {
		b.probing = true
		b.probes++
	}
	return b.open
}

// answered notes an answer, and reports whether it closed the breaker.
func (b *breaker) answered() bool {
	was := b.open
	b.failures, b.open, b.probing = 0, false, false
	return was
}

// failed notes that there was no answer, or none that makes sense, and reports
// whether that opened the breaker. probe says what begin said: a request from
// before it opened tells nothing new.
func (b *breaker) failed(probe bool, now time.Time) bool {
	b.failures++
	switch {
	case b.open && !probe:
		return false
	case b.open:
		b.probing = false
		b.interval = min(2*b.interval, b.last)
	case b.failures < breakAfter:
		return false
	default:
		b.open, b.opened, b.probes, b.interval = true, now, 0, b.first
	}
	b.next = now.Add(backoff.Jitter(b.interval))
	return b.probes == 0
}

// left is for a request that ended without telling anything, because nobody
// wants its answer anymore.
func (b *breaker) left(probe bool) {
	if probe {
		b.probing = false
	}
}
