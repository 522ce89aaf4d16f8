package audit

import (
	"container/heap"
	"io"
	"slices"
)

// cursor gives lines in order. next returns io.EOF after the last one. A line
// is valid until the following call.
type cursor interface {
	next() (*line, error)
}

// memory is a cursor over sorted lines at hand.
type memory struct {
	lines []line
	cost  int64 // of all lines that there were; only of interest to timeline
}

func (m *memory) next() (*line, error) {
	if len(m.lines) == 0 {
		return nil, io.EOF
	}
	l := &m.lines[0]
	m.lines = m.lines[1:]
	return l, nil
}

// chain is a cursor over lists of lines, one after the other.
type chain struct{ lists [][]line }

func (c *chain) next() (*line, error) {
	for len(c.lists) > 0 {
		if l := c.lists[0]; len(l) > 0 {
			c.lists[0] = l[1:]
			return &l[0], nil
		}
		c.lists = c.lists[1:]
	}
	return nil, io.EOF
}

// merge is a k-way merge of cursors. It keeps the head of each in a heap and
// moves a cursor on only when its head has been used, because a head is valid
// just that long.
type merge struct {
	compare func(a, b *line) int
	heads   []head
	primed  bool
}

type head struct {
	line *line
	from cursor
}

func newMerge(compare func(a, b *line) int, in []cursor) (*merge, error) {
	m := &merge{compare: compare}
	for _, c := range in {
		if err := m.add(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// heaped gives a merge of heads that are not used yet.
func heaped(compare func(a, b *line) int, heads []head) *merge {
	m := &merge{compare: compare, heads: slices.Clone(heads)}
	heap.Init(m)
	return m
}

// add takes another cursor.
func (m *merge) add(c cursor) error {
	if _, err := m.peek(); err != nil {
		return err
	}
	l, err := c.next()
	if err == io.EOF { //nolint:errorlint // cursors return it bare
		return nil
	}
	if err == nil {
		heap.Push(m, head{l, c})
	}
	return err
}

// peek gives the line that next gives, nil if there is none.
func (m *merge) peek() (*line, error) {
	if m.primed {
		m.primed = false
		l, err := m.heads[0].from.next()
		switch {
		case err == io.EOF: //nolint:errorlint // cursors return it bare
			heap.Pop(m)
		case err != nil:
			return nil, err
		default:
			m.heads[0].line = l
			heap.Fix(m, 0)
		}
	}
	if len(m.heads) == 0 {
		return nil, nil //nolint:nilnil // no line is an answer
	}
	return m.heads[0].line, nil
}

func (m *merge) next() (*line, error) {
	l, err := m.peek()
	if l == nil && err == nil {
		return nil, io.EOF
	}
	m.primed = err == nil
	return l, err
}

// Len, Less, Swap, Push and Pop are for container/heap.

func (m *merge) Len() int           { return len(m.heads) }
func (m *merge) Less(i, j int) bool { return m.compare(m.heads[i].line, m.heads[j].line) < 0 }
func (m *merge) Swap(i, j int)      { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

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
