package spool

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Run does what takes time, until ctx ends: fsync by policy, loss marks, and
// bringing the spool back after its disk failed. At the end it writes and syncs
// what is left; only then does it return an error, if it could not.
func (s *Spool) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := s.tend(s.now())
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(next.Sub(s.now()), 0))
		}
		select {
		case <-ctx.Done():
			return s.last()
		case <-s.work:
		case <-timer.C:
		}
	}
}

func (s *Spool) last() error {
	s.mu.Lock()
	s.retry = time.Time{}
	s.mu.Unlock()
	s.markNow()
	s.tend(s.now())
	if err := s.sync(); err != nil {
		return fmt.Errorf("spool %s: at the end: %w", s.cfg.Dir, err)
	}
	return nil
}

// tend does what is due and says when to call it again; zero: when there is
// work.
func (s *Spool) tend(now time.Time) (next time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	s.mend(now)
	sooner(s.mark(now))
	if due := s.due(); !due.IsZero() && !now.Before(due) {
		_ = s.sync() // mend tries again
	}
	sooner(s.due())
	if s.clean() != nil {
		sooner(s.now().Add(retryEvery))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal.Load() != nil {
		sooner(s.retry)
	}
	return next
}

// due is when an fsync is, zero when there is nothing to sync.
func (s *Spool) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == s.synced.Load() && !s.newName || s.failed {
		return time.Time{}
	}
	return s.dirty.Add(s.cfg.SyncEvery)
}

// await waits until the bytes before end are synced.
func (s *Spool) await(end int64, epoch int) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	synced, now, refusal := s.synced.Load(), s.epoch, s.refusal.Load()
	if now > epoch { // an fsync failed meanwhile
		synced = s.floors[epoch]
	}
	s.mu.Unlock()
	switch {
	case synced >= end:
		return nil
	case now > epoch:
		if refusal == nil {
			return fmt.Errorf("%w: fsync failed", ErrFull)
		}
		return *refusal
	}
	return s.syncLocked()
}

// Sync makes everything durable that was appended. Anybody may call it.
func (s *Spool) Sync() error { return s.sync() }

func (s *Spool) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	return s.syncLocked()
}

func (s *Spool) syncLocked() error {
	s.mu.Lock()
	if s.failed || s.closed || s.end == s.synced.Load() && !s.newName {
		failed := s.failed
		s.mu.Unlock()
		if err := s.refusal.Load(); failed && err != nil {
			return *err
		}
		return nil
	}
	files := append(slices.Clip(s.old), s.file)
	end, edge, newName := s.end, place{s.segs[len(s.segs)-1], s.at}, s.newName
	s.newName = false
	s.mu.Unlock()

	var err error
	for _, f := range files {
		if err = f.Sync(); err != nil {
			break
		}
	}
	if err == nil && newName {
		err = s.fs.SyncDir(s.cfg.Dir)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = true
		s.epoch++
		s.floors = append(s.floors, s.synced.Load())
		s.limbo = s.collect()
		return s.refuse(fmt.Errorf("%w: fsync: %w", ErrFull, err))
	}
	for _, f := range files[:len(files)-1] {
		_ = f.Close() // it is synced
	}
	s.old = s.old[len(files)-1:]
	s.dirty = s.now()
	s.durableTo(end, edge)
	s.well()
	return nil
}

// durableTo moves synced, and tells the reader if that matters to it. mu must be
// held.
func (s *Spool) durableTo(end int64, edge place) {
	was, read := s.synced.Load(), s.read.Load()
	s.synced.Store(end)
	s.edge = edge
	for len(s.marks) > 0 && s.marks[0].off < end {
		s.marks = s.marks[1:]
	}
	if before, after := was-read, end-read; before <= 0 && after > 0 || before < s.cfg.Batch && after >= s.cfg.Batch {
		signal(s.wake)
	}
}
