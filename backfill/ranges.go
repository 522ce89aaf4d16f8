package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
)

// Range indexes all lines whose time is within the filter's, [From, To), whatever
// the ledger says, and leaves the ledger as it is. The time of a line is that of its
// event, or else when the forwarder read it: its @timestamp in the index. The report
// says what was done also when the error is not nil.
func (e *Engine) Range(ctx context.Context, f audit.Filter) (Report, error) {
	e.report, e.last = Report{Left: map[string]int64{}}, time.Now()
	var jobs []*job
	lines := map[string]int64{}
	err := audit.Ls(ctx, e.o.Archive, f, e.o.Warn, func(o audit.Object) error {
		name, err := archive.ParseKey(o.Key)
		if err != nil || o.Lines == 0 {
			return err
		}
		jobs = append(jobs, &job{key: o.Key, name: name, choose: func(r *archive.Reader) ([]gaps.Span, error) { return within(r, f) }})
		lines[o.Key] = int64(o.Lines)
		e.o.Progress.Lines.Add(int64(o.Lines))
		return nil
	})
	if incomplete, ok := errors.AsType[*audit.IncompleteError](err); ok {
		e.report.Left["objects that cannot be read"] = int64(incomplete.Objects)
	} else if err != nil {
		return e.report, err
	}
	return e.report, e.all(ctx, jobs, func(d *done) {
		took := int64(d.filled.Indexed + d.filled.Exists + d.filled.Excluded + d.filled.Rejected)
		e.o.Progress.Lines.Add(took - lines[d.key]) // the others are of another time
		if d.untouched {
			e.left("not delivered", lines[d.key])
			return
		}
		e.count(d, 0)
		e.report.Lines += took
		for _, g := range d.left {
			e.report.Lines += int64(g.Lines)
			e.left("not delivered", int64(g.Lines))
		}
		for _, g := range d.refused {
			e.left(g.Reason, int64(max(g.Lines, 1)))
		}
	})
}

// within gives the rows of an object that the filter's times select; nil is all.
func within(r *archive.Reader, f audit.Filter) ([]gaps.Span, error) {
	q := &archive.Query{}
	q.From, q.To = archive.AnyTime()
	if !f.From.IsZero() {
		q.From = f.From.UnixMilli()
	}
	if !f.To.IsZero() {
		q.To = f.To.UnixMilli()
	}
	s, err := r.Select(q)
	if err != nil {
		return nil, fmt.Errorf("selecting rows by time: %w", err)
	}
	defer s.Close()
	rows := []gaps.Span{}
	err = s.Runs(func(first, last int) { rows = append(rows, gaps.Span{First: first, Last: last}) })
	return rows, err
}

// all does jobs, several at once, and calls take for each that was begun, one at a
// time. After an error no other one begins.
func (e *Engine) all(ctx context.Context, jobs []*job, take func(*done)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next, results := make(chan *job), make(chan done)
	var workers sync.WaitGroup
	for range min(e.o.Parallel, len(jobs)) {
		workers.Go(func() {
			for j := range next {
				results <- e.fill(ctx, j)
			}
		})
	}
	go func() {
		defer close(results)
		defer workers.Wait()
		defer close(next)
		for i, j := range jobs {
			select {
			case next <- j:
			case <-ctx.Done():
				for _, j := range jobs[i:] {
					results <- done{job: j, untouched: true}
				}
				return
			}
		}
	}()
	for d := range results {
		if d.err != nil {
			cancel(d.err)
		}
		take(&d)
	}
	return context.Cause(ctx)
}
