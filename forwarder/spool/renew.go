package spool

import (
	"errors"
	"hash/crc32"
	"os"
	"slices"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// mend tries again what failed, when that is due. mu is not held during I/O: what
// is written does not change while Append is refused, and the reader must not
// wait for a sick disk.
func (s *Spool) mend(now time.Time) {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	due := s.refusal.Load() != nil && !s.closed && !now.Before(s.retry)
	failed, tail, file, at := s.failed, s.tail, s.file, s.at
	s.mu.Unlock()
	if !due {
		return
	}
	var err error
	switch {
	case failed:
		err = s.renew()
	case tail:
		err = file.Truncate(at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.retry = s.now().Add(retryEvery)
		return
	}
	s.tail = false
	s.refusal.Store(nil)
	if failed {
		s.well() // that was an fsync
	}
	s.roomier()
}

// renew begins a new segment at synced and writes there what was not synced:
// after a failed fsync the kernel may hold it as clean though the disk does not
// have it. syncing must be held, and Append be refused.
func (s *Spool) renew() error {
	s.mu.Lock()
	seq := uint64(1)
	if len(s.segs) > 0 {
		seq = s.segs[len(s.segs)-1].seq + 1
	}
	for _, path := range s.litter {
		seq = max(seq, seqOf(path)+1)
	}
	seg := &segment{seq: seq, base: s.synced.Load()}
	s.mu.Unlock()
	f, err := s.create(seg, s.limbo)
	if err != nil {
		return err
	}
	if err = f.Sync(); err == nil {
		err = s.fs.SyncDir(s.cfg.Dir)
	}
	if err != nil {
		s.litter = append(s.litter, seg.path)
		return errors.Join(err, f.Close())
	}
	edge, files := s.edge, append(slices.Clip(s.old), s.file)

	s.mu.Lock()
	// What lies behind synced in older segments is void from now on.
	for len(s.segs) > 0 && s.segs[len(s.segs)-1] != edge.seg {
		void := s.segs[len(s.segs)-1]
		s.litter = append(s.litter, void.path)
		s.used -= void.size
		s.segs = s.segs[:len(s.segs)-1]
	}
	if edge.seg != nil {
		s.used -= edge.seg.size - edge.at
		edge.seg.size = edge.at
	}
	s.segs = append(s.segs, seg)
	s.used += seg.size
	s.old, s.file, s.at, s.newName, s.tail = nil, f, seg.size, false, false
	s.limbo, s.failed = nil, false
	s.durableTo(s.end, place{seg, s.at})
	s.mu.Unlock()

	for _, old := range files {
		if old != nil {
			_ = old.Close()
		}
	}
	s.cut(edge)
	_ = s.sweep()
	return nil
}

// collect gives the records after synced, as they are. Those whose Append was
// refused are left out, those that can't be read back become loss marks. Both
// locks must be held.
func (s *Spool) collect() []byte {
	out := []byte{}
	off, end := s.synced.Load(), s.end
	if s.cfg.SyncEvery == 0 {
		s.end = off
		for _, m := range s.marks {
			s.declare(m.loss)
		}
		s.marks = nil
		s.cut(s.edge) // at once: they must not come back
		return out
	}
	lost := func(to int64) {
		l := loss{reason: wire.SpoolDamaged, bytes: to - off}
		s.account.Lose(l.reason, l.bytes, 0)
		s.log.Error("lines are lost: fsync failed, and they can't be read back", "bytes", l.bytes)
		out = s.record(out, off, &l)
		off = to
	}
	files := append(slices.Clip(s.old), s.file)
	first := len(s.segs) - len(files)
	for i, f := range files {
		seg, pos := s.segs[first+i], int64(headerSize)
		if s.segs[first+i] == s.edge.seg {
			pos = s.edge.at
		}
		sc := scanner{f: f, seed: s.seed, pos: pos, size: seg.size}
		for off < end {
			h, ok := sc.find(off, end)
			if !ok {
				break
			}
			p := make([]byte, headSize+h.size)
			if n, _ := f.ReadAt(p, sc.pos); int64(n) < int64(len(p)) || crc32.ChecksumIEEE(p[headSize:]) != h.payload {
				sc.pos++
				continue
			}
			if h.off > off {
				lost(h.off)
			}
			out = append(out, p...)
			off += h.advance(p[headSize:])
			sc.pos += int64(len(p))
		}
	}
	if off < end {
		lost(end)
	}
	return out
}

// record appends a loss mark at off.
func (s *Spool) record(b []byte, off int64, l *loss) []byte {
	p := l.encode()
	h := head{kind: kindLoss, size: int64(len(p)), off: off, lines: l.lines, payload: crc32.ChecksumIEEE(p)}
	n := len(b)
	b = append(b, make([]byte, headSize)...)
	h.encode(b[n:], s.seed)
	return append(b, p...)
}

// cut takes off what lies behind a place in a file, as well as it can.
func (s *Spool) cut(p place) {
	if p.seg == nil || p.at < headerSize {
		return
	}
	f, err := s.fs.OpenFile(p.seg.path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	if size, err := f.Size(); err == nil && size > p.at {
		_ = f.Truncate(p.at)
	}
	_ = f.Close()
}

// sweep removes segments that were given up. mu must be held, or Append be
// refused.
func (s *Spool) sweep() error {
	for len(s.litter) > 0 {
		if err := s.fs.Remove(s.litter[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		s.litter = s.litter[1:]
		s.swept = true
	}
	return nil
}
