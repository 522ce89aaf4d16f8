package spool

import (
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
)

// Wake is received from when the loop should look again: there are bytes to read
// after there were none, or a full batch. It is not for every record.
func (s *Spool) Wake() <-chan struct{} { return s.wake }

// Step is that of source.Feed. There is nothing to do: Run does it.
func (s *Spool) Step(time.Time) {}

// Next is that of source.Feed: the spool, if a batch is due.
func (s *Spool) Next(now time.Time) source.Source {
	if at := s.NextStep(false); at.IsZero() || now.Before(at) {
		return nil
	}
	return s
}

// NextStep is that of source.Feed; zero: when Wake says so.
func (s *Spool) NextStep(blocked bool) time.Time {
	unread := s.synced.Load() - s.read.Load()
	if blocked || unread <= 0 {
		return time.Time{}
	}
	s.mu.Lock()
	at := s.oldest
	s.mu.Unlock()
	if unread < s.cfg.Batch {
		at = at.Add(s.cfg.Linger)
	}
	if at.Before(s.readsAt) {
		at = s.readsAt
	}
	return at
}

// Dirty is that of source.Feed.
func (s *Spool) Dirty() bool {
	d := s.moved
	s.moved = false
	return d
}

// UpdateLag refreshes LagBytes and LagSince of the account.
func (s *Spool) UpdateLag() {
	s.mu.Lock()
	n, since := s.end-s.acked, int64(0)
	if n > 0 && !s.unacked.IsZero() {
		since = s.unacked.UnixNano()
	}
	s.mu.Unlock()
	s.account.LagBytes.Store(n)
	s.account.LagSince.Store(since)
}
