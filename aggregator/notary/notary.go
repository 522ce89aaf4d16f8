package notary

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/metrics"
)

// Deps are what a Notary works with.
type Deps struct {
	Store Store
	// Name is the aggregator's: that of the chain.
	Name string
	// Logger may be nil.
	Logger *slog.Logger
	// Metrics must hold Metrics(). Nil makes an own registry.
	Metrics *metrics.Registry
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Notary makes the manifests of one aggregator. Make it with New, run it once,
// then Finish. The methods of its windows may be called from any goroutine and
// do no I/O.
type Notary struct {
	clerk  clerk
	timing Timing
	log    *slog.Logger
	count  counts
	delay  time.Duration
	signed bool

	// Of the goroutine that runs.
	chain   *chain    // nil until it was found
	hour    time.Time // the end of the last hour that was closed
	written time.Time // when the newest manifest was
	tried   backoff.Attempts
	again   *secondLook // nil if it is done
	others  others

	wake chan struct{} // too much waits

	noting sync.Mutex // guards summarizer
	summer *archive.Summarizer

	mu    sync.Mutex
	first time.Time           // the earliest window of this run
	mine  map[string]struct{} // keys of this run, until the chain was found
	// unsure is what may be stored or not, by key; if somebody else has listed it
	// already, with the checksum that it has there.
	unsure  map[string]string
	open    []*Window
	waiting []*item
	weight  int // of waiting
	dropped bool
	newest  time.Time // a copy of written
}

// New checks the configuration and makes a Notary.
func New(cfg Config, d Deps) (*Notary, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d.Logger = cmp.Or(d.Logger, slog.New(slog.DiscardHandler))
	d.Metrics = cmp.Or(d.Metrics, metrics.New(Metrics()...))
	cfg.Timing = cmp.Or(cfg.Timing, DefaultTiming())
	if d.Now == nil {
		d.Now = time.Now
	}
	k, err := newClerk(d.Store, d.Name, d.Now, cfg.Signer)
	if err != nil {
		return nil, err
	}
	n := &Notary{
		clerk: *k, timing: cfg.Timing, log: d.Logger, wake: make(chan struct{}, 1),
		delay: rand.N(cfg.Timing.Delay + 1), signed: cfg.KeyFile != "" || cfg.Key != "", mine: map[string]struct{}{}, unsure: map[string]string{},
	}
	n.tried = backoff.Attempts{First: n.timing.First, Max: n.timing.Max, Failed: n.failed, Succeeded: n.succeeded}
	n.others.refused, n.others.settled = map[string]struct{}{}, map[string]time.Time{}
	if n.summer, err = archive.NewSummarizer(); err != nil {
		return nil, err
	}
	n.count.register(d.Metrics, n)
	return n, nil
}

func newClerk(s Store, name string, now func() time.Time, signer func() (*manifest.Signer, error)) (*clerk, error) {
	sum, err := archive.NewSummarizer()
	if err != nil {
		return nil, err
	}
	milli := func() time.Time { return now().UTC().Truncate(time.Millisecond) }
	return &clerk{store: s, name: name, now: milli, signer: signer, summarizer: sum}, nil
}

// Run writes manifests when they are due until ctx ends. What fails is tried
// again. Finish has to follow.
func (n *Notary) Run(ctx context.Context) {
	if !n.signed {
		n.log.Warn("manifests are not signed: whoever can write to the archive can forge them; make a key with " +
			"`loghaul audit keygen --out DIR` and name it in manifest.key_file")
	}
	tick := time.NewTicker(n.timing.Check)
	defer tick.Stop()
	for ctx.Err() == nil {
		if n.tried.Due() {
			n.tried.Result(ctx, n.step(ctx))
		}
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-tick.C:
		}
	}
}

// Finish lists what still waits and ends the chain, until ctx ends. Everything
// must be stored by now. What it could not do is done at the next start.
func (n *Notary) Finish(ctx context.Context) {
	for {
		err := n.finish(ctx)
		if err == nil {
			return
		}
		if backoff.Sleep(ctx, n.tried.Delay()) != nil {
			n.log.Error("not all manifests were written before the end; what they have to list is found in the archive at the next start",
				"error", err, "objects", n.Waiting())
			return
		}
	}
}

// step does what is due.
func (n *Notary) step(ctx context.Context) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	if n.again != nil && !time.Now().Before(n.again.due) {
		if err := n.lookAgain(ctx); err != nil {
			return err
		}
	}
	if err := n.closeHour(ctx); err != nil {
		return err
	}
	return n.round(ctx)
}

// closeHour writes the manifests of hours that are over, or of what waits if
// that is too much.
func (n *Notary) closeHour(ctx context.Context) error {
	to, hour := n.due()
	if to.IsZero() {
		return nil
	}
	wrote, err := n.seal(ctx, to, false)
	if err != nil || hour.IsZero() {
		return err
	}
	if !wrote && time.Since(n.written) > time.Hour/2 {
		// The clock was set back: nothing is to be covered, but others see that
		// the writer lives.
		if err := n.append(ctx, draft{from: n.chain.to, to: n.chain.to}); err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	n.hour = hour
	return nil
}

// due says up to when manifests are to be written, zero if none are; hour is
// set if an hour is over. An hour is not, as long as something that was sealed
// in it is being stored.
func (n *Notary) due() (to, hour time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clerk.now()
	storing := n.oldestOpen()
	var last time.Time
	for _, it := range n.waiting {
		last = later(last, it.sealed.Add(time.Millisecond))
	}
	hour = now.Add(-n.delay).Truncate(time.Hour)
	if !hour.Equal(n.hour) && (storing.IsZero() || !storing.Before(hour)) {
		if last.After(now.Truncate(time.Hour).Add(time.Hour)) {
			return last, hour // sealed when the clock was elsewhere
		}
		return hour, hour
	}
	if !n.full() {
		return time.Time{}, time.Time{}
	}
	if !storing.IsZero() && storing.Before(last) {
		last = storing
	}
	if !slices.ContainsFunc(n.waiting, func(it *item) bool { return it.sealed.Before(last) }) {
		return time.Time{}, time.Time{}
	}
	return last, time.Time{}
}

// full reports whether so much waits that it has to be listed now.
func (n *Notary) full() bool { return len(n.waiting) >= maxItems || n.weight >= maxWeight }

// oldestOpen gives when the oldest window was sealed that is not stored yet.
func (n *Notary) oldestOpen() (t time.Time) {
	for _, w := range n.open {
		if t.IsZero() || w.sealed.Before(t) {
			t = w.sealed
		}
	}
	return t
}

// finish lists everything and ends the chain, unless an object was given up that
// may be stored all the same: an end says that there is nothing else.
func (n *Notary) finish(ctx context.Context) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	if n.again != nil {
		if err := n.lookAgain(ctx); err != nil {
			return err
		}
	}
	n.mu.Lock()
	end := len(n.unsure) == 0 && !n.dropped
	n.mu.Unlock()
	_, err := n.seal(ctx, later(n.clerk.now(), n.last()), end)
	return err
}

// last is behind the last object that waits.
func (n *Notary) last() (t time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, it := range n.waiting {
		t = later(t, it.sealed.Add(time.Millisecond))
	}
	return t
}

// seal writes manifests until everything that was sealed before `to` is listed
// and the chain ends there, or later.
func (n *Notary) seal(ctx context.Context, to time.Time, end bool) (wrote bool, err error) {
	for {
		items := n.sealedBefore(to)
		d, ok := plan(n.chain.to, to, items)
		if !ok {
			if !end || n.chain.ended {
				return wrote, nil
			}
			d = draft{from: n.chain.to, to: n.chain.to}
		}
		d.end = end && len(d.items) == len(items) && !d.to.Before(to)
		if err := n.append(ctx, d); err != nil && !errors.Is(err, errTaken) {
			return wrote, err
		}
		wrote = true
	}
}

func (n *Notary) sealedBefore(to time.Time) []*item {
	n.mu.Lock()
	defer n.mu.Unlock()
	items := slices.DeleteFunc(slices.Clone(n.waiting), func(it *item) bool { return !it.sealed.Before(to) })
	sortItems(items)
	return items
}

// append writes one manifest and takes what it lists off what waits.
func (n *Notary) append(ctx context.Context, d draft) error {
	err := n.clerk.append(ctx, n.chain, d, func(f *manifest.File) {
		n.log.Warn("somebody else continued the chain of this aggregator's manifests, which goes on behind theirs",
			"sequence", f.Manifest.Sequence, "made_by", f.Manifest.MadeBy)
		n.listed(f)
	})
	if err != nil {
		return err
	}
	n.forget(func(it *item) bool { return slices.Contains(d.items, it) })
	n.wrote(1)
	return nil
}

// wrote notes that manifests of the own chain were written.
func (n *Notary) wrote(count int) {
	if count == 0 {
		return
	}
	n.count.manifests.Add(count)
	n.written = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newest = n.written
}

// listed takes what somebody else has listed off what waits, or will wait.
func (n *Notary) listed(f *manifest.File) {
	if !n.clerk.trusts(f) {
		return
	}
	n.forget(func(it *item) bool { return lists(f, it) })
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range f.Manifest.Objects {
		o := &f.Manifest.Objects[i]
		if _, ok := n.unsure[o.Key]; ok {
			n.unsure[o.Key] = o.SHA256
		}
	}
}

func (n *Notary) forget(done func(*item) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = slices.DeleteFunc(n.waiting, done)
	n.weight = 0
	for _, it := range n.waiting {
		n.weight += it.weight
	}
}

// begin finds the writer's chain, once: it reads where it ended, lists what was
// stored since and is in no manifest, as after a crash, and covers the time up
// to now. So the chain shows that the writer is alive, and that the archive
// takes manifests.
func (n *Notary) begin(ctx context.Context) error {
	if n.chain != nil {
		return nil
	}
	now := n.clerk.now()
	s, err := n.clerk.survey(ctx, now.Add(-headsBack))
	if err != nil {
		return err
	}
	r, err := n.clerk.remains(ctx, s, n.clerk.name, now, now.Add(-n.timing.Dead), n.listed)
	if err != nil {
		return err
	}
	n.mu.Lock()
	if !n.first.IsZero() && n.first.Before(now) {
		now = n.first
	}
	n.mu.Unlock()
	crashed := !r.chain.ended
	if r.found = n.notMine(r.found); len(r.found) > 0 {
		n.log.Info("found objects in the archive that no manifest lists, as after a crash; they are read and listed", "objects", len(r.found))
	}
	wrote, err := n.clerk.list(ctx, r.chain, listing{
		found: r.found, to: now, always: true, insist: true, seen: n.listed,
		adopted: func(it *item) { r.listed.addKey(it.key); n.count.own.Inc() },
		refused: func(err error) { r.listed.addKey(refusedKey(err)); n.refuse(err) },
	})
	n.wrote(wrote)
	if err != nil {
		return err
	}
	n.chain, n.hour = r.chain, n.clerk.now().Add(-n.delay).Truncate(time.Hour)
	if crashed {
		n.again = &secondLook{from: r.since, to: now, listed: r.listed, due: time.Now().Add(n.timing.Again)}
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mine = nil
	return nil
}

// refuse says that an object is not listed.
func (n *Notary) refuse(err error) {
	n.count.refused.Inc()
	n.log.Error("an object in the archive is damaged, or is not what it says", "error", err)
}

func (n *Notary) failed(err error, begins bool) {
	n.count.failures.Inc()
	if begins {
		n.log.Error("manifests cannot be written; lines are archived all the same, and listed when it works again", "error", err)
	}
}

func (n *Notary) succeeded(after time.Duration, failures int) {
	n.log.Info("manifests are written again", "after", after, "failures", failures)
}

// Waiting counts the stored objects that no manifest lists yet.
func (n *Notary) Waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.waiting)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

const day = 24 * time.Hour
