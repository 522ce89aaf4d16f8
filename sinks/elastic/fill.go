package elastic

import (
	"context"
	"errors"
	"fmt"
	"time"

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
// What is in the data stream already, in whatever backing index, is not sent.
// The error matches ErrPushback or ErrUnavailable, is ctx's, or says that the
// object can't be read; the result says what happened until then. Deps.Gap is
// not told. Fill may be called from several goroutines.
func (s *Sink) Fill(ctx context.Context, g *sinks.Group, rows []Span) (Filled, error) {
	f, ok := s.fillers.Get().(*sender)
	if !ok {
		f = newSender(s)
	}
	defer s.fillers.Put(f)
	a := &filling{key: g.Key, sample: func(row int, why *item) { s.sample(g.Key, row, why) }}
	f.account, f.expires, f.low = a, time.Time{}, true
	reason, err := f.send(ctx, g, rows)
	for result, n := range map[string]int{"indexed": a.Indexed, "exists": a.Exists, "excluded": a.Excluded, "rejected": a.Rejected} {
		s.reg.Counter(metricFilled, result).Add(n)
	}
	switch {
	case err != nil:
		return a.Filled, fmt.Errorf("filling from %s: %w", g.Key, err)
	case ctx.Err() != nil && len(a.Left) > a.Rejected:
		return a.Filled, ctx.Err()
	case reason == dropOverloaded:
		return a.Filled, s.because(ErrPushback)
	case reason != "":
		return a.Filled, s.because(ErrUnavailable)
	}
	return a.Filled, nil
}

// because adds the last failure to an error.
func (s *Sink) because(err error) error {
	if cause := s.health.cause(); cause != "" {
		return fmt.Errorf("index %s: %w: %s", s.cfg.URL, err, cause)
	}
	return fmt.Errorf("index %s: %w", s.cfg.URL, err)
}

// filling is the account of rows that Fill was given.
type filling struct {
	Filled
	key    string
	sample func(row int, why *item)
}

func (f *filling) indexed(n int)   { f.Indexed += n }
func (f *filling) exists(n int)    { f.Exists += n }
func (f *filling) excluded(string) { f.Excluded++ }

func (f *filling) rejected(row int, why *item) {
	f.Rejected++
	f.dropped(row, row, reasonRejected)
	f.sample(row, why)
}

func (f *filling) dropped(first, last int, reason string) {
	if n := len(f.Left) - 1; n >= 0 && f.Left[n].Reason == reason && f.Left[n].LastRow+1 == first {
		f.Left[n].LastRow, f.Left[n].Lines = last, f.Left[n].Lines+last-first+1
		return
	}
	f.Left = append(f.Left, Gap{Key: f.key, FirstRow: first, LastRow: last, Lines: last - first + 1, Reason: reason})
}
