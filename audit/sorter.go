package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/loghaul/loghaul/internal/wire"
)

// sorter puts any number of lines into the order (node, source, offset, bytes)
// with bounded memory: lines that follow each other become segments, when those
// at hand pass the limit they are sorted and spilled as a run, and at the end
// the runs are merged. Lines that fit never touch the disk.
type sorter struct {
	limit   int64
	tempDir string
	order   func(a, b *segment) int // nil: (node, source, offset, bytes). With another one all lines have noLF

	sources []wire.Source
	index   map[sourceKey]int32
	last    int32 // that was asked for

	lists []list   // of each source; all in the first if there is another order
	open  *segment // the last one of a list, if a line may join it: its bytes are the last of the arena
	arena arena    // the bytes of segments
	used  int64
	runs  []*run
}

// list is segments that are held. They come in order as a rule: an object has
// the lines of a source so, and the next object those that follow.
type list struct {
	segments []segment
	tangled  bool // they did not, or overlap
}

type sourceKey struct{ node, id string }

func newSorter(limit int64, tempDir string) *sorter {
	return &sorter{limit: limit, tempDir: tempDir, index: map[sourceKey]int32{}}
}

// source gives the index that stands for a source in lines.
func (s *sorter) source(src wire.Source) int32 {
	if int(s.last) < len(s.sources) && s.sources[s.last].ID == src.ID && s.sources[s.last].Node == src.Node {
		return s.last
	}
	key := sourceKey{src.Node, src.ID}
	i, ok := s.index[key]
	if !ok {
		i = int32(len(s.sources)) //nolint:gosec // far fewer sources than 2^31
		// The strings may be slices of a buffer that is used again.
		src.Node, src.ID, src.Path = strings.Clone(src.Node), strings.Clone(src.ID), ""
		s.sources = append(s.sources, src)
		s.index[sourceKey{src.Node, src.ID}] = i
	}
	s.last = i
	return i
}

// add takes a copy of l.
func (s *sorter) add(l line) error {
	size, joins := len(l.raw), false
	if !l.noLF {
		size++
		joins = bytes.IndexByte(l.raw, '\n') < 0 // not so in what a container wrote as one line
	}
	if joins && s.follows(&l) && s.arena.fits(size) && s.used+int64(size) <= s.limit {
		s.open.text = s.arena.extend(s.open.text, l.raw)
		s.open.lines++
		s.used += int64(size)
		return nil
	}
	cost := int64(size) + segmentCost
	if s.used > 0 && s.used+cost > s.limit {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.used += cost
	g := segment{text: s.arena.keep(l.raw, !l.noLF), offset: l.offset, at: l.at, source: l.source, lines: 1}
	if s.open = s.hold(g); !joins {
		s.open = nil
	}
	return nil
}

// follows reports whether l begins where the open segment ends.
func (s *sorter) follows(l *line) bool {
	return s.open != nil && s.open.source == l.source && s.open.offset+int64(len(s.open.text)) == l.offset
}

// hold puts a segment into its list.
func (s *sorter) hold(g segment) *segment {
	i := int(g.source)
	if s.order != nil {
		i = 0
	}
	for i >= len(s.lists) {
		s.lists = append(s.lists, list{})
	}
	to := &s.lists[i]
	if n := len(to.segments); n > 0 && to.segments[n-1].end() > g.offset {
		to.tangled = true
	}
	to.segments = append(to.segments, g)
	return &to.segments[len(to.segments)-1]
}

func (s *sorter) compare(a, b *segment) int {
	if s.order != nil {
		return s.order(a, b)
	}
	if a.source != b.source {
		x, y := &s.sources[a.source], &s.sources[b.source]
		return cmp.Or(strings.Compare(x.Node, y.Node), strings.Compare(x.ID, y.ID))
	}
	return a.compare(b)
}

// sortHeld gives the segments at hand in order: one cursor, and one more for
// each segment that overlaps those before it.
func (s *sorter) sortHeld() []cursor {
	filled := slices.DeleteFunc(slices.Clone(s.lists), func(l list) bool { return len(l.segments) == 0 })
	for _, l := range filled {
		if l.tangled || s.order != nil {
			sort.Sort(&inOrder{l.segments, s.compare})
		}
	}
	slices.SortFunc(filled, func(a, b list) int { return s.compare(&a.segments[0], &b.segments[0]) })
	straight := &memory{}
	cursors := []cursor{straight}
	for _, l := range filled {
		if !l.tangled || s.order != nil {
			straight.lists = append(straight.lists, l.segments)
			continue
		}
		from, end := 0, int64(0) // of those that are still to be appended
		for i := range l.segments {
			g := &l.segments[i]
			if g.offset < end {
				straight.lists = append(straight.lists, l.segments[from:i])
				cursors = append(cursors, &memory{lists: [][]segment{l.segments[i : i+1]}})
				from = i + 1
				continue
			}
			if end = g.offset; g.lines > 1 { // single lines may have one offset
				end = g.end()
			}
		}
		straight.lists = append(straight.lists, l.segments[from:])
	}
	return cursors
}

// spill moves the segments at hand into a new run.
func (s *sorter) spill() error {
	if err := s.writeRun(s.sortHeld()); err != nil {
		return err
	}
	s.arena.reset()
	clear(s.lists)
	s.open, s.used = nil, 0
	if len(s.runs) >= maxFanIn {
		return s.compact()
	}
	return nil
}

// compact merges the smaller half of all runs into one, so that few files and
// buffers are open: a line is written again as often as the runs can be halved,
// not each time.
func (s *sorter) compact() error {
	slices.SortFunc(s.runs, func(a, b *run) int { return cmp.Compare(a.size, b.size) })
	half := len(s.runs) / 2
	old := slices.Clone(s.runs[:half])
	in := make([]cursor, half)
	for i, r := range old {
		in[i] = r
	}
	s.runs = slices.Delete(s.runs, 0, half)
	return errors.Join(s.writeRun(in), closeRuns(old))
}

func (s *sorter) writeRun(in []cursor) error {
	m, err := newMerge(s.compare, in)
	if err != nil {
		return err
	}
	r, err := writeRun(s.tempDir, m)
	if err != nil {
		return fmt.Errorf("spill sorted lines to the temporary folder (set TMPDIR to one with room): %w", err)
	}
	s.runs = append(s.runs, r)
	return nil
}

// sorted ends the adding and gives all lines in order. Those at one offset of a
// source are segments of a line.
func (s *sorter) sorted() (cursor, error) {
	in := s.sortHeld()
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
