package gapkeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/metrics"
)

// Timing says when a Keeper does what.
type Timing struct {
	// Flush is how long a gap waits for others before it is written.
	Flush time.Duration
	// Beat is how often the heartbeat is renewed.
	Beat time.Duration
	// Look is how often the ledger is listed.
	Look time.Duration
	// Dead is how long another's heartbeat has to stay as it is until it is taken
	// for dead.
	Dead time.Duration
	// First and Max bound the waits after failures, see backoff.Delay.
	First, Max time.Duration
}

// DefaultTiming is right outside of tests.
func DefaultTiming() Timing {
	return Timing{Flush: 5 * time.Second, Beat: 30 * time.Second, Look: 30 * time.Second, Dead: 5 * time.Minute, First: time.Second, Max: time.Minute}
}

const (
	// slack is how far the watermark stays behind the clock: a window is sealed a
	// moment before it is known here.
	slack = 10 * time.Second
	// flushAt is how many entries do not wait for Timing.Flush.
	flushAt = 2048
	// mergeAt is how many files of one slot are made one.
	mergeAt = 12
	// old is when files of another writer may be merged.
	old = 10 * time.Minute
)

// Deps are what a Keeper works with.
type Deps struct {
	Ledger *gaps.Ledger
	// Name is the aggregator's, as in the keys of its objects.
	Name string
	// Logger may be nil.
	Logger *slog.Logger
	// Metrics must hold Metrics(). Nil makes an own registry.
	Metrics *metrics.Registry
	// Timing is for tests; zero is DefaultTiming.
	Timing Timing
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Keeper keeps the ledger of one aggregator. Make it with New; Start it before the
// first window is sealed, run it, and Finish when the index has ended. Gap, Settled
// and what belongs to windows may be called from any goroutine and do no I/O. A nil
// Keeper does nothing, for an aggregator without an index.
type Keeper struct {
	ledger *gaps.Ledger
	name   string
	run    string
	log    *slog.Logger
	timing Timing
	now    func() time.Time
	count  counts

	// Of the goroutine that runs.
	tried   backoff.Attempts
	beats   []gaps.Beat // own ones that are there; the last is the newest
	beaten  time.Time
	looked  time.Time
	began   bool // own heartbeats of before are adopted
	started time.Time
	stuck   bool                    // nothing can be removed
	beating bool                    // the last attempt at a heartbeat was a success
	seen    map[gaps.Beat]time.Time // others' heartbeats, since when they are as they are
	foreign map[string]bool

	wake chan struct{}

	mu       sync.Mutex
	pending  gaps.Set
	since    time.Time // of the oldest in pending
	open     map[*Window]struct{}
	expected map[string]time.Time // by key, when it was sealed
	lines    int64                // in the ledger, when it was listed last
	rejected int64
	files    int64
	again    bool // list it soon
}

// New makes a Keeper that has done nothing yet.
func New(d Deps) *Keeper {
	d.Logger = cmp.Or(d.Logger, slog.New(slog.DiscardHandler))
	d.Metrics = cmp.Or(d.Metrics, metrics.New(Metrics()...))
	d.Timing = cmp.Or(d.Timing, DefaultTiming())
	if d.Now == nil {
		d.Now = time.Now
	}
	k := &Keeper{
		ledger: d.Ledger, name: d.Name, run: fmt.Sprintf("%08x", rand.Uint32()), log: d.Logger, timing: d.Timing, now: d.Now,
		seen: map[gaps.Beat]time.Time{}, foreign: map[string]bool{}, wake: make(chan struct{}, 1),
		open: map[*Window]struct{}{}, expected: map[string]time.Time{},
	}
	k.tried = backoff.Attempts{First: d.Timing.First, Max: d.Timing.Max, Failed: k.failed, Succeeded: k.succeeded}
	k.count.register(d.Metrics, k)
	return k
}

func (k *Keeper) failed(err error, begins bool) {
	k.count.failures.Inc()
	if begins {
		k.log.Error("the gap ledger cannot be kept; lines are archived and indexed all the same, and what the index lacks waits in memory: "+
			"the archive's credential has to be able to store and to delete below _gaps/ (deploy/s3/writer-policy.json)", "error", err)
	}
}

func (k *Keeper) succeeded(after time.Duration, failures int) {
	k.log.Info("the gap ledger is kept again", "after", after, "failures", failures)
}

// Gap notes what is not in the index.
func (k *Keeper) Gap(g gaps.Gap) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.pending.Add(g, k.now()); err != nil {
		// Only objects of the archive are offered to the index.
		k.log.Error("a gap in the index cannot be noted: please report this", "error", err, "lines", g.Lines)
		return
	}
	if k.since.IsZero() {
		k.since = time.Now()
	}
	if k.pending.Len() >= flushAt {
		k.nudge()
	}
}

// Settled tells that the index has said what it lacks of an object.
func (k *Keeper) Settled(key string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.expected, key)
}

// Window is a sealed window of lines on its way to the archive and the index.
type Window struct {
	k      *Keeper
	sealed time.Time
}

// Open tells of a window that was sealed just now.
func (k *Keeper) Open(sealed time.Time) *Window {
	if k == nil {
		return nil
	}
	w := &Window{k, sealed}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[w] = struct{}{}
	return w
}

// Storing tells that an object of the window is about to be stored, which will be
// offered to the index then.
func (w *Window) Storing(key string) {
	if w == nil {
		return
	}
	sealed := w.sealed
	if i, err := archive.ParseKey(key); err == nil {
		sealed = i.Sealed
	}
	w.k.mu.Lock()
	defer w.k.mu.Unlock()
	w.k.expected[key] = sealed
}

// Close tells that there will be no other objects of the window.
func (w *Window) Close() {
	if w == nil {
		return
	}
	w.k.mu.Lock()
	defer w.k.mu.Unlock()
	delete(w.k.open, w)
}

// Look asks for a look at the ledger soon: somebody has healed.
func (k *Keeper) Look() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.again = true
	k.nudge()
}

func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Files is how many gap files there are, as far as is known.
func (k *Keeper) Files() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.files
}

// Lines is how many lines the index lacks: those of the ledger, of all writers,
// and what is not written yet. refused of them were rejected for what they hold.
func (k *Keeper) Lines() (all, refused int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, refused = k.pending.Lines()
	return all + k.lines, refused + k.rejected
}

// Start looks after what the last run left, and writes the first heartbeat, which
// has to be there before an object is. It gives up after a moment; Run tries on.
func (k *Keeper) Start(ctx context.Context) {
	if k == nil {
		return
	}
	k.started = k.now()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	k.tried.Result(ctx, k.step(ctx))
}

// Run writes, renews and lists until ctx ends. What fails is tried again.
func (k *Keeper) Run(ctx context.Context) {
	if k == nil {
		return
	}
	tick := time.NewTicker(min(time.Second, k.timing.Flush/2, k.timing.Beat/2, k.timing.Look/2))
	defer tick.Stop()
	for ctx.Err() == nil {
		if k.tried.Due() {
			k.tried.Result(ctx, k.step(ctx))
		}
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-tick.C:
		}
	}
}

// step does what is due. One failure does not keep the others from being done.
func (k *Keeper) step(ctx context.Context) error {
	var errs []error
	if k.flushDue() {
		errs = append(errs, k.flush(ctx))
	}
	if k.beaten.IsZero() || time.Since(k.beaten) >= k.timing.Beat {
		errs = append(errs, k.beat(ctx))
	}
	k.mu.Lock()
	again := k.again
	k.again = false
	k.mu.Unlock()
	if again || k.looked.IsZero() || time.Since(k.looked) >= k.timing.Look {
		errs = append(errs, k.look(ctx))
	}
	return errors.Join(errs...)
}

func (k *Keeper) flushDue() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.since.IsZero() && (k.pending.Len() >= flushAt || time.Since(k.since) >= k.timing.Flush)
}

// flush writes all gaps that wait.
func (k *Keeper) flush(ctx context.Context) error {
	k.mu.Lock()
	slots := k.pending.Slots()
	k.mu.Unlock()
	for _, slot := range slots {
		k.mu.Lock()
		entries := k.pending.Entries(slot)
		k.pending.Remove(slot)
		all, refused := gaps.Lines(entries), int64(0)
		if slot.Rejected {
			refused = all
		}
		// Who asks how many lines there are meanwhile must not miss any.
		k.lines, k.rejected = k.lines+all, k.rejected+refused
		k.mu.Unlock()
		_, err := k.ledger.Write(ctx, slot, entries, k.now())
		k.mu.Lock()
		if err == nil {
			k.files++
		} else {
			k.lines, k.rejected = k.lines-all, k.rejected-refused
			for _, e := range entries {
				k.pending.AddEntry(slot, e)
			}
		}
		if k.since = (time.Time{}); k.pending.Len() > 0 {
			k.since = time.Now()
		}
		k.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// watermark is before everything about which the ledger may not say all.
func (k *Keeper) watermark() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.now().Add(-slack)
	before := func(o time.Time) {
		if !o.IsZero() && o.Before(t) {
			t = o
		}
	}
	for w := range k.open {
		before(w.sealed)
	}
	for _, sealed := range k.expected {
		before(sealed)
	}
	before(k.pending.Oldest())
	return t.UTC().Truncate(time.Millisecond)
}

// beat renews the heartbeat. It writes no other one before the one before is
// gone: an older watermark is right as well, and so there are two at most.
func (k *Keeper) beat(ctx context.Context) error {
	k.beating = false
	if len(k.beats) < 2 {
		b := gaps.Beat{Writer: k.name, Since: k.watermark(), At: k.now().UTC().Truncate(time.Millisecond), Run: k.run}
		if n := len(k.beats); n == 0 || k.beats[n-1] != b {
			if err := k.ledger.Beat(ctx, b); err != nil {
				return err
			}
			k.beats = append(k.beats, b)
		}
		k.beating = true
	}
	if err := k.forget(ctx, 1); err != nil {
		return err
	}
	k.beaten = time.Now()
	return nil
}

// forget removes all own heartbeats but the newest ones.
func (k *Keeper) forget(ctx context.Context, keep int) error {
	for len(k.beats) > keep {
		k.stuck = true
		if err := k.ledger.Forget(ctx, k.beats[0]); err != nil {
			return err
		}
		k.stuck = false
		k.beats = slices.Delete(k.beats, 0, 1)
	}
	return nil
}

// Finish writes everything that waits, what the index did not settle included, and
// takes the heartbeat away, until ctx ends. The index must have ended by now.
func (k *Keeper) Finish(ctx context.Context) {
	if k == nil {
		return
	}
	k.mu.Lock()
	for key, sealed := range k.expected {
		// It may be stored or not: whoever heals looks.
		i, err := archive.ParseKey(key)
		if err != nil {
			continue
		}
		ms := sealed.UnixMilli()
		k.pending.AddEntry(gaps.SlotOf(i, gaps.Unsettled), gaps.Entry{From: ms, To: ms + 1, Reason: gaps.Unsettled, At: k.now().UnixMilli()})
	}
	clear(k.expected)
	k.mu.Unlock()
	for {
		err := k.flush(ctx)
		if err == nil {
			err = k.forget(ctx, 0)
		}
		if err == nil {
			return
		}
		k.tried.Result(ctx, err)
		if backoff.Sleep(ctx, k.tried.Delay()) != nil {
			all, _ := k.Lines()
			k.log.Error("not everything that the index lacks was written into the gap ledger before the end; if this aggregator has left a heartbeat there, "+
				"it is found at the next start; else `loghaul backfill --from --to` brings it", "error", err, "lines", all)
			return
		}
	}
}
