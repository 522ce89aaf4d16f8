package backfill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/elastic"
)

// unreadable is the reason of rows whose object cannot be read. It is kept with
// those that are rejected.
const unreadable = "unreadable"

// job is an object with the rows of it that are to be filled.
type job struct {
	key  string
	name archive.KeyInfo
	rows []gaps.Span // nil is all
	// choose gives the rows when the object is read; nil takes rows.
	choose func(*archive.Reader) ([]gaps.Span, error)
}

// done is what became of a job.
type done struct {
	*job
	filled  elastic.Filled // sums
	expired bool
	// left were not delivered, refused are not taken for what they hold. Both are
	// nil when everything is in the index.
	left    []gaps.Gap
	refused []gaps.Gap
	// untouched says that nothing was done at all.
	untouched bool
	err       error // ends the call
}

// fill does a job. It waits for an index that is busy.
func (e *Engine) fill(ctx context.Context, j *job) done {
	d := done{job: j}
	g, r, err := e.read(ctx, j)
	switch {
	case errors.Is(err, sinks.ErrNotFound):
		d.expired = true
		return d
	case errors.Is(err, archive.ErrCorrupt), errors.Is(err, archive.ErrVersion):
		e.o.Warn(fmt.Errorf("%s: %w; its lines stay in the ledger of gaps: see loghaul audit verify", j.key, err))
		return d.unreadable()
	case err != nil:
		d.untouched, d.err = true, err
		return d
	}
	rows, err := j.spans(r)
	if err != nil {
		e.o.Warn(fmt.Errorf("%s: %w", j.key, err))
		return d.unreadable()
	}
	spans := clip(rows, g.Lines)
	for failures := 1; len(spans) > 0; failures++ {
		f, err := e.o.Index.Fill(ctx, g, spans)
		took := d.add(f)
		e.o.Progress.Done.Add(int64(took))
		spans = nil
		d.left = nil
		for _, l := range f.Left {
			g := gaps.Gap{Key: j.key, Rows: gaps.Span{First: l.FirstRow, Last: l.LastRow}, Lines: l.Lines, Reason: l.Reason}
			if gaps.SlotOf(j.name, l.Reason).Rejected {
				d.refused = append(d.refused, g)
				continue
			}
			d.left = append(d.left, g)
			spans = append(spans, elastic.Span(g.Rows))
		}
		if err == nil {
			e.took()
			return d
		}
		if took > 0 {
			e.took()
			failures = 1
		}
		switch {
		case errors.Is(err, elastic.ErrPushback), errors.Is(err, elastic.ErrUnavailable):
			err = e.wait(ctx, failures, err)
		case ctx.Err() == nil:
			e.o.Warn(fmt.Errorf("%s: %w; its lines stay in the ledger of gaps: see loghaul audit verify", j.key, err))
			return d.unreadable()
		}
		if err != nil {
			d.err = err
			d.untouched = d.filled.Indexed+d.filled.Exists+d.filled.Excluded+len(d.refused) == 0
			return d
		}
	}
	return d
}

// add sums up, and gives how many lines f is about.
func (d *done) add(f elastic.Filled) int {
	s := &d.filled
	s.Indexed += f.Indexed
	s.Exists += f.Exists
	s.Excluded += f.Excluded
	s.Rejected += f.Rejected
	return f.Indexed + f.Exists + f.Excluded + f.Rejected
}

// unreadable is the result of an object that cannot be read.
func (d *done) unreadable() done {
	d.left = nil
	rows := d.rows
	if rows == nil {
		rows = []gaps.Span{{First: 0, Last: archive.MaxLines - 1}}
	}
	for _, s := range rows {
		d.refused = append(d.refused, gaps.Gap{Key: d.key, Rows: s, Reason: unreadable})
	}
	return *d
}

// read gives the object as the index takes it.
func (e *Engine) read(ctx context.Context, j *job) (*sinks.Group, *archive.Reader, error) {
	var body []byte
	err := audit.Retry(ctx, func() (err error) {
		body, err = e.o.Archive.Get(ctx, j.key)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(body)
	if !j.name.Matches(sum) {
		return nil, nil, fmt.Errorf("%w: its content does not have the checksum in its name", archive.ErrCorrupt)
	}
	r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, nil, err
	}
	m := r.Meta()
	return &sinks.Group{Key: j.key, Body: body, SHA256: sum, Lines: m.Lines, RawBytes: m.RawBytes}, r, nil
}

func (j *job) spans(r *archive.Reader) ([]gaps.Span, error) {
	if j.choose != nil {
		return j.choose(r)
	}
	return j.rows, nil
}

// clip gives the rows that an object of so many lines has; nil is all.
func clip(rows []gaps.Span, lines int) []elastic.Span {
	if rows == nil {
		rows = []gaps.Span{{First: 0, Last: lines - 1}}
	}
	var out []elastic.Span
	for _, s := range rows {
		if s.Last = min(s.Last, lines-1); s.First <= s.Last {
			out = append(out, elastic.Span(s))
		}
	}
	return out
}
