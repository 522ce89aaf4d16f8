package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/internal/durable"
)

// segment is one file. It holds the stream from base up to the base of the next
// one: what lies behind that in it is void.
type segment struct {
	path string
	seq  uint64
	base int64
	size int64 // bytes of the file that are used
}

const suffix = ".seg"

func (s *Spool) path(seq uint64) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%08d%s", seq, suffix))
}

// seqOf gives the number in a segment's name, 0 if it is none.
func seqOf(path string) uint64 {
	digits, ok := strings.CutSuffix(filepath.Base(path), suffix)
	n, err := strconv.ParseUint(digits, 10, 62)
	if !ok || err != nil || len(digits) < 8 {
		return 0
	}
	return n
}

// clean removes the segments that are confirmed, durably one after the other: a
// loss of power must not bring back one without those behind it. Nor may it take
// the end of the stream, so the one that follows has to be durable. It gives an
// error if it is to be tried again.
func (s *Spool) clean() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	for {
		s.mu.Lock()
		if len(s.litter) > 0 || s.swept {
			s.swept = true
			if err := s.sweep(); err != nil {
				s.mu.Unlock()
				return err
			}
		}
		swept := s.swept
		confirmed := len(s.segs) > 1 && s.segs[1].base <= s.acked && s.edge.seg != nil && s.segs[1].seq <= s.edge.seg.seq
		if !confirmed && !swept {
			s.mu.Unlock()
			return nil
		}
		seg := s.segs[0]
		s.mu.Unlock()

		if !swept {
			if err := s.fs.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := s.fs.SyncDir(s.cfg.Dir); err != nil {
			return err
		}
		s.mu.Lock()
		if s.swept = false; !swept {
			s.used -= seg.size
			s.segs = s.segs[1:]
			s.roomier()
		}
		s.mu.Unlock()
	}
}

// scanner walks through the records of a segment.
type scanner struct {
	f    durable.File
	seed uint32
	pos  int64 // of the next head
	size int64 // of the file

	buf  []byte
	from int64 // where buf lies in the file
}

const scanBuffer = 64 << 10

// head gives the head at pos.
func (sc *scanner) head() (head, bool) {
	b, _ := sc.bytes(headSize)
	return decodeHead(b, sc.seed)
}

// bytes gives n bytes at pos, n being at most scanBuffer, or what there is.
func (sc *scanner) bytes(n int) ([]byte, error) {
	i := sc.pos - sc.from
	if i < 0 || i+int64(n) > int64(len(sc.buf)) {
		if sc.buf == nil {
			sc.buf = make([]byte, scanBuffer)
		}
		k, err := sc.f.ReadAt(sc.buf[:min(scanBuffer, max(sc.size-sc.pos, 0))], sc.pos)
		sc.buf, sc.from = sc.buf[:k], sc.pos
		i = 0
		if k < n && err != nil && !errors.Is(err, io.EOF) {
			sc.buf = sc.buf[:0]
			return nil, err
		}
	}
	return sc.buf[i:min(i+int64(n), int64(len(sc.buf)))], nil
}

// next gives the record at pos and moves behind it. to is where the stream is
// then; that of a mark whose payload is damaged is where the mark is.
func (sc *scanner) next() (h head, to int64, ok bool) {
	h, ok = sc.head()
	if !ok {
		return h, 0, false
	}
	sc.pos += headSize
	var p []byte
	if h.kind == kindLoss && h.size <= 16+maxReason {
		p, _ = sc.bytes(int(h.size))
	}
	sc.pos += h.size
	return h, h.off + h.advance(p), true
}

// find moves to the first head, from pos on, of a record that lies in the stream
// from off on and before end. Where the file can't be read there is none.
func (sc *scanner) find(off, end int64) (head, bool) {
	for sc.pos < sc.size {
		b, err := sc.bytes(headSize)
		if err != nil {
			sc.pos += 4096 - sc.pos%4096
			continue
		}
		if h, ok := decodeHead(b, sc.seed); ok && h.off >= off && h.off < end {
			return h, true
		}
		i := -1
		rest := sc.buf[sc.pos-sc.from:]
		if len(rest) > 1 {
			i = bytes.Index(rest[1:], recordMagic[:])
		}
		switch {
		case i >= 0:
			sc.pos += int64(i) + 1
		case len(rest) <= len(recordMagic):
			sc.pos++
		default:
			sc.pos += int64(len(rest)) - int64(len(recordMagic)) + 1
		}
	}
	return head{}, false
}
