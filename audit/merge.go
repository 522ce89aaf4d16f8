package audit

import (
	"container/heap"
	"io"
)

// cursor gives lines in order. next returns io.EOF after the last one. A line
// is valid until the following call.
type cursor interface {
	next() (*line, error)
}

// memory is a cursor over sorted lines at hand.
type memory struct{ lines []line }

func (m *memory) next() (*line, error) {
	if len(m.lines) == 0 {
		return nil, io.EOF
	}
	l := &m.lines[0]
	m.lines = m.lines[1:]
	return l, nil
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
		l, err := c.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			continue
		}
		if err != nil {
			return nil, err
		}
		m.heads = append(m.heads, head{l, c})
	}
	heap.Init(m)
	return m, nil
}

func (m *merge) next() (*line, error) {
	if m.primed {
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
	m.primed = len(m.heads) > 0
	if !m.primed {
		return nil, io.EOF
	}
	return m.heads[0].line, nil
}

// Len, Less, Swap, Push and Pop are for container/heap.

func (m *merge) Len() int           { return len(m.heads) }
func (m *merge) Less(i, j int) bool { return m.compare(m.heads[i].line, m.heads[j].line) < 0 }
func (m *merge) Swap(i, j int)      { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// Push is not used: heads are only taken away.
func (m *merge) Push(any) { panic("audit: merge.Push") }

// Pop takes the last head away.
func (m *merge) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}
