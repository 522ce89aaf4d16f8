package audit

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/loghaul/loghaul/archive"
)

// found is what one object gave.
type found struct {
	c     *candidate
	lines []segment             // each a line
	arena arena                 // their bytes
	cost  int64                 // of lines, in memory
	hours map[hourKey]HourCount // in place of lines, see Hours
	err   error
	ready chan struct{}
}

// reset forgets what was found so far.
func (r *found) reset() { r.lines, r.cost, r.arena, r.hours = nil, 0, arena{}, nil }

// stream gives the wanted lines to emit, at most limit of them; 0 is all. They
// come in the order of time, or backwards from the last one: then candidates
// come so, too. idle is called when lines are waited for.
func (f *finder) stream(ctx context.Context, candidates []*candidate, back bool, limit int64, emit func(*segment) error, idle func() error) (err error) {
	f.compare = byTime
	if back {
		f.compare = backwards
	}
	pending := newTimeline(f.compare, f.o.Memory/2, f.o.TempDir)
	defer func() { err = errors.Join(err, pending.close()) }()
	left := limit
	take := func(l *segment) error {
		if err := emit(l); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	}
	next := 0
	err = f.inOrder(ctx, candidates, func(r *found) error {
		next++
		if err := pending.add(r.lines, r.cost); err != nil {
			return err
		}
		r.reset()
		var until *segment // the first that the next candidate can have
		if next < len(candidates) {
			if until = (&segment{at: candidates[next].lo, source: -1}); back {
				until = &segment{at: candidates[next].hi, source: math.MaxInt32}
			}
		}
		if err := pending.until(until, take); err != nil {
			return err
		}
		return idle()
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, idle())
}

// tail writes the last lines: it goes through the objects from the newest to the
// oldest, and then turns the lines round.
func (f *finder) tail(ctx context.Context, out *bufio.Writer) (err error) {
	last := slices.Clone(f.candidates)
	slices.SortFunc(last, func(a, b *candidate) int { return cmp.Or(cmp.Compare(b.hi, a.hi), cmp.Compare(b.order, a.order)) })
	turned := newSorter(f.o.Memory/4, f.o.TempDir)
	turned.order = byTime
	defer func() { err = errors.Join(err, turned.close()) }()
	err = f.stream(ctx, last, true, f.o.Tail, func(l *segment) error {
		return turned.add(line{raw: l.text, offset: l.offset, at: l.at, source: l.source, noLF: true})
	}, func() error { return nil })
	if err != nil {
		return err
	}
	in, err := turned.sorted()
	if err != nil {
		return err
	}
	for {
		l, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return nil
		}
		if err == nil {
			err = f.write(out, l)
		}
		if err != nil {
			return err
		}
	}
}

// inOrder scans candidates, several at once, and calls use for each in their
// order.
func (f *finder) inOrder(ctx context.Context, candidates []*candidate, use func(*found) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *found, f.o.Parallel)
	room := newRoom(ctx, f.o.Memory)
	pool := newPool(ctx, f.o.Parallel)
	go func() {
		defer close(queue)
		for _, c := range candidates {
			if !room.take(c.raw) {
				return
			}
			r := &found{c: c, ready: make(chan struct{})}
			queue <- r
			if err := pool.run(func() error {
				defer close(r.ready)
				r.err = f.look(ctx, r)
				return nil
			}); err != nil {
				r.err = err
				close(r.ready)
				return
			}
		}
	}()
	var err error
	for r := range queue {
		<-r.ready
		if err != nil {
			continue // all end now
		}
		if err = r.err; err != nil {
			r.reset()
			err = f.failed(ctx, r.c.key, err)
		}
		if err == nil {
			err = use(r)
		}
		room.give(r.c.raw)
		f.progress()
		if err != nil {
			cancel()
		}
	}
	cancel()
	err = errors.Join(err, pool.wait())
	return err
}

// scan finds the lines of one object. It puts them into r in their order.
func (f *finder) scan(ctx context.Context, r *found) error {
	var renderer render
	if f.o.Render != nil {
		renderer = f.borrow()
		defer f.giveBack(renderer)
	}
	return f.distinct(ctx, r, f.keysOf, func(keys map[rowKey]struct{}, others []map[rowKey]struct{}) error {
		return f.scanOnce(ctx, r, keys, others, renderer)
	})
}

// distinct calls once, again where that may help, with the lines that earlier
// candidates share with that of r, and a set for those that r shares with others.
// keysOf makes the set of another candidate.
func (f *finder) distinct(ctx context.Context, r *found, keysOf func(context.Context, *candidate) (map[rowKey]struct{}, error), once func(keys map[rowKey]struct{}, others []map[rowKey]struct{}) error) (err error) {
	c := r.c
	var keys map[rowKey]struct{}
	if !c.last && f.holder.begin(c) {
		defer func() { f.holder.end(c, keys, err) }()
	}
	var others []map[rowKey]struct{}
	for _, a := range c.earlier {
		set, err := f.holder.get(a, func() (map[rowKey]struct{}, error) { return keysOf(ctx, a) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil: // otherwise a is unreadable, as is said in its turn
			others = append(others, set)
		}
	}
	return Retry(ctx, func() error {
		r.reset()
		keys = map[rowKey]struct{}{}
		return once(keys, others)
	})
}

func (f *finder) scanOnce(ctx context.Context, r *found, keys map[rowKey]struct{}, others []map[rowKey]struct{}, renderer render) error {
	s, err := f.selectRows(ctx, r.c, &f.query)
	if err != nil {
		return err
	}
	defer s.Close()
	meta := s.Meta()
	t := tally{lines: int64(meta.Lines), bytes: meta.RawBytes, pruned: s.Pruned()}
	if f.counts() {
		n, err := s.Count()
		if err != nil {
			return err
		}
		if t.found = int64(n); len(r.c.shared) > 0 {
			s.Keep(func(g *archive.Range) bool { return f.shared(r.c, g) })
		} else {
			f.count(&t)
			return nil
		}
	}
	var text []byte
	err = f.rows(s, func(row *archive.Row, cells []byte) error {
		source := f.sources.of(row.Source.Node, row.Source.ID)
		if has(r.c.shared, stretch{source, row.Offset, row.Offset + 1}) {
			if twice(f.holder.key(source, row), keys, others) {
				t.duplicates++
				return nil
			}
		}
		if f.counts() {
			return nil
		}
		t.found++
		if text = append(text[:0], cells...); cells == nil {
			text = renderer(text, row)
		}
		r.lines = append(r.lines, segment{text: r.arena.keep(text, false), at: row.At(), offset: row.Offset, source: source, lines: 1})
		r.cost += int64(len(text)) + segmentCost
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	sort.Sort(&inOrder{r.lines, f.compare})
	if f.counts() {
		t.found -= t.duplicates
	}
	f.count(&t)
	return nil
}

// twice notes a line and reports whether it was there already.
func twice(key rowKey, keys map[rowKey]struct{}, others []map[rowKey]struct{}) bool {
	_, there := keys[key]
	keys[key] = struct{}{}
	return there || slices.ContainsFunc(others, func(o map[rowKey]struct{}) bool { _, ok := o[key]; return ok })
}

// rows calls fn for the rows of s, with their values if these are wanted.
func (f *finder) rows(s *archive.Selection, fn func(row *archive.Row, cells []byte) error) error {
	switch {
	case f.o.schema != nil:
	case f.o.Lines:
		return s.Lines(func(row *archive.Row) error { return fn(row, nil) })
	default:
		return s.Rows(func(row *archive.Row) error { return fn(row, nil) })
	}
	var framed []byte
	return s.Cells(f.o.schema, func(row *archive.Row, cells []byte) error {
		framed = append(binary.AppendUvarint(framed[:0], uint64(len(cells))), cells...)
		return fn(row, framed)
	})
}

// shared reports whether another candidate, or c itself again, has bytes of a
// range of c.
func (f *finder) shared(c *candidate, r *archive.Range) bool {
	return has(c.shared, stretch{f.sources.of(r.Source.Node, r.Source.ID), r.From, r.To})
}

// keysOf makes the set of a candidate by itself.
func (f *finder) keysOf(ctx context.Context, c *candidate) (keys map[rowKey]struct{}, err error) {
	q := f.query
	q.Range = func(r *archive.Range) bool { return f.query.Range(r) && f.shared(c, r) }
	return keys, Retry(ctx, func() error {
		keys = map[rowKey]struct{}{}
		s, err := f.selectRows(ctx, c, &q)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Lines(func(row *archive.Row) error {
			keys[f.holder.key(f.sources.of(row.Source.Node, row.Source.ID), row)] = struct{}{}
			return nil
		})
	})
}

// selectRows opens a candidate, unless the survey has, and asks it.
func (f *finder) selectRows(ctx context.Context, c *candidate, q *archive.Query) (*archive.Selection, error) {
	f.mu.Lock()
	r := c.reader
	c.reader = nil
	f.mu.Unlock()
	if r == nil {
		var err error
		if r, err = f.open(ctx, c); err != nil {
			return nil, err
		}
	}
	return r.Select(q)
}
