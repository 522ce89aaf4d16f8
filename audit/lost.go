package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/archive"
)

// Lost is a stretch of a source that its forwarder declared as lost.
type Lost struct {
	Span
	// Lines is how many lines they were, 0 if nobody knows. Where it is the
	// length of the range, the range counts lines and not bytes.
	Lines int64 `json:"lines"`
	// Reason is the forwarder's.
	Reason string `json:"reason"`
}

func (l *Lost) counted() bool { return l.Lines == l.To-l.From }

// Bytes is how many bytes were lost, 0 where lines were counted.
func (l *Lost) Bytes() int64 {
	if l.counted() {
		return 0
	}
	return l.To - l.From
}

// lose takes in a loss.
func (c *coverage) lose(l *archive.Loss) {
	c.last(l.Source.Path, l.To)
	c.losses = append(c.losses, Lost{Span{l.From, l.To}, l.Lines, strings.Clone(l.Reason)})
}

// settle says what of the declared losses is lost, and what of it went to
// another source. What is archived is not lost, and nothing is lost twice.
// known is what is archived, lost or joined, in order.
func settle(losses []Lost, archived []Span) (lost []Lost, joined, known []Span) {
	slices.SortFunc(losses, func(a, b Lost) int {
		// What was joined first: it is there.
		if x, y := a.Reason == archive.Joined, b.Reason == archive.Joined; x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(b.Lines, a.Lines), strings.Compare(a.Reason, b.Reason))
	})
	lost, known = []Lost{}, slices.Clone(archived)
	for _, l := range losses {
		for _, piece := range without(l.Span, known) {
			if l.Reason == archive.Joined {
				joined = append(joined, piece)
				continue
			}
			lost = appendLost(lost, l, piece)
		}
		known = with(known, l.Span)
	}
	return lost, joined, known
}

// appendLost appends a piece of a loss, to the last one if that is alike.
func appendLost(lost []Lost, l Lost, piece Span) []Lost {
	switch {
	case piece == l.Span:
	case l.counted():
		l.Lines = piece.To - piece.From
	default:
		l.Lines = 0 // nobody knows which they were
	}
	l.Span = piece
	if n := len(lost); n > 0 {
		last := &lost[n-1]
		if last.To == l.From && last.Reason == l.Reason && last.counted() == l.counted() && (last.Lines == 0) == (l.Lines == 0) {
			last.To, last.Lines = l.To, last.Lines+l.Lines
			return lost
		}
	}
	return append(lost, l)
}

// without gives what of s is not in spans, which are in order.
func without(s Span, spans []Span) (pieces []Span) {
	i, _ := slices.BinarySearchFunc(spans, s.From, func(sp Span, from int64) int { return cmp.Compare(sp.To, from) })
	for ; i < len(spans) && spans[i].From < s.To; i++ {
		if spans[i].From > s.From {
			pieces = append(pieces, Span{s.From, spans[i].From})
		}
		s.From = max(s.From, spans[i].To)
	}
	if s.From < s.To {
		pieces = append(pieces, s)
	}
	return pieces
}

// with adds s to spans, which stay in order and do not touch each other.
func with(spans []Span, s Span) []Span {
	i, _ := slices.BinarySearchFunc(spans, s.From, func(sp Span, from int64) int { return cmp.Compare(sp.To, from) })
	j := i
	for ; j < len(spans) && spans[j].From <= s.To; j++ {
		s.From, s.To = min(s.From, spans[j].From), max(s.To, spans[j].To)
	}
	return slices.Replace(spans, i, j, s)
}
