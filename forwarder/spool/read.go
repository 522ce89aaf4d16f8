package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

type cut struct {
	to, bytes, lines int64
}

// unreadable is how often a place is tried before it counts as damaged.
const unreadable = 3

// Read is that of source.Source. Damage is declared as lost, one record where
// its head is intact, otherwise up to the next one that is.
func (s *Spool) Read(buf []byte, limit int64, sink source.Sink) (source.Run, error) {
	from := s.read.Load()
	r := reader{s: s, buf: buf, limit: limit, sink: sink, off: from, end: s.synced.Load()}
	rest := s.cur.rest
	lost, err := r.run()
	run := source.Run{From: from, To: r.off, Continued: rest && r.off > from}
	c := cut{to: r.off, bytes: r.off - from, lines: r.lines}
	switch {
	case r.off == from:
		if err != nil {
			s.fails++
			s.readsAt = s.now().Add(time.Second)
			return run, fmt.Errorf("reading the spool %s: %w", s.cfg.Dir, err)
		}
		return run, nil
	case lost != nil:
		run.Lost, run.LostLines, run.Continued = lost.reason, lost.lines, false
		c.bytes, c.lines = 0, 0
		s.cur.rest = false
	default:
		s.cur.rest = r.inLine
		if r.inLine {
			s.account.CutLines.Add(1)
		}
		s.account.ReadBytes.Add(c.bytes)
		s.account.ReadLines.Add(c.lines)
	}
	s.fails, s.readsAt = 0, time.Time{}
	s.cuts = append(s.cuts, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read.Store(r.off)
	s.oldest = time.Time{}
	if r.off < s.end {
		s.oldest = s.now()
	}
	return run, nil
}

// Confirm is that of source.Source. Segments that are confirmed to their ends
// are removed by Run; the positions on disk may be older than that.
func (s *Spool) Confirm(to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.cuts) > 0 && s.cuts[0].to <= to {
		c := s.cuts[0]
		s.cuts = s.cuts[1:]
		s.account.AckedBytes.Add(c.bytes)
		s.account.AckedLines.Add(c.lines)
		s.acked = c.to
	}
	if len(s.cuts) == 0 {
		s.cuts = nil // or the array would grow with the history
	}
	s.unacked = time.Time{}
	if s.acked < s.end {
		s.unacked = s.now()
	}
	s.moved = true
	if len(s.segs) > 1 && s.segs[1].base <= s.acked {
		signal(s.work)
	}
	if s.cur.seg != nil && s.cur.seg.base < s.segs[0].base {
		_ = s.closeCursor() // or the disk keeps the removed file
	}
	if s.acked == s.end {
		s.roomier()
	}
}

// reader does one Read.
type reader struct {
	s        *Spool
	buf      []byte
	limit    int64
	sink     source.Sink
	off, end int64
	lines    int64
	taken    int64
	inLine   bool
}

// run fills the sink, or gives a loss.
func (r *reader) run() (*loss, error) {
	c := &r.s.cur
	for r.off < r.end {
		next, ok := r.s.locate(r.off, r.end)
		if !ok {
			return nil, nil
		}
		if err := r.s.openSegment(); err != nil {
			return r.trouble(err, next)
		}
		var more bool
		var lost *loss
		var err error
		if c.left > 0 {
			more, err = r.part()
		} else if more = r.whole(next); !more {
			more, lost, err = r.single(next)
		}
		switch {
		case err != nil:
			return r.trouble(err, next)
		case lost != nil || !more:
			return lost, nil
		}
	}
	return nil, nil
}

// room is how many bytes may be taken now.
func (r *reader) room() int64 {
	n := min(int64(len(r.buf)), int64(r.sink.Room()))
	if r.taken > 0 && !r.inLine {
		n = min(n, r.limit-r.taken)
	}
	return max(n, 0)
}

func (r *reader) add(p []byte) {
	r.lines += int64(r.sink.Add(p))
	r.off += int64(len(p))
	r.taken += int64(len(p))
	r.inLine = p[len(p)-1] != '\n'
}

// whole takes as many whole records as fit, before the offset next, where the
// segment ends. It moves their payloads together, so that the sink gets long
// runs. false: the first one needs a closer look.
func (r *reader) whole(next int64) bool {
	c := &r.s.cur
	n := min(r.room(), r.limit)
	if n <= headSize || r.inLine {
		return false
	}
	k, _ := c.file.ReadAt(r.buf[:n], c.pos) // an error comes up again in single
	p, out, i := r.buf[:k], 0, 0
	for i < len(p) && r.off+int64(out) < next {
		h, ok := decodeHead(p[i:], r.s.seed)
		body := i + headSize
		if !ok || h.kind != kindData || h.off != r.off+int64(out) || h.size > int64(len(p)-body) || h.off+h.size > next {
			break
		}
		payload := p[body : body+int(h.size)]
		if crc32.ChecksumIEEE(payload) != h.payload {
			break
		}
		out += copy(p[out:], payload)
		i = body + len(payload)
	}
	if out == 0 {
		return false
	}
	c.pos += int64(i)
	r.add(p[:out])
	return true
}

// single looks at one record: a mark, one that is longer than there is room, a
// damaged one.
func (r *reader) single(next int64) (more bool, lost *loss, err error) {
	c := &r.s.cur
	var b [headSize]byte
	n, err := c.file.ReadAt(b[:], c.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, nil, err
	}
	h, ok := decodeHead(b[:n], r.s.seed)
	if !ok || h.off != r.off && h.kind != kindEnd {
		if r.taken > 0 {
			return false, nil, nil
		}
		return r.skip(next)
	}
	switch h.kind {
	case kindEnd:
		c.pos += headSize
		return true, nil, nil
	case kindLoss:
		if r.taken > 0 {
			return false, nil, nil
		}
		p := make([]byte, min(h.size, 16+maxReason))
		_, err := c.file.ReadAt(p, c.pos+headSize)
		l, ok := decodeLoss(p)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, nil, err
		}
		if !ok || err != nil || crc32.ChecksumIEEE(p) != h.payload || r.off+l.advance() > next {
			c.pos++
			return r.skip(next)
		}
		c.pos += headSize + h.size
		r.off += l.advance()
		return false, &l, nil
	}
	if r.taken > 0 {
		return false, nil, nil // it begins the next batch
	}
	if h.off+h.size > next {
		c.pos++
		return r.skip(next)
	}
	switch ok, err := r.s.check(c.pos+headSize, &h, r.buf); {
	case err != nil && r.s.fails < unreadable:
		return false, nil, err
	case !ok:
		c.pos += headSize + h.size
		return false, r.lose(h.off+h.size, h.lines, "a record is damaged"), nil
	}
	c.pos, c.left = c.pos+headSize, h.size
	return true, nil, nil
}

// check compares a payload with its checksum.
func (s *Spool) check(pos int64, h *head, buf []byte) (bool, error) {
	sum := uint32(0)
	for left := h.size; left > 0; {
		n, err := s.cur.file.ReadAt(buf[:min(int64(len(buf)), left)], pos)
		if n == 0 {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, buf[:n])
		pos, left = pos+int64(n), left-int64(n)
	}
	return sum == h.payload, nil
}

// part takes what fits of a record that is longer than there was room. It is
// cut behind a line; a line that does not fit by itself is cut too.
func (r *reader) part() (more bool, err error) {
	c := &r.s.cur
	n := min(r.room(), c.left)
	if r.taken == 0 {
		n = min(n, r.limit)
	}
	if n == 0 {
		return false, nil
	}
	k, err := c.file.ReadAt(r.buf[:n], c.pos)
	if int64(k) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return false, err
	}
	p := r.buf[:n]
	if n < c.left || r.inLine {
		i := bytes.LastIndexByte(p, '\n')
		if r.inLine {
			i = bytes.IndexByte(p, '\n')
		}
		switch {
		case i >= 0:
			p = p[:i+1]
		case r.taken > 0 && !r.inLine:
			return false, nil // the line begins the next batch
		}
	}
	c.pos += int64(len(p))
	c.left -= int64(len(p))
	r.add(p)
	return true, nil
}

// trouble handles what can't be read: it is tried again, and then given up.
func (r *reader) trouble(err error, next int64) (*loss, error) {
	if r.taken > 0 {
		return nil, nil // first what there is
	}
	if r.s.fails < unreadable {
		return nil, err
	}
	c := &r.s.cur
	if c.left > 0 {
		to := r.off + c.left
		c.pos, c.left = c.pos+c.left, 0
		return r.lose(to, 0, err.Error()), nil
	}
	if c.file == nil {
		c.pos = c.stop
		return r.lose(next, 0, err.Error()), nil
	}
	_, lost, err := r.skip(next)
	return lost, err
}

// skip goes on at the next record that can be read, at next at the latest.
func (r *reader) skip(next int64) (more bool, lost *loss, err error) {
	c := &r.s.cur
	sc := scanner{f: c.file, seed: r.s.seed, pos: c.pos, size: c.stop}
	to := next
	if h, ok := sc.find(r.off, maxOffset+1); ok {
		to = min(h.off, next)
	}
	c.pos = min(sc.pos, c.stop)
	if to == r.off {
		return true, nil, nil // nothing but rubbish between two records
	}
	return false, r.lose(to, 0, "a segment is damaged"), nil
}

// lose declares what lies before to, and counts it.
func (r *reader) lose(to, lines int64, why string) *loss {
	l := &loss{reason: wire.SpoolDamaged, lines: min(lines, to-r.off), bytes: to - r.off}
	r.s.account.Lose(l.reason, l.bytes, l.lines)
	r.s.log.Error("lines of the spool can't be read back; they are declared lost", "dir", r.s.cfg.Dir, "from", r.off, "to", to, "why", why)
	r.off = to
	return l
}
