package audit

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// HourCount is how many lines of one source have their time within one hour.
type HourCount struct {
	// Hour is its beginning, in UTC.
	Hour         time.Time
	Node, Source string
	// Path is where the source lay.
	Path string
	// Lines are distinct by source and offset. Without counts in place of them
	// those that Leave leaves, Known those of Lines that Known knows.
	Lines, Without, Known int64
}

// HoursOptions says which lines Hours counts, and how.
type HoursOptions struct {
	Filter Filter
	// Leave gives a function for each goroutine that says which lines are not
	// to be counted as lines; nil is none. With it lines are read whole, without
	// it only where and when they are.
	Leave func() func(r *archive.Row, key string) bool
	// Known gives, for the key of an object, what says which of its rows count
	// as known too; nil is none. It must be safe for concurrent use.
	Known func(key string) func(row int) bool
	// Memory, Parallel, Warn and Progress are those of FindOptions.
	Memory   int64
	Parallel int
	Warn     func(error)
	Progress func(*FindReport)
}

// Hours counts the lines of the archive by hour and source and calls emit for
// each pair that has some: in the order of hour, node and source. The time of a
// line is Row.At, its identity source and offset, as in the index: repeats count
// once, with the time of the first. An hour is given as soon as no object that was
// not read can have lines of it, so that what is held are hours that are open. An
// error of emit ends it.
func Hours(ctx context.Context, store Store, o HoursOptions, emit func(HourCount) error) (FindReport, error) {
	h := &hours{o: o, emit: emit, open: map[hourKey]HourCount{}, finder: newFinder(store, FindOptions{
		Filter: o.Filter, Memory: o.Memory, Parallel: o.Parallel, Warn: o.Warn, Progress: o.Progress,
	})}
	h.look = h.count
	err := h.run(ctx)
	if err == nil && h.broken > 0 {
		err = &IncompleteError{Objects: h.broken}
	}
	h.report.Requests, h.report.BytesRead = h.store.requests.Load(), h.store.bytes.Load()
	return h.report, err
}

// hourKey is an hour, counted from 1970, and a source.
type hourKey struct {
	hour   int64
	source int32
}

const hourMillis = int64(time.Hour / time.Millisecond)

// hourNumber is the number of the hour that a time lies in, also before 1970.
func hourNumber(ms int64) int64 {
	n := ms / hourMillis
	if ms%hourMillis < 0 {
		n--
	}
	return n
}

// hours is one call of Hours.
type hours struct {
	*finder
	o    HoursOptions
	emit func(HourCount) error
	open map[hourKey]HourCount
}

func (h *hours) run(ctx context.Context) error {
	if err := h.survey(ctx); err != nil {
		return err
	}
	h.candidates = arrange(h.candidates, &h.sources)
	h.report.Candidates = len(h.candidates)
	next := 0
	err := h.inOrder(ctx, h.candidates, func(r *found) error {
		next++
		for key, n := range r.hours {
			all := h.open[key]
			all.Lines, all.Without, all.Known = all.Lines+n.Lines, all.Without+n.Without, all.Known+n.Known
			all.Path = n.Path
			h.open[key] = all
		}
		r.reset()
		if next < len(h.candidates) {
			return h.close(hourNumber(h.candidates[next].lo))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.close(hourNumber(archiveEnd) + 1)
}

// archiveEnd is later than any line.
const archiveEnd = int64(1)<<62 - 1

// close gives the hours before the given one.
func (h *hours) close(before int64) error {
	var done []hourKey
	for key := range h.open {
		if key.hour < before {
			done = append(done, key)
		}
	}
	// Sources are numbered in the order of their names.
	slices.SortFunc(done, func(a, b hourKey) int { return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.source, b.source)) })
	for _, key := range done {
		n := h.open[key]
		delete(h.open, key)
		name := h.sources.names[key.source]
		n.Hour, n.Node, n.Source = time.UnixMilli(key.hour*hourMillis).UTC(), name.node, name.id
		if err := h.emit(n); err != nil {
			return err
		}
	}
	return nil
}

// count takes the place of scan.
func (h *hours) count(ctx context.Context, r *found) error {
	known := func(int) bool { return false }
	if h.o.Known != nil {
		if fn := h.o.Known(r.c.key); fn != nil {
			known = fn
		}
	}
	leave := func(*archive.Row, string) bool { return false }
	if h.o.Leave != nil {
		leave = h.o.Leave()
	}
	return h.distinct(ctx, r, h.identities, func(keys map[rowKey]struct{}, others []map[rowKey]struct{}) error {
		s, err := h.selectRows(ctx, r.c, &h.query)
		if err != nil {
			return err
		}
		defer s.Close()
		meta := s.Meta()
		t := tally{lines: int64(meta.Lines), bytes: meta.RawBytes, pruned: s.Pruned()}
		r.hours = map[hourKey]HourCount{}
		add := func(row *archive.Row, rg *archive.Range, index int, offset, at int64) error {
			source := h.sources.of(rg.Source.Node, rg.Source.ID)
			if has(r.c.shared, stretch{source, offset, offset + 1}) && twice(identity(source, offset), keys, others) {
				t.duplicates++
				return ctx.Err()
			}
			key := hourKey{hourNumber(at), source}
			n, ok := r.hours[key]
			if !ok {
				n.Path = strings.Clone(rg.Source.Path)
			}
			switch {
			case row != nil && leave(row, r.c.key):
				n.Without++
			default:
				n.Lines++
				t.found++
				if known(index) {
					n.Known++
				}
			}
			r.hours[key] = n
			return ctx.Err()
		}
		if h.o.Leave == nil {
			err = s.Positions(func(p *archive.Position) error { return add(nil, p.Range, p.Row, p.Offset, p.At) })
		} else {
			err = s.Rows(func(row *archive.Row) error {
				return add(row, &archive.Range{Source: row.Source}, row.Index, row.Offset, row.At())
			})
		}
		if err == nil {
			h.finder.count(&t)
		}
		return err
	})
}

// identity is the key of a line by which the index knows it.
func identity(source int32, offset int64) rowKey {
	return rowKey{uint64(source), uint64(offset)} //nolint:gosec // bit patterns
}

// identities makes the set of a candidate by itself.
func (h *hours) identities(ctx context.Context, c *candidate) (keys map[rowKey]struct{}, err error) {
	q := h.query
	q.Range = func(r *archive.Range) bool { return h.query.Range(r) && h.shared(c, r) }
	return keys, Retry(ctx, func() error {
		keys = map[rowKey]struct{}{}
		s, err := h.selectRows(ctx, c, &q)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Positions(func(p *archive.Position) error {
			keys[identity(h.sources.of(p.Range.Source.Node, p.Range.Source.ID), p.Offset)] = struct{}{}
			return nil
		})
	})
}
