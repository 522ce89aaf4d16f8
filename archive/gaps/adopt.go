package gaps

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// Object is an object of the archive.
type Object struct {
	Key    string
	Sealed time.Time
	Size   int64
}

// Objects lists what a writer has sealed within [from, to), in the order of time.
func (l *Ledger) Objects(ctx context.Context, writer string, from, to time.Time) ([]Object, error) {
	var out []Object
	for hour := hourOf(from); hour*hourMillis < to.UnixMilli(); hour++ {
		s := Slot{Writer: writer, Hour: hour}
		err := l.store.List(ctx, archive.HourPrefix(s.Start())+writer+"-", func(i Info) error {
			k, err := archive.ParseKey(i.Key)
			if err == nil && k.Writer == writer && !k.Sealed.Before(from) && k.Sealed.Before(to) {
				out = append(out, Object{i.Key, k.Sealed, i.Size})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the objects of %s: %w", writer, err)
		}
	}
	slices.SortStableFunc(out, func(a, b Object) int { return a.Sealed.Compare(b.Sealed) })
	return out, nil
}

// Adopt makes gaps of what a run of a writer left open that has ended without a
// word: of everything that it sealed from the watermark of its heartbeats on, before
// until. It gives the lines of that.
//
// If gone, nothing of that run can work any more. Then the heartbeats are removed, and
// objects that turn up yet are among the gaps: a request may outlive its process. Else
// it may live after all, and just not be able to say so: then a heartbeat stays, with
// a later watermark, until nothing was sealed for an hour.
func (l *Ledger) Adopt(ctx context.Context, beats []Beat, until, made time.Time, gone bool) (lines int64, err error) {
	b := beats[0]
	for _, o := range beats {
		b.Since, b.At = earlier(b.Since, o.Since), later(b.At, o.At)
	}
	from := b.Since.UTC().Truncate(time.Millisecond)
	if least := b.At.Add(time.Minute); until.Before(least) {
		until = least // the clock was set back since
	}
	objects, err := l.Objects(ctx, b.Writer, from, until)
	if err != nil {
		return 0, err
	}
	known := map[int64]int64{}
	for _, o := range objects {
		known[hourOf(o.Sealed)] += l.lines(ctx, o)
	}
	last := hourOf(until.Add(-lateness))
	for hour := hourOf(from); hour*hourMillis < until.UnixMilli(); hour++ {
		n, some := known[hour]
		if !some && (!gone || hour < last) {
			continue // nothing was stored, and nothing will be
		}
		slot := Slot{Writer: b.Writer, Hour: hour}
		start, end := slot.bounds()
		e := Entry{From: max(start, from.UnixMilli()), To: min(end, until.UnixMilli()), Lines: n, Reason: Killed, At: made.UnixMilli()}
		if e.From >= e.To {
			continue
		}
		if _, err := l.Write(ctx, slot, []Entry{e}, made); err != nil {
			return lines, err
		}
		lines += n
	}
	stays := !gone && (len(objects) > 0 || until.Sub(b.At) < lateness)
	if stays {
		b.Since = later(b.Since, until.Add(-overlap))
		if err := l.Beat(ctx, b); err != nil {
			return lines, err
		}
	}
	for _, o := range beats {
		if stays && o.name() == b.name() {
			continue
		}
		if err := l.Forget(ctx, o); err != nil {
			return lines, err
		}
	}
	return lines, nil
}

const (
	// lateness is how long after its window was sealed an object may still appear.
	lateness = time.Hour
	// overlap is how much of a time is looked at again, for requests that were
	// under way.
	overlap = 2 * time.Minute
)

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// lines counts those of an object. It is for show: 0 if it cannot be read.
func (l *Ledger) lines(ctx context.Context, o Object) int64 {
	r, err := archive.Open(readerAt{ctx, l.store, o.Key}, o.Size)
	if err != nil {
		return 0
	}
	return int64(r.Meta().Lines)
}

// readerAt reads one object.
type readerAt struct {
	ctx   context.Context //nolint:containedctx // lives as long as one read of a footer
	store Store
	key   string
}

var _ io.ReaderAt = readerAt{}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	return r.store.ReadAt(r.ctx, r.key, p, off)
}
