package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"syscall"

	"github.com/loghaul/loghaul/internal/durable"
)

// Append adds n lines, each ending with LF, as one record: all of them or, with
// an error, none. It keeps nothing of records. An error that wraps ErrFull means
// that the same may succeed later.
//
// With SyncEvery 0 it returns after an fsync, which it shares with those who
// wait at the same time. Lines whose Append failed because that fsync did are
// taken out of the stream again; only a crash before that can bring them back.
func (s *Spool) Append(records []byte, n int) error {
	if len(records) == 0 {
		return nil
	}
	if records[len(records)-1] != '\n' {
		return errors.New("spool: records do not end with LF")
	}
	end, epoch, err := s.add(records, n)
	if err != nil || s.cfg.SyncEvery > 0 {
		return err
	}
	return s.await(end, epoch)
}

// add writes a record of data.
func (s *Spool) add(records []byte, n int) (end int64, epoch int, err error) {
	size := headSize + int64(len(records))
	if size > min(maxRecord, (s.cfg.Bytes-s.reserve)/2-2*headerSize) {
		return 0, 0, fmt.Errorf("spool %s: %d bytes at once are more than half of its bound of %d", s.cfg.Dir, len(records), s.cfg.Bytes)
	}
	for {
		if err := s.refusal.Load(); err != nil {
			return 0, 0, *err // without a lock: the disk may hold it for long
		}
		s.mu.Lock()
		if err := s.refusal.Load(); err != nil {
			s.mu.Unlock()
			return 0, 0, *err
		}
		if !s.fits(size) {
			defer s.mu.Unlock()
			s.atBound = true
			s.wanted = max(s.wanted, size)
			return 0, 0, s.full
		}
		// At most two segments are not synced: that bounds what has to be
		// written anew when an fsync fails, and when a process died.
		if !s.rolls(size) || len(s.old) == 0 {
			break
		}
		s.mu.Unlock()
		if err := s.sync(); err != nil {
			return 0, 0, err
		}
	}
	defer s.mu.Unlock()
	if s.rolls(size) {
		if err := s.roll(); err != nil {
			return 0, 0, s.refuse(fmt.Errorf("%w: making a segment: %w", ErrFull, err))
		}
	}
	h := head{kind: kindData, size: int64(len(records)), off: s.end, lines: int64(n)}
	if err := s.put(&h, records); err != nil {
		return 0, 0, err
	}
	if s.atBound {
		s.atBound, s.wanted = false, 0
		signal(s.work) // what was declared lost meanwhile can be written
	}
	return s.end, s.epoch, nil
}

// rolls says whether a record of size begins a new segment. mu must be held.
func (s *Spool) rolls(size int64) bool { return s.at > headerSize && s.at+size > s.cfg.Segment }

// fits says whether a record of size keeps the bound. mu must be held.
func (s *Spool) fits(size int64) bool {
	used := s.used
	if s.acked == s.end && s.rolls(size) {
		used -= s.at // it goes when the next one is there
	}
	return used+headerSize+size <= s.cfg.Bytes-s.reserve
}

// put writes a record. mu must be held. After an error nothing was appended, and
// nothing is until retry.
func (s *Spool) put(h *head, payload []byte) error {
	size := headSize + int64(len(payload))
	h.payload = crc32.ChecksumIEEE(payload)
	if int64(cap(s.buf)) < size {
		s.buf = make([]byte, 0, max(size, 64<<10))
	}
	b := s.buf[:size]
	h.encode(b, s.seed)
	copy(b[headSize:], payload)
	n, err := s.file.WriteAt(b, s.at)
	if err == nil && int64(n) < size {
		err = errors.New("short write")
	}
	if cap(s.buf) > 1<<20 {
		s.buf = nil // one of a kind
	}
	if err != nil {
		s.tail = s.file.Truncate(s.at) != nil
		return s.refuse(fmt.Errorf("%w: writing: %w", ErrFull, err))
	}
	if s.end == s.synced.Load() {
		s.dirty = s.now()
		if s.cfg.SyncEvery > 0 {
			signal(s.work)
		}
	}
	if s.oldest.IsZero() {
		s.oldest = s.now()
	}
	if s.unacked.IsZero() {
		s.unacked = s.oldest
	}
	s.end += h.advance(payload)
	s.at += size
	s.used += size
	s.segs[len(s.segs)-1].size = s.at
	return nil
}

// roll begins a new segment. mu must be held.
func (s *Spool) roll() error {
	seg := &segment{seq: s.segs[len(s.segs)-1].seq + 1, base: s.end}
	f, err := s.create(seg, nil)
	if err != nil {
		return err
	}
	s.old = append(s.old, s.file)
	s.file, s.at, s.newName = f, seg.size, true
	s.segs = append(s.segs, seg)
	s.used += seg.size
	return nil
}

// create makes the file of a segment, with what it holds from the first. mu must
// be held, or Append be refused. A file that was given up is removed now or later.
func (s *Spool) create(seg *segment, records []byte) (f durable.File, err error) {
	if err := s.sweep(); err != nil {
		return nil, err
	}
	seg.path = s.path(seg.seq)
	f, err = s.fs.OpenFile(seg.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			s.litter = append(s.litter, seg.path)
		}
		return nil, err
	}
	h := header{id: s.src.ID, base: seg.base, every: s.cfg.SyncEvery, boot: s.boot, born: s.now()}
	// The header last: with it the segment counts, and ends the one before.
	if len(records) > 0 {
		_, err = f.WriteAt(records, headerSize)
	}
	if err == nil {
		_, err = f.WriteAt(h.encode(), 0)
	}
	if err != nil {
		s.litter = append(s.litter, seg.path)
		err = errors.Join(err, f.Close())
		_ = s.sweep()
		return nil, err
	}
	seg.size = headerSize + int64(len(records))
	return f, nil
}

// refuse keeps Append from trying for a while. mu must be held.
func (s *Spool) refuse(err error) error {
	if s.ill == nil {
		s.log.Error("lines can't be stored; trying again until they can", "dir", s.cfg.Dir, "why", explain(err))
	}
	s.ill = err
	s.refusal.Store(&err)
	s.retry = s.now().Add(retryEvery)
	signal(s.work)
	return err
}

// well says that it is over. mu must be held.
func (s *Spool) well() {
	if s.ill != nil && s.refusal.Load() == nil {
		s.ill = nil
		s.log.Info("lines are stored again", "dir", s.cfg.Dir)
	}
}

// Problem says why lines can't be stored, nil if they can. It may be called by
// anybody at any time.
func (s *Spool) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ill == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", s.cfg.Path, explain(s.ill))
}

func explain(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return err.Error() + ": make space on that file system"
	case errors.Is(err, syscall.EROFS):
		return err.Error() + ": mount it for writing"
	case errors.Is(err, syscall.EIO):
		return err.Error() + ": the disk is failing"
	}
	return err.Error()
}

// WaitRoom blocks until Append has a chance again, or gives ctx's error.
func (s *Spool) WaitRoom(ctx context.Context) error {
	for {
		s.mu.Lock()
		room := s.room
		// Not for every confirmed segment: who waits should then find some room.
		ok := s.closed || s.refusal.Load() == nil && s.fits(max(s.cfg.Bytes/16, s.wanted))
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-room:
		}
	}
}

// roomier wakes those who wait for room. mu must be held.
func (s *Spool) roomier() {
	close(s.room)
	s.room = make(chan struct{})
}
