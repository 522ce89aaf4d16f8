package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// mergeGap is up to how many bytes that nobody asked for are read to save a
	// request: about what a connection moves in the time of a round trip.
	mergeGap = 128 << 10
)

// sparse is the parts of an object that were read so far, as an io.ReaderAt.
type sparse struct {
	r       io.ReaderAt // for what is not in extents
	extents []extent    // in the order of their places, without overlaps
}

type extent struct {
	at int64
	b  []byte
}

// ReadAt follows io.ReaderAt.
func (s *sparse) ReadAt(p []byte, at int64) (int, error) {
	if b := s.view(at, int64(len(p))); b != nil {
		return copy(p, b), nil
	}
	return s.r.ReadAt(p, at)
}

// view gives size bytes from at on, or nil if they were not read.
func (s *sparse) view(at, size int64) []byte {
	i, found := slices.BinarySearchFunc(s.extents, at, func(p extent, at int64) int { return cmp.Compare(p.at, at) })
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	p := &s.extents[i]
	if at-p.at+size > int64(len(p.b)) {
		return nil
	}
	return p.b[at-p.at:][:size:size]
}

// fetch reads the given spans as far as they are not there, neighbours with one
// read. spans is sorted by it.
func (s *sparse) fetch(spans []span) error {
	spans = slices.DeleteFunc(spans, func(w span) bool { return s.view(w.from, w.to-w.from) != nil })
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for len(spans) > 0 {
		from, to, n := spans[0].from, spans[0].to, 1
		for n < len(spans) && spans[n].from-to <= mergeGap && !s.between(to, spans[n].from) {
			to = max(to, spans[n].to)
			n++
		}
		spans = spans[n:]
		if err := s.read(from, to); err != nil {
			return err
		}
	}
	return nil
}

// between reports whether a extent begins in [from, to): then the two sides of it
// are read by themselves.
func (s *sparse) between(from, to int64) bool {
	return slices.ContainsFunc(s.extents, func(p extent) bool { return p.at >= from && p.at < to })
}

func (s *sparse) read(from, to int64) error {
	b := make([]byte, to-from)
	if err := s.readFull(b, from); err != nil {
		return err
	}
	i, _ := slices.BinarySearchFunc(s.extents, from, func(p extent, at int64) int { return cmp.Compare(p.at, at) })
	s.extents = slices.Insert(s.extents, i, extent{from, b})
	return nil
}

// readFull fills p with the bytes from at on.
func (s *sparse) readFull(p []byte, at int64) error {
	n, err := s.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return corrupt("pages", "", -1, "it ends before byte %d", at+int64(len(p)))
	}
	return fmt.Errorf("reading byte %d of an object: %w", at, err)
}
