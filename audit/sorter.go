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

	lists []list // of each source; all in the first if there is another order
	held  int    // lines in them
	arena arena  // the bytes of lines
	used  int64
	runs  []*run
}

// list is lines that are held. They come in order as a rule: an object has the
// lines of a source so, and the next object those that follow.
type list struct {
	lines   []line
	tangled bool // they did not
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
	if s.used+cost > s.limit && s.held > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	l.raw = s.arena.keep(l.raw)
	i := int(l.source)
	if s.order != nil {
		i = 0
	}
	for i >= len(s.lists) {
		s.lists = append(s.lists, list{})
	}
	to := &s.lists[i]
	if n := len(to.lines); n > 0 && to.lines[n-1].offset >= l.offset {
		to.tangled = true
	}
	to.lines = append(to.lines, l)
	s.held++
	s.used += cost
	return nil
}

func (s *sorter) compare(a, b *line) int {
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

// comparing gives the order of the lines.
func (s *sorter) comparing() func(a, b *line) int {
	if s.order != nil {
		return s.order
	}
	return s.compare
}

// sortHeld gives the lines at hand in order.
func (s *sorter) sortHeld() *chain {
	if s.order != nil {
		for _, l := range s.lists {
			order := s.order
			slices.SortFunc(l.lines, func(a, b line) int { return order(&a, &b) })
		}
	}
	var filled []list
	for _, l := range s.lists {
		if len(l.lines) == 0 {
			continue
		}
		if l.tangled && s.order == nil {
			slices.SortFunc(l.lines, func(a, b line) int { return s.compare(&a, &b) })
		}
		filled = append(filled, l)
	}
	if s.order == nil {
		slices.SortFunc(filled, func(a, b list) int { return s.compare(&a.lines[0], &b.lines[0]) })
	}
	c := &chain{}
	for _, l := range filled {
		c.lists = append(c.lists, l.lines)
	}
	return c
}

// spill moves the lines at hand into a new run.
func (s *sorter) spill() error {
	if err := s.writeRun(s.sortHeld()); err != nil {
		return err
	}
	// Long lines have chunks of their own; ordinary ones are used again.
	s.arena = slices.DeleteFunc(s.arena, func(c []byte) bool { return cap(c) != arenaChunk })
	for i := range s.arena {
		s.arena[i] = s.arena[i][:0]
	}
	s.arena = s.arena[:min(1, len(s.arena))]
	clear(s.lists)
	s.held, s.used = 0, 0
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
	m, err := newMerge(s.comparing(), in)
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
	held := s.sortHeld()
	if len(s.runs) == 0 {
		return held, nil
	}
	in := []cursor{held}
	for _, r := range s.runs {
		in = append(in, r)
	}
	return newMerge(s.comparing(), in)
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
