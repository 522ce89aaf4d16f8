package forwarder

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// sick is a source that can't be read, and the feed of it. Like a real one it is
// due again a while later.
type sick struct {
	next  time.Time
	tries atomic.Int64
}

func (s *sick) Name() wire.Source {
	return wire.Source{ID: "aaaaaaaaaaaaaaaaaaaaaaaa", Node: "node", Path: "/sick"}
}
func (s *sick) Labels() wire.Labels { return nil }
func (s *sick) Confirm(int64)       {}

func (s *sick) Read([]byte, int64, source.Sink) (source.Run, error) {
	s.tries.Add(1)
	s.next = time.Now().Add(20 * time.Millisecond)
	return source.Run{}, errors.New("input/output error")
}

func (s *sick) Next(now time.Time) source.Source {
	if now.Before(s.next) {
		return nil
	}
	return s
}

func (s *sick) NextStep(blocked bool) time.Time {
	if blocked {
		return time.Time{}
	}
	return s.next
}

func (s *sick) Step(time.Time)          {}
func (s *sick) Flush(time.Time)         {}
func (s *sick) Dirty() bool             { return false }
func (s *sick) Report() []source.Status { return nil }

// TestASourceThatCannotBeRead holds up no other: those are looked at when they
// are due, and not with the next look through the folders.
func TestASourceThatCannotBeRead(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Tail.Poll = time.Hour
	bad := &sick{}
	s.start(func(f *Forwarder) { f.feeds = append(f.feeds, bad) })
	for round := range 10 {
		s.write(10)
		s.awaitAcked(10 * (round + 1))
	}
	s.eventually("it is tried again", func() bool { return bad.tries.Load() > 10 })
	s.stored(100)
}
