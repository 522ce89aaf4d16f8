package audit

import (
	"bytes"
	"cmp"
	"fmt"
)

// byTime is the order of lines that are found: time, source, offset, bytes.
func byTime(a, b *segment) int {
	switch { // cmp.Or would compare the texts each time
	case a.at != b.at:
		return cmp.Compare(a.at, b.at)
	case a.source != b.source:
		return cmp.Compare(a.source, b.source)
	case a.offset != b.offset:
		return cmp.Compare(a.offset, b.offset)
	}
	return bytes.Compare(a.text, b.text)
}

// backwards is byTime from the end.
func backwards(a, b *segment) int { return byTime(b, a) }

// timeline merges the sorted lines of objects that come one after the other, each
// a segment of its own, as another line may be between it and the next. Of
// what it holds as much as passes the limit lies in temporary files.
type timeline struct {
	compare func(a, b *segment) int
	limit   int64
	tempDir string

	merge *merge
	held  []held // with lines at hand
	runs  []*run
}

// held is what an object gave, and what that took in memory.
type held struct {
	lines *memory
	cost  int64
}

func newTimeline(compare func(a, b *segment) int, limit int64, tempDir string) *timeline {
	return &timeline{compare: compare, limit: limit, tempDir: tempDir, merge: &merge{compare: compare}}
}

// add takes the sorted lines of an object; cost is what they take in memory.
func (t *timeline) add(lines []segment, cost int64) error {
	m := &memory{lists: [][]segment{lines}}
	t.held = append(t.held, held{m, cost})
	if err := t.merge.add(m); err != nil {
		return err
	}
	var used int64
	n := 0
	for _, h := range t.held {
		if !h.lines.empty() {
			used += h.cost
			t.held[n] = h
			n++
		}
	}
	clear(t.held[n:])
	t.held = t.held[:n]
	if used <= t.limit {
		return nil
	}
	return t.spill()
}

// spill writes all lines that are held to a file.
func (t *timeline) spill() error {
	if _, err := t.merge.peek(); err != nil { // heads are all unused now
		return err
	}
	all := &merge{compare: t.compare, heads: t.merge.heads}
	t.merge = &merge{compare: t.compare}
	old := t.runs
	if len(old) < maxFanIn { // leave these as they are
		kept := all.heads[:0]
		var moved []head
		for _, h := range all.heads {
			if _, ok := h.from.(*run); ok {
				kept = append(kept, h)
			} else {
				moved = append(moved, h)
			}
		}
		all = heaped(t.compare, moved)
		t.merge = heaped(t.compare, kept)
		old = nil
	}
	r, err := writeRun(t.tempDir, all)
	if err != nil {
		return fmt.Errorf("spill sorted lines to the temporary folder (set TMPDIR to one with room): %w", err)
	}
	t.held = nil
	if old != nil {
		t.runs = nil
		if err := closeRuns(old); err != nil {
			return err
		}
	}
	t.runs = append(t.runs, r)
	return t.merge.add(r)
}

// until calls fn for all lines, in order, that come before limit, or for all if
// it is nil. A line is valid during the call.
func (t *timeline) until(limit *segment, fn func(*segment) error) error {
	for {
		l, err := t.merge.peek()
		if err != nil || l == nil || limit != nil && t.compare(l, limit) >= 0 {
			return err
		}
		if err := fn(l); err != nil {
			return err
		}
		t.merge.primed = true
	}
}

// close removes the files. It may be called at any time.
func (t *timeline) close() error { return closeRuns(t.runs) }
