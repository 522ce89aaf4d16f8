package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/wire"
)

// found is a segment as it lies in the folder.
type found struct {
	segment
	hdr     header
	file    int64 // its size
	headed  bool  // the header is right
	damaged bool  // neither the header nor any record is
}

func open(on host, cfg Config, pos int64, id string, a *ledger.Account, log *slog.Logger) (*Spool, error) {
	s, err := newSpool(on, cfg, a, log)
	if err != nil {
		return nil, err
	}
	if err := s.fs.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of a spool: %w", err)
	}
	all, err := s.look()
	if err != nil {
		return nil, err
	}
	known := id != "" && pos >= 0
	last := s.choose(all, id)
	if err := s.adopt(all); err != nil {
		return nil, err
	}
	if known && id != s.src.ID && last != nil {
		s.log.Warn("the positions are of another spool; everything in this one is sent", "known", id, "found", s.src.ID)
		known = false
	}
	var torn tornEnd
	if len(s.segs) > 0 {
		if torn, err = s.recover(last, max(pos, 0), known); err != nil {
			return nil, err
		}
	}
	if known && (len(s.segs) == 0 || pos > s.end) {
		s.begin(id, pos)
		torn = tornEnd{bytes: 1, why: "bytes that the broker has are not in the spool any more: an old copy of the folder, or a disk that forgot them"}
		known = false
	}
	if torn.bytes > 0 {
		s.log.Error("lines are lost from the spool", "bytes", torn.bytes, "why", torn.why)
		l := loss{reason: wire.SpoolDamaged, bytes: torn.bytes}
		s.account.Lose(l.reason, l.bytes, 0)
		s.limbo = s.record(nil, s.end, &l)
		s.end += l.advance()
	}
	return s, s.start(pos, known)
}

// start makes the segment to write to, and finds the place to read from.
func (s *Spool) start(pos int64, known bool) error {
	empty := len(s.segs) == 0
	s.acked = s.synced.Load()
	if !empty {
		s.acked = s.segs[0].base
	}
	if known {
		s.acked = max(pos, s.acked)
	}
	s.read.Store(s.acked)
	if err := s.renew(); err != nil {
		if empty {
			return fmt.Errorf("making a spool in %s: %s: %w", s.cfg.Dir, explain(err), err)
		}
		s.failed = true
		_ = s.refuse(fmt.Errorf("%w: making a segment: %w", ErrFull, err)) // what is there can be shipped
	}
	if s.acked < s.end {
		s.oldest, s.unacked = s.now(), s.now()
	}
	s.seek(s.acked)
	s.log.Info("spool is open", "dir", s.cfg.Dir, "source", s.src.ID, "unread", s.end-s.acked, "bytes", s.used)
	return nil
}

// look reads the headers of all segments.
func (s *Spool) look() ([]*found, error) {
	names, err := s.fs.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of a spool: %w", err)
	}
	var all []*found
	for _, name := range names {
		f := &found{segment: segment{path: filepath.Join(s.cfg.Dir, name), seq: seqOf(name)}}
		if f.seq == 0 {
			continue
		}
		file, err := s.fs.OpenFile(f.path, os.O_RDONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("opening a segment of a spool: %w", err)
		}
		b := make([]byte, headerSize)
		n, _ := file.ReadAt(b, 0)
		f.file, err = file.Size()
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.path, err)
		}
		f.hdr, err = decodeHeader(b[:n])
		if errors.Is(err, ErrVersion) {
			return nil, fmt.Errorf("%s: %w: start the build that wrote it until everything is sent, or move the folder aside "+
				"(mv %s %s.old); what is in it is not sent then", f.path, err, s.cfg.Dir, s.cfg.Dir)
		}
		f.headed = err == nil
		f.size, f.base = f.file, f.hdr.base
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *found) int { return int(a.seq) - int(b.seq) }) //nolint:gosec // file names
	return all, nil
}

// choose gives the stream its id: that of the last segment. It returns that
// segment's header, nil if there is none.
func (s *Spool) choose(all []*found, id string) (last *header) {
	for _, f := range all {
		if f.headed {
			last = &f.hdr
		}
	}
	switch {
	case last != nil:
		s.name(last.id)
	case len(all) > 0 && len(id) == hex.EncodedLen(idSize): // the records tell whether it is right
		s.name(id)
		for _, f := range all {
			if s.firstRecord(f); !f.damaged {
				return &header{id: id, every: s.cfg.SyncEvery}
			}
		}
		fallthrough
	default:
		s.name(newID())
	}
	return last
}

const idSize = 12

func newID() string {
	b := make([]byte, idSize)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (s *Spool) name(id string) {
	s.src = wire.Source{ID: id, Node: s.cfg.Node, Path: s.cfg.Path}
	s.seed = seed(id)
}

// firstRecord finds out where a segment without a header begins.
func (s *Spool) firstRecord(f *found) {
	f.damaged = true
	file, err := s.fs.OpenFile(f.path, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	sc := scanner{f: file, seed: s.seed, size: f.file}
	if h, ok := sc.find(0, maxOffset+1); ok {
		f.base, f.damaged = h.off, false
	}
	_ = file.Close()
}

// adopt takes the segments of the stream, in order. What is not of it is kept
// aside, what is void is removed.
func (s *Spool) adopt(all []*found) error {
	limit := int64(1<<63 - 1)
	for i, f := range slices.Backward(all) {
		if !f.headed {
			s.firstRecord(f)
		}
		switch {
		case f.damaged && f.file <= headerSize: // a crash while it was made
			s.litter = append(s.litter, f.path)
		case f.damaged || f.headed && f.hdr.id != s.src.ID:
			aside := f.path + ".aside"
			s.log.Error("a segment is not of this spool, or nothing in it can be read; it is kept aside", "file", f.path, "as", aside, "bytes", f.file)
			if err := s.fs.Rename(f.path, aside); err != nil {
				return fmt.Errorf("keeping a segment aside: %w", err)
			}
		case f.base >= limit, // given up after an fsync failed
			!f.headed && len(s.segs) == 0 && s.unfinished(f, all[:i]):
			s.litter = append(s.litter, f.path)
		default:
			if !f.headed {
				s.log.Error("the header of a segment is damaged; its records are read", "file", f.path)
			}
			limit = f.base
			s.segs = append(s.segs, &f.segment)
			s.used += f.size
		}
	}
	slices.Reverse(s.segs)
	return nil
}

// begin starts a new stream: every byte of the old one that is left was
// confirmed, and its offsets must not be used for other bytes.
func (s *Spool) begin(old string, pos int64) {
	if len(s.segs) > 0 {
		s.name(newID())
	}
	s.log.Error("a new source is begun, because the old one lacks bytes that the broker has",
		"old", old, "confirmed", pos, "end", s.end, "new", s.src.ID)
	for _, seg := range s.segs {
		s.litter = append(s.litter, seg.path)
	}
	s.segs, s.used, s.end, s.edge = nil, 0, 0, place{}
	s.synced.Store(0)
}

// Close ends the spool; Run must have ended. What was written and could not be
// synced is found by the next Open.
func (s *Spool) Close() error {
	err := s.sync()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	closed := fmt.Errorf("spool %s: %w", s.cfg.Dir, os.ErrClosed)
	s.refusal.Store(&closed)
	s.roomier()
	if s.file != nil {
		if err == nil && !s.failed {
			// All is synced; the next Open need not doubt it.
			b := make([]byte, headSize)
			h := head{kind: kindEnd, off: s.end}
			h.encode(b, s.seed)
			if _, err = s.file.WriteAt(b, s.at); err == nil {
				err = s.file.Sync()
			}
		}
		err = errors.Join(err, s.file.Close())
	}
	for _, f := range s.old {
		err = errors.Join(err, f.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return errors.Join(err, s.closeCursor())
}
