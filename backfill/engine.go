package backfill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/elastic"
)

// Index takes rows of archived objects: a sinks/elastic.Sink.
type Index interface {
	Fill(ctx context.Context, g *sinks.Group, rows []elastic.Span) (elastic.Filled, error)
}

// Options are what an Engine works with.
type Options struct {
	Archive audit.Store
	Ledger  *gaps.Ledger
	Index   Index
	// Parallel is how many objects are filled at once; 0 is 1.
	Parallel int
	// Patience is how long an index that does not answer is waited for, BusyPatience
	// one that pushes back and takes nothing; 0 is not at all.
	Patience, BusyPatience time.Duration
	// First and Max bound the waits between attempts, see backoff.Delay; 0 is half
	// a second and half a minute.
	First, Max time.Duration
	// Settle is how long after its end a stretch of time is left alone, because
	// objects of it may still turn up.
	Settle time.Duration
	// Dead is the age at which a heartbeat is taken for one of the dead, by the
	// store's clock; 0 leaves all of them alone.
	Dead time.Duration
	// Checkpoint is how often what is done of a gap file is taken off the ledger; 0
	// is 20 seconds.
	Checkpoint time.Duration
	// Want selects gap files; nil is all.
	Want func(gaps.File) bool
	// Warn gets each thing that is wrong and does not end the call. It must be
	// safe for concurrent use.
	Warn func(error)
	// Progress is kept up to date; it may be nil.
	Progress *Progress
}

// Engine fills gaps. One call at a time may run.
type Engine struct {
	o      Options
	report Report

	mu   sync.Mutex
	last time.Time // when the index took something
}

// New makes an Engine.
func New(o Options) *Engine {
	o.Parallel = max(o.Parallel, 1)
	if o.Checkpoint == 0 {
		o.Checkpoint = 20 * time.Second
	}
	if o.First == 0 {
		o.First = 500 * time.Millisecond
	}
	if o.Max == 0 {
		o.Max = 30 * time.Second
	}
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	return &Engine{o: o}
}

// errGivenUp ends a call: the index takes nothing.
var errGivenUp = errors.New("the index takes nothing")

// Heal fills the gaps of the ledger. The report says what was done also when the
// error is not nil: then the index or the archive cannot be used, or ctx ended. What
// stays in the ledger is Report.Left.
func (e *Engine) Heal(ctx context.Context) (Report, error) {
	e.report, e.last = Report{Left: map[string]int64{}}, time.Now()
	s, err := e.o.Ledger.Survey(ctx)
	if err != nil {
		return e.report, err
	}
	if adopted, err := e.adopt(ctx, s); err != nil {
		return e.report, err
	} else if adopted {
		if s, err = e.o.Ledger.Survey(ctx); err != nil {
			return e.report, err
		}
	}
	for _, key := range s.Foreign {
		e.o.Warn(fmt.Errorf("%s: there is no such file in a gap ledger; it is left alone: take it away", key))
	}
	slots := map[gaps.Slot][]gaps.File{}
	for _, f := range s.Files {
		if e.o.Want == nil || e.o.Want(f) {
			slots[f.Slot] = append(slots[f.Slot], f)
			e.report.Files++
			e.report.Lines += f.Lines
		}
	}
	e.o.Progress.Lines.Store(e.report.Lines)
	// In a random order: who else heals begins elsewhere.
	order := make([]gaps.Slot, 0, len(slots))
	for slot := range slots {
		order = append(order, slot)
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for i, slot := range order {
		if err := e.slot(ctx, slot, slots[slot]); err != nil {
			for _, other := range order[i+1:] {
				for _, f := range slots[other] {
					e.left("not tried", f.Lines)
				}
			}
			return e.report, err
		}
	}
	return e.report, nil
}

// adopt makes gaps of the heartbeats of the dead.
func (e *Engine) adopt(ctx context.Context, s *gaps.Survey) (adopted bool, err error) {
	for _, run := range s.Runs() {
		now := time.Now()
		var beats []gaps.Beat
		dead := e.o.Dead > 0
		for _, b := range run {
			beats = append(beats, b.Beat)
			dead = dead && now.Sub(b.Modified) >= e.o.Dead
		}
		if !dead {
			continue
		}
		if _, err := e.o.Ledger.Adopt(ctx, beats, now, now, false); err != nil {
			return adopted, err
		}
		adopted = true
		e.report.Adopted = append(e.report.Adopted, beats[0].Writer)
	}
	slices.Sort(e.report.Adopted)
	return adopted, nil
}

// left counts lines that stay in the ledger.
func (e *Engine) left(why string, lines int64) {
	if lines > 0 {
		e.report.Left[why] += lines
	}
}

// count adds up what became of a job, about which the ledger had so many lines.
func (e *Engine) count(d *done, lines int64) {
	r := &e.report
	if d.expired {
		r.ExpiredObjects++
		r.Expired += lines
		e.o.Progress.Done.Add(lines)
		return
	}
	r.Objects++
	r.Indexed += int64(d.filled.Indexed)
	r.Exists += int64(d.filled.Exists)
	r.Excluded += int64(d.filled.Excluded)
	r.Rejected += int64(d.filled.Rejected)
}

// wait pauses after failures in a row, and says errGivenUp if there is to be no
// other attempt.
func (e *Engine) wait(ctx context.Context, failures int, cause error) error {
	e.mu.Lock()
	silent := time.Since(e.last)
	e.mu.Unlock()
	patience := e.o.Patience
	if errors.Is(cause, elastic.ErrPushback) {
		patience = e.o.BusyPatience
	}
	if silent >= patience {
		return fmt.Errorf("%w: %w", errGivenUp, cause)
	}
	e.o.Progress.Waiting.Store(&cause)
	return backoff.Sleep(ctx, backoff.Delay(e.o.First, e.o.Max, failures))
}

// took notes that the index takes something.
func (e *Engine) took() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = time.Now()
	e.o.Progress.Waiting.Store(nil)
}
