package spool

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/loghaul/loghaul/internal/durable"
)

// tornEnd is what a crash took from the end, as far as that is known.
type tornEnd struct {
	bytes int64
	why   string
}

// recover finds the end of the stream and makes all before it durable.
func (s *Spool) recover(last *header, pos int64, known bool) (tornEnd, error) {
	seg := s.segs[len(s.segs)-1]
	end, at, clean, err := s.lastRecord(seg)
	if err != nil {
		return tornEnd{}, err
	}
	var torn tornEnd
	if n := seg.size - at; n > 0 {
		clean = false
		torn = tornEnd{bytes: n, why: "the end was torn off by a crash"}
	}
	s.end = end
	s.edge = place{seg, at}
	s.synced.Store(s.end)
	if clean {
		return torn, nil
	}
	if torn.bytes == 0 && last.every > 0 && (s.boot != last.boot || s.boot == [16]byte{}) {
		torn = tornEnd{bytes: 1, why: fmt.Sprintf("the machine went down; what came in its last %v may be missing, nobody knows how much", last.every)}
	}
	if !known {
		pos = 0
	}
	return torn, s.harden(pos)
}

// lastRecord finds the end of the stream in a segment and in its file. clean
// means that its writer had ended and synced everything.
func (s *Spool) lastRecord(seg *segment) (end, at int64, clean bool, err error) {
	f, err := s.fs.OpenFile(seg.path, os.O_RDONLY, 0)
	if err != nil {
		return 0, 0, false, fmt.Errorf("opening a segment of a spool: %w", err)
	}
	sc := scanner{f: f, seed: s.seed, pos: headerSize, size: seg.size}
	end = seg.base
	for sc.pos < sc.size {
		h, to, ok := sc.next()
		if !ok {
			at := sc.pos
			if _, ok = sc.find(end, maxOffset+1); !ok {
				sc.pos = at
				break
			}
			continue // the reader declares what is missing
		}
		end, clean = max(end, to), h.kind == kindEnd
	}
	if err := f.Close(); err != nil {
		return 0, 0, false, fmt.Errorf("reading %s: %w", seg.path, err)
	}
	return end, min(sc.pos, seg.size), clean, nil
}

// unfinished says whether a segment without a header is one that a crash kept
// from being made: then the one before still has what was to be copied.
func (s *Spool) unfinished(f *found, before []*found) bool {
	for _, p := range slices.Backward(before) {
		if p.headed && p.hdr.id == s.src.ID {
			end, _, _, err := s.lastRecord(&p.segment)
			return err == nil && end > f.base
		}
	}
	return false
}

// harden makes all segments durable. Those that the process before may not have
// synced are written again, byte for byte: had an fsync of its failed, the
// kernel would hold them as clean though the disk does not have them.
func (s *Spool) harden(pos int64) error {
	for i, seg := range s.segs {
		if i+1 < len(s.segs) && s.segs[i+1].base <= pos {
			continue
		}
		f, err := s.fs.OpenFile(seg.path, os.O_RDWR, 0)
		if err == nil && i >= len(s.segs)-2 {
			err = rewrite(f, seg.size)
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("syncing %s after a crash: %s: %w", seg.path, explain(err), err)
		}
	}
	if err := s.fs.SyncDir(s.cfg.Dir); err != nil {
		return fmt.Errorf("syncing %s after a crash: %w", s.cfg.Dir, err)
	}
	return nil
}

func rewrite(f durable.File, size int64) error {
	buf := make([]byte, 256<<10)
	for off := int64(0); off < size; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return err
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}
