package forwarder

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/input"
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

// failing is an input that ends with an error.
type failing struct{ input.Input }

func (failing) Run(context.Context) error { return errors.New("no memory for datagrams") }

// TestAnInputThatFails is told by readiness until a reload replaces it.
func TestAnInputThatFails(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = []Input{{Syslog: "unix://" + socket}}
	s.start(func(f *Forwarder) {
		k := f.intakes.all[0]
		first, stop := context.WithCancel(t.Context())
		stop()
		if err := k.input.Run(first); err != nil { // ends the real one
			t.Error(err)
		}
		k.input = failing{k.input}
	})
	s.eventually("the problem is told", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "no memory for datagrams")
	})
	cfg := s.cfg
	cfg.Inputs = []Input{{Syslog: "unix://" + socket, Mode: "0600"}}
	s.reload(cfg)
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	s.say("unixgram", socket, 10)
	s.awaitAcked(10)
}
