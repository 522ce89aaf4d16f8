package audit

import (
	"bytes"
	"cmp"
)

// line is one archived record with its identity, on its way into a sorter.
type line struct {
	raw    []byte // without LF
	offset int64
	at     int64 // time in Unix milliseconds; 0 where the order is another one
	source int32 // index into sorter.sources
	noLF   bool  // no LF follows, or raw is no line: it stays by itself
}

// segment is lines of one source that follow each other: the bytes of all of
// them lie together as they are printed, each line ends with an LF and has no
// other, and begins where the one before it ends. Or it is one line, of any
// bytes. Most lines never become more than a part of a segment: its lines are
// told apart only where another one has lines at the same offsets.
type segment struct {
	text   []byte
	offset int64 // of the first line
	at     int64 // as that of line
	source int32
	lines  int32
}

// segmentCost is what a segment costs in memory besides its bytes.
const segmentCost = 64

// end is an offset at and behind which no line of the segment begins.
func (g *segment) end() int64 {
	if g.lines == 1 {
		return g.offset + 1 // it may stand for more or less bytes than it has
	}
	return g.offset + int64(len(g.text))
}

// first gives the first line.
func (g *segment) first() []byte {
	if g.lines == 1 {
		return g.text
	}
	return g.text[:bytes.IndexByte(g.text, '\n')+1]
}

// cut gives the lines that begin before an offset behind that of the first
// line, and those that do not, if any. The segment has several lines and ends
// behind the offset.
func (g *segment) cut(at int64) (before, rest segment) {
	n := int(at - g.offset)
	n += bytes.IndexByte(g.text[n-1:], '\n')
	before, rest = *g, *g
	before.text, rest.text = g.text[:n], g.text[n:]
	before.lines = int32(bytes.Count(before.text, []byte{'\n'})) //nolint:gosec // at most those of g
	rest.offset += int64(n)
	rest.lines -= before.lines
	return before, rest
}

// compare is the order of segments of one source by their first lines: offset,
// bytes.
func (g *segment) compare(o *segment) int {
	if c := cmp.Compare(g.offset, o.offset); c != 0 {
		return c
	}
	return bytes.Compare(g.first(), o.first())
}

// inOrder sorts segments. slices.SortFunc would copy both of them to the heap
// for each comparison.
type inOrder struct {
	segments []segment
	compare  func(a, b *segment) int
}

func (s *inOrder) Len() int           { return len(s.segments) }
func (s *inOrder) Swap(i, j int)      { s.segments[i], s.segments[j] = s.segments[j], s.segments[i] }
func (s *inOrder) Less(i, j int) bool { return s.compare(&s.segments[i], &s.segments[j]) < 0 }
