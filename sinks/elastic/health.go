package elastic

import (
	"sync"
	"time"
)

// health is what the last request said about the server.
type health struct {
	mu   sync.Mutex
	last error
}

// set notes how a request ended, nil for an answer.
func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = err
}

func (h *health) up() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last == nil
}

// cause is the last failure as a text, "" after an answer.
func (h *health) cause() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		return ""
	}
	return h.last.Error()
}

// heard notes how a bulk request ended, and what that changed.
func (s *Sink) heard(how outcome, err error, c change) {
	switch how {
	case outcomeTaken, outcomeRefused, outcomeTooLarge: // to push back is no outage
		s.health.set(nil)
	case outcomeBusy, outcomeFailed, outcomeRejected:
		s.health.set(err)
	case outcomeLeft:
	}
	s.say(c, err)
}

// say logs where an outage begins and ends.
func (s *Sink) say(c change, err error) {
	switch c {
	case changeOpened:
		s.log.Warn("the index does not work; the archive is not affected; trying at growing intervals", "url", s.cfg.URL, "error", err)
	case changeClosed:
		after, probes := s.gate.outage()
		s.log.Info("the index works again", "url", s.cfg.URL, "after", after.Round(time.Millisecond), "probes", probes)
	case changeNone:
	}
}
