package spool

import (
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// The methods here belong to the reader's side.

// Flush is that of source.Feed: what is synced is due at once.
func (s *Spool) Flush(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest, s.readsAt = now.Add(-s.cfg.Linger), time.Time{}
}

// Empty says whether everything that was appended or declared is confirmed.
func (s *Spool) Empty() bool {
	s.lossMu.Lock()
	pending := len(s.pending) > 0 || s.marking
	s.lossMu.Unlock()
	if pending {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked == s.end
}

// Reconfigure changes what travels with batches and when they are due. Dir,
// Node, Path and the bounds on disk stay as they are.
func (s *Spool) Reconfigure(labels wire.Labels, batch int64, linger time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Labels, s.cfg.Batch, s.cfg.Linger = labels, batch, linger
}

// Report is that of source.Feed.
func (s *Spool) Report() []source.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := source.Status{
		Source: s.src, Input: s.cfg.Path, State: "spool", Read: s.read.Load(), Acked: s.acked, Size: s.end, Since: s.unacked,
	}
	if why := s.refusal.Load(); why != nil {
		st.Problem = (*why).Error()
	}
	return []source.Status{st}
}
