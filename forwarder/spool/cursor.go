package spool

import (
	"os"

	"github.com/loghaul/loghaul/internal/durable"
)

// cursor is where the reader is. It belongs to the reader's goroutine.
type cursor struct {
	seg  *segment
	file durable.File // of seg, nil until it is needed
	pos  int64        // of the next head or, with left, of the next byte of a payload
	stop int64        // where the part of the file ends that may be read
	left int64        // of a record that was checked and is read in parts
	rest bool         // the last batch ended within a line
}

// locate makes the cursor's segment the one that holds off, and gives where that
// one ends, at most end.
func (s *Spool) locate(off, end int64) (next int64, ok bool) {
	s.mu.Lock()
	i := len(s.segs) - 1
	for i > 0 && s.segs[i].base > off {
		i--
	}
	if i < 0 {
		s.mu.Unlock()
		return 0, false
	}
	seg, next := s.segs[i], end
	if i+1 < len(s.segs) {
		next = min(next, s.segs[i+1].base)
	}
	stop := seg.size
	if seg == s.edge.seg {
		stop = s.edge.at
	}
	s.mu.Unlock()
	if seg != s.cur.seg {
		_ = s.closeCursor()
		s.cur = cursor{seg: seg, pos: headerSize, rest: s.cur.rest}
	}
	s.cur.stop = stop
	return next, true
}

func (s *Spool) openSegment() error {
	if s.cur.file != nil {
		return nil
	}
	f, err := s.fs.OpenFile(s.cur.seg.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	s.cur.file = f
	return nil
}

func (s *Spool) closeCursor() error {
	if s.cur.file == nil {
		return nil
	}
	err := s.cur.file.Close()
	s.cur.file = nil
	return err
}

// seek puts the cursor to a place of the stream, which may lie within a record.
func (s *Spool) seek(off int64) {
	next, ok := s.locate(off, s.synced.Load())
	if !ok || off >= next || s.openSegment() != nil {
		return // the reader finds out
	}
	c := &s.cur
	sc := scanner{f: c.file, seed: s.seed, pos: c.pos, size: c.stop}
	for at := c.seg.base; at <= off; {
		pos := sc.pos
		h, to, ok := sc.next()
		if !ok {
			h, ok = sc.find(at, next)
			if c.pos = sc.pos; !ok || h.off >= off {
				return
			}
			continue
		}
		c.pos = pos
		if h.off >= off && h.kind != kindEnd {
			return
		}
		if to > off && to <= next && h.kind == kindData {
			buf := make([]byte, scanBuffer)
			if good, _ := s.check(pos+headSize, &h, buf); !good {
				c.pos = sc.pos
				return // the reader declares the rest of it lost
			}
			c.pos, c.left = pos+headSize+off-h.off, to-off
			_, _ = c.file.ReadAt(buf[:1], c.pos-1)
			c.rest = buf[0] != '\n'
			return
		}
		at, c.pos = max(at, to), sc.pos
	}
}
