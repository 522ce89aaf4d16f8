package forwarder

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
)

const (
	// saveEvery is the least time between two writes of the positions. A write
	// is four waits for the disk, and so costs the node wake-ups.
	saveEvery = 500 * time.Millisecond
	// saveSlack is how much longer one may wait for something else to wake us.
	saveSlack = 250 * time.Millisecond
	// saveShare keeps writing positions, with many files or a slow disk, to a
	// twentieth of the time.
	saveShare = 20
	// saveRetry is how long to wait after a failed write.
	saveRetry = time.Second
)

// saver writes the positions beside the work. It belongs to the goroutine of
// the Forwarder; only the write itself runs in another.
type saver struct {
	store   *checkpoint.Store
	log     *slog.Logger
	done    chan error
	problem *atomic.Pointer[error]
	stored  func() // called when what state gave last is on disk

	dirty          bool
	running        bool
	started        time.Time
	next           time.Time // when to call step again; zero: when something changes
	at             time.Time // no write before that
	writes, errors atomic.Int64
}

// step begins a write when something has changed and the last write is long
// enough ago.
func (s *saver) step(dirty bool, state func() checkpoint.State, now time.Time) {
	s.dirty = dirty || s.dirty
	s.next = time.Time{}
	if !s.dirty || s.running {
		return
	}
	if now.Before(s.at) {
		s.next = s.at.Add(saveSlack)
		return
	}
	s.dirty, s.running, s.started = false, true, now
	st := state()
	go func() { s.done <- s.store.Save(&st) }()
}

// saved takes the result of a write.
func (s *saver) saved(err error, now time.Time) {
	s.running = false
	s.writes.Add(1)
	s.at = now.Add(max(saveEvery-now.Sub(s.started), saveShare*now.Sub(s.started)))
	if err == nil {
		s.stored()
		if s.problem.Swap(nil) != nil {
			s.log.Info("positions are stored again")
		}
		return
	}
	s.dirty = true // the positions are still in memory
	s.errors.Add(1)
	s.at = now.Add(saveRetry)
	err = explain(err)
	if s.problem.Swap(&err) == nil {
		s.log.Error("positions can't be stored; going on with them in memory", "file", s.store.Path(), "why", err)
	}
}

// last writes the positions for good.
func (s *saver) last(st checkpoint.State) error {
	if s.running {
		s.saved(<-s.done, time.Now())
	}
	s.writes.Add(1)
	if err := s.store.Save(&st); err != nil {
		return fmt.Errorf("the last positions: %w; nothing is lost: bytes after the positions stored before are sent again, under the same identities",
			explain(err))
	}
	return nil
}

func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: make space on that file system", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount it for writing, or name another folder in state", err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: let the forwarder's user write there", err)
	}
	return err
}
