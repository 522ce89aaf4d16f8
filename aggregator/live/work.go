package live

import (
	"context"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser/filter"
)

// worker is what the goroutine that reads batches has for itself.
type worker struct {
	scanner *archive.Scanner
	decoder *wire.Decoder
	render  func([]byte, *archive.Row) []byte // nil without a Renderer
	pace    pace
	raw     []byte // memory of a batch
	object  []byte // and of a line
	message []byte
	line    filter.Line
	readers []*reader
}

const (
	// tendEvery is how long a line waits for others at most.
	tendEvery = 100 * time.Millisecond
	// lookEvery is how many lines are read between two looks at the clock.
	lookEvery = 64
	// keptRaw bounds the memory that is kept from one batch to the next.
	keptRaw = 4 << 20
)

// work looks at batches while there are readers.
func (v *View) work(ctx context.Context) {
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	for {
		wait := time.Hour
		if v.active.Load() > 0 {
			wait = tendEvery
		} else {
			v.rest()
		}
		tick.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-v.wake:
		case it := <-v.queue:
			v.queued.Add(-int64(len(it.payload)))
			v.batch(ctx, it)
			v.tend()
		case <-tick.C:
			v.tend()
		}
	}
}

// rest forgets what only readers need.
func (v *View) rest() {
	for {
		select {
		case it := <-v.queue:
			v.queued.Add(-int64(len(it.payload)))
		default:
			w := &v.worker
			w.raw, w.object, w.message, w.line, w.readers = nil, nil, nil, filter.Line{}, nil
			return
		}
	}
}

// batch reads a batch for all readers.
func (v *View) batch(ctx context.Context, it item) {
	w := &v.worker
	start := time.Now()
	defer func() {
		clear(w.readers)
		if cap(w.raw) > keptRaw {
			w.raw = nil
		}
	}()
	v.mu.Lock()
	w.readers = w.readers[:0]
	for _, r := range v.readers {
		w.readers = append(w.readers, r)
	}
	v.mu.Unlock()
	h, err := wire.DecodeHeader(it.header)
	if err == nil && h.Lost == "" {
		w.raw, err = w.decoder.Decode(w.raw, &h, it.payload)
	}
	if err != nil || h.Lost != "" {
		return // the window has taken it, so it is right, or a loss
	}
	one := [1]archive.Batch{{Header: h, Raw: w.raw}}
	if m := v.deps.Masker; m != nil {
		m.Mask(one[:])
	}
	lines := 0
	err = w.scanner.Scan(&one[0], func(row *archive.Row) error {
		v.look(row, lines == 0)
		if lines++; lines%lookEvery == 0 {
			start = v.pause(ctx, start)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		v.leave(h.Records - lines)
		v.deps.Logger.Error("readers do not see the rest of a batch; its lines are archived as any others: please report this", "error", err)
	}
	v.pause(ctx, start)
}

// look gives a line to the readers whose filters it passes.
func (v *View) look(row *archive.Row, first bool) {
	w := &v.worker
	if first {
		row.Line(&w.line) // where the batch comes from is the same for all of its lines
	}
	w.line.Record, w.line.Header, w.line.Raw = row.Record, &row.Header, row.Message
	w.object, w.message = w.object[:0], w.message[:0]
	for _, r := range w.readers {
		if r.matcher != nil && !r.matcher.Match(&w.line) {
			continue
		}
		var object, message []byte
		if r.ask.JSON {
			if len(w.object) == 0 {
				w.object = w.render(w.object, row)
			}
			object = w.object
		}
		if r.ask.Raw {
			if len(w.message) == 0 {
				w.message = append(w.message, row.Message...)
				if row.Ends() {
					w.message = append(w.message, '\n')
				}
			}
			message = w.message
		}
		v.add(r, row.Source.ID, row.Offset, object, message)
	}
}

// pause counts the time since start as worked, rests as long as the share of a
// core demands, and gives the time after that.
func (v *View) pause(ctx context.Context, start time.Time) time.Time {
	end := time.Now()
	v.seconds.Add(end.Sub(start).Seconds())
	d := v.worker.pace.worked(start, end)
	if d <= 0 {
		return end
	}
	v.tend()                  // nobody waits for what was found already
	_ = backoff.Sleep(ctx, d) // the caller sees the end
	return time.Now()
}

// pace keeps work to a share of the time. What the machine takes away while
// working counts as work, so that a busy machine is left alone.
type pace struct {
	share float64
	debt  time.Duration // work that was not rested for yet
	last  time.Time     // when debt was counted
}

// atOnce is how much may be worked without a rest.
const atOnce = 2 * time.Millisecond

// worked counts the time from start to end as work and says how long to rest.
func (p *pace) worked(start, end time.Time) time.Duration {
	if !p.last.IsZero() {
		p.debt -= time.Duration(p.share * float64(end.Sub(p.last)))
	}
	p.last = end
	p.debt = max(p.debt, 0) + end.Sub(start)
	if p.debt < atOnce || p.share >= 1 {
		return 0
	}
	return time.Duration(float64(p.debt) / p.share)
}
