// Package inputtest has a spool in memory for the tests of inputs.
package inputtest

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// errFull is what a full Spool answers.
var errFull = errors.New("the spool is full") //nolint:gochecknoglobals // a sentinel

// Loss is what was declared as lost.
type Loss struct {
	Reason       string
	Lines, Bytes int64
}

// Spool keeps records in memory, at most Max bytes of them (0: no bound). It
// may be used by anybody at any time.
type Spool struct {
	Max int
	// Most, if not 0, bounds a single Append, as the real one does.
	Most int
	// Drop makes it forget what it takes; only the counts are kept.
	Drop bool

	mu      sync.Mutex
	room    chan struct{} // closed when there is room again
	data    []byte
	records int
	appends int
	bytes   int64
	losses  map[string]Loss
	broken  error
}

// Append takes records, all or nothing. Those that are none are remembered as
// the error that Check gives.
func (s *Spool) Append(records []byte, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Most > 0 && len(records) > s.Most {
		return errors.New("too much at once")
	}
	if s.Max > 0 && len(s.data)+len(records) > s.Max {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return errFull
	}
	if n != bytes.Count(records, []byte{'\n'}) || len(records) == 0 || records[len(records)-1] != '\n' {
		s.broken = errors.New("records that do not end with LF, or are not as many as declared")
	}
	if !s.Drop {
		s.data = append(s.data, records...)
	}
	s.records += n
	s.appends++
	s.bytes += int64(len(records))
	return nil
}

// Lose adds to the losses of a reason.
func (s *Spool) Lose(reason string, lines, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.losses == nil {
		s.losses = map[string]Loss{}
	}
	l := s.losses[reason]
	s.losses[reason] = Loss{reason, l.Lines + lines, l.Bytes + bytes}
}

// WaitRoom blocks while the spool is full.
func (s *Spool) WaitRoom(ctx context.Context) error {
	s.mu.Lock()
	room := s.room
	s.mu.Unlock()
	if room == nil {
		return ctx.Err()
	}
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Take gives what is there and makes room.
func (s *Spool) Take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.data
	s.data = nil
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return data
}

// Data gives a copy of what is there.
func (s *Spool) Data() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.data)
}

// Records is how many records came, in how many calls of Append.
func (s *Spool) Records() (records, appends int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records, s.appends
}

// Bytes is how many bytes came.
func (s *Spool) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Lost gives what was declared as lost for a reason.
func (s *Spool) Lost(reason string) Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.losses[reason]
}

// Check says what a caller did wrong.
func (s *Spool) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}
