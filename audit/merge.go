package audit

import (
	"container/heap"
	"io"
	"slices"
)

// cursor gives segments in order: all lines of one come before those of the
// next. next returns io.EOF after the last one. A segment is valid until the
// following call.
type cursor interface {
	next() (*segment, error)
}

// memory is a cursor over lists of segments at hand, one after the other.
type memory struct{ lists [][]segment }

func (m *memory) next() (*segment, error) {
	if m.empty() {
		return nil, io.EOF
	}
	g := &m.lists[0][0]
	m.lists[0] = m.lists[0][1:]
	return g, nil
}

// empty reports whether all segments have been given.
func (m *memory) empty() bool {
	for len(m.lists) > 0 && len(m.lists[0]) == 0 {
		m.lists = m.lists[1:]
	}
	return len(m.lists) == 0
}

// merge is a k-way merge of cursors. It keeps the head of each in a heap and
// moves a cursor on only when its head has been used, because a head is valid
// just that long. A head is given whole if no other one begins before its end,
// and otherwise in pieces: lines at one offset of a source are given each by
// itself, so that they can be compared.
type merge struct {
	compare func(a, b *segment) int
	heads   []head
	primed  bool    // the first head has been given, whole
	piece   segment // was given of the first head
	source  int32   // of what was given
	offset  int64
}

type head struct {
	segment // what is left of it
	from    cursor
}

func newMerge(compare func(a, b *segment) int, in []cursor) (*merge, error) {
	m := &merge{compare: compare, source: -1}
	for _, c := range in {
		if err := m.add(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// heaped gives a merge of heads that are not used yet.
func heaped(compare func(a, b *segment) int, heads []head) *merge {
	m := &merge{compare: compare, source: -1, heads: slices.Clone(heads)}
	heap.Init(m)
	return m
}

// add takes another cursor.
func (m *merge) add(c cursor) error {
	if _, err := m.peek(); err != nil {
		return err
	}
	g, err := c.next()
	if err == io.EOF { //nolint:errorlint // cursors return it bare
		return nil
	}
	if err == nil {
		heap.Push(m, head{*g, c})
	}
	return err
}

// peek gives the segment that next gives at least the first line of, nil if
// there is none.
func (m *merge) peek() (*segment, error) {
	if m.primed {
		m.primed = false
		g, err := m.heads[0].from.next()
		switch {
		case err == io.EOF: //nolint:errorlint // cursors return it bare
			heap.Pop(m)
		case err != nil:
			return nil, err
		default:
			m.heads[0].segment = *g
			heap.Fix(m, 0)
		}
	}
	if len(m.heads) == 0 {
		return nil, nil //nolint:nilnil // no segment is an answer
	}
	return &m.heads[0].segment, nil
}

func (m *merge) next() (*segment, error) {
	g, err := m.peek()
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, io.EOF
	}
	at := m.bound(g)
	m.source, m.offset = g.source, g.offset
	if at < g.end() {
		if piece, rest := g.cut(at); rest.lines > 0 {
			m.piece, *g = piece, rest
			heap.Fix(m, 0)
			return &m.piece, nil
		}
	}
	m.primed = true
	return g, nil
}

// bound gives the offset that lines of the first head must begin before to be
// given now.
func (m *merge) bound(g *segment) int64 {
	at := g.end()
	if g.lines == 1 {
		return at
	}
	if o := m.second(); o != nil && o.source == g.source {
		at = min(at, max(o.offset, g.offset+1))
	}
	if m.source == g.source && m.offset == g.offset {
		at = g.offset + 1
	}
	return at
}

// second gives the head that comes after the first, nil if there is none.
func (m *merge) second() *segment {
	switch {
	case len(m.heads) < 2:
		return nil
	case len(m.heads) > 2 && m.Less(2, 1):
		return &m.heads[2].segment
	}
	return &m.heads[1].segment
}

// Len, Less, Swap, Push and Pop are for container/heap.

func (m *merge) Len() int { return len(m.heads) }

func (m *merge) Less(i, j int) bool { return m.compare(&m.heads[i].segment, &m.heads[j].segment) < 0 }

func (m *merge) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// Push adds a head.
func (m *merge) Push(h any) {
	m.heads = append(m.heads, h.(head)) //nolint:errcheck,forcetypeassert // only add calls it
}

// Pop takes the last head away.
func (m *merge) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}
