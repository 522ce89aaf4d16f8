package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/internal/wire"
)

// line is one archived record with its identity.
type line struct {
	raw    []byte // without LF
	at     int64  // time in Unix milliseconds; 0 where the order is another one
	offset int64
	source int32 // index into sorter.sources
	noLF   bool
}

// lineCost is what a line costs in memory besides its bytes.
const lineCost = 48

// sorter puts any number of lines into the order (node, source, offset, bytes)
// with bounded memory: when the lines at hand pass the limit they are sorted
// and spilled as a compressed run, and at the end the runs are merged. Lines
// that fit never touch the disk.
type sorter struct {
	limit   int64
	tempDir string
	order   func(a, b *line) int // nil: (node, source, offset, bytes)

	sources []wire.Source
	index   map[sourceKey]int32

	lines []line
	arena arena // the bytes of lines
	used  int64
	runs  []*run
}

type sourceKey struct{ node, id string }

func newSorter(limit int64, tempDir string) *sorter {
	return &sorter{limit: limit, tempDir: tempDir, index: map[sourceKey]int32{}}
}

// source gives the index that stands for a source in lines.
func (s *sorter) source(src wire.Source) int32 {
	key := sourceKey{src.Node, src.ID}
	i, ok := s.index[key]
	if !ok {
		i = int32(len(s.sources)) //nolint:gosec // far fewer sources than 2^31
		// The strings may be slices of a buffer that is used again.
		src.Node, src.ID, src.Path = strings.Clone(src.Node), strings.Clone(src.ID), ""
		s.sources = append(s.sources, src)
		s.index[sourceKey{src.Node, src.ID}] = i
	}
	return i
}

// add takes a copy of l.
func (s *sorter) add(l line) error {
	cost := int64(len(l.raw)) + lineCost
	if s.used+cost > s.limit && len(s.lines) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	l.raw = s.arena.keep(l.raw)
	s.lines = append(s.lines, l)
	s.used += cost
	return nil
}

func (s *sorter) compare(a, b *line) int {
	if s.order != nil {
		return s.order(a, b)
	}
	if a.source != b.source {
		x, y := &s.sources[a.source], &s.sources[b.source]
		return cmp.Or(strings.Compare(x.Node, y.Node), strings.Compare(x.ID, y.ID))
	}
	if c := cmp.Compare(a.offset, b.offset); c != 0 {
		return c
	}
	if c := bytes.Compare(a.raw, b.raw); c != 0 {
		return c
	}
	switch {
	case a.noLF == b.noLF:
		return 0
	case a.noLF:
		return -1
	}
	return 1
}

func (s *sorter) sortLines() {
	slices.SortFunc(s.lines, func(a, b line) int { return s.compare(&a, &b) })
}

// spill moves the lines at hand into a new run.
func (s *sorter) spill() error {
	s.sortLines()
	if err := s.writeRun(&memory{lines: s.lines}); err != nil {
		return err
	}
	// Long lines have chunks of their own; ordinary ones are used again.
	s.arena = slices.DeleteFunc(s.arena, func(c []byte) bool { return cap(c) != arenaChunk })
	for i := range s.arena {
		s.arena[i] = s.arena[i][:0]
	}
	s.arena = s.arena[:min(1, len(s.arena))]
	s.lines, s.used = s.lines[:0], 0
	if len(s.runs) >= maxFanIn {
		return s.compact()
	}
	return nil
}

// compact merges all runs into one, so that few files and buffers are open.
func (s *sorter) compact() error {
	old := s.runs
	in := make([]cursor, len(old))
	for i, r := range old {
		in[i] = r
	}
	m, err := newMerge(s.compare, in)
	if err != nil {
		return err
	}
	s.runs = nil
	if err := s.writeRun(m); err != nil {
		return errors.Join(err, closeRuns(old))
	}
	return closeRuns(old)
}

func (s *sorter) writeRun(in cursor) error {
	r, err := writeRun(s.tempDir, in)
	if err != nil {
		return fmt.Errorf("spill sorted lines to the temporary folder (set TMPDIR to one with room): %w", err)
	}
	s.runs = append(s.runs, r)
	return nil
}

// sorted ends the adding and gives all lines in order.
func (s *sorter) sorted() (cursor, error) {
	s.sortLines()
	in := []cursor{&memory{lines: s.lines}}
	for _, r := range s.runs {
		in = append(in, r)
	}
	return newMerge(s.compare, in)
}

// close removes the runs. It may be called at any time.
func (s *sorter) close() error {
	runs := s.runs
	s.runs = nil
	return closeRuns(runs)
}

func closeRuns(runs []*run) error {
	var errs []error
	for _, r := range runs {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}
