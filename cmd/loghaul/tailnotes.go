package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/internal/broker"
)

// tailNotes says on stderr how reading goes: what has changed, once.
type tailNotes struct {
	mu      sync.Mutex
	w       io.Writer
	serving string
	refused map[string]string
	missing bool
	trouble string
	silent  bool      // it was said that nobody answers
	since   time.Time // when nobody did
	left    live.Report
	leftAt  time.Time
}

const (
	// noAnswer is how long aggregators may take to answer before that is said.
	noAnswer = 4 * time.Second
	// leftEvery is how often it is said at most how many lines are left out.
	leftEvery = 5 * time.Second
)

func newTailNotes(w io.Writer) *tailNotes {
	return &tailNotes{w: w, refused: map[string]string{}, since: time.Now()}
}

func (n *tailNotes) say(format string, a ...any) {
	fmt.Fprintf(n.w, "loghaul: "+format+"\n", a...) //nolint:errcheck // nowhere left to report
}

// state hears of the connection. One to a loghaul up does not come back.
func (n *tailNotes) state(s broker.State, data string, fail context.CancelCauseFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case s != broker.Disconnected:
	case data != "":
		fail(errors.New("loghaul up has ended"))
	default:
		n.say("the connection to the broker is lost; trying until it is back: lines of that time are not shown")
	}
}

// watch reports until stop is called, which says what is left to say.
func (n *tailNotes) watch(ctx context.Context, c *live.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				n.report(c.Report(), time.Now())
			}
		}
	}()
	return func() {
		cancel()
		<-done
		n.mu.Lock()
		defer n.mu.Unlock()
		n.leftOut(c.Report())
	}
}

// report says what has changed.
func (n *tailNotes) report(r live.Report, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if names := strings.Join(r.Serving, ", "); names != n.serving {
		switch len(r.Serving) {
		case 0:
			n.since = now
		case 1:
			n.say("1 aggregator shows its lines: %s", printable(names))
		default:
			n.say("%d aggregators show their lines: %s", len(r.Serving), printable(names))
		}
		n.serving, n.silent = names, false
	}
	for name, why := range r.Refused {
		if n.refused[name] != why {
			n.refused[name] = why
			n.say("aggregator %s does not show its lines: %s", printable(name), printable(why))
		}
	}
	if n.serving == "" && len(r.Refused) == 0 && !n.silent && now.Sub(n.since) >= noAnswer {
		n.silent = true
		n.say("no aggregator answers; still waiting. Check that aggregators run and are connected to this broker (their /readyz), that they are of this version with tail.readers above 0, and that their user may subscribe to tail.ask.> and publish to tail.lines.*")
	}
	if len(r.Missing) > 0 && !n.missing {
		n.missing = true
		noteMissing(n.w, "FILTER", r.Missing, "aggregators know captured headers by haproxy_config; req.1 is the first one in any case")
	}
	if r.Trouble != nil && r.Trouble.Error() != n.trouble {
		n.trouble = r.Trouble.Error()
		n.say("a message is left out: %s", printable(n.trouble))
	}
	if now.Sub(n.leftAt) >= leftEvery {
		n.leftOut(r)
		n.leftAt = now
	}
}

// leftOut says how many lines are not shown, if they became more.
func (n *tailNotes) leftOut(r live.Report) {
	var parts []string
	for _, p := range []struct {
		now, before int64
		why         string
	}{
		{r.Skipped, n.left.Skipped, "that match and are more than is read here"},
		{r.Unread, n.left.Unread, "that no aggregator had the time to look at"},
		{r.Lost, n.left.Lost, "lost on the way"},
	} {
		if p.now > p.before {
			parts = append(parts, countLines(p.now)+" "+p.why)
		}
	}
	n.left = r
	if parts != nil {
		n.say("not shown so far: %s. The archive has them: loghaul audit find", strings.Join(parts, "; "))
	}
}
