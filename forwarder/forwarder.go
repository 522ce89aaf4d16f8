// Package forwarder is the tier that runs on every node. It follows log files
// and has their lines stored by the broker, without looking into them:
//
//	tail → batch (consecutive whole records of one source) → publish → ack → position
//
// A position moves only after the broker has answered that it stored the bytes
// before it, and only over a run without gaps. Positions are kept on disk, so
// a crash costs repetitions, never lines; the repetitions carry the same
// identities, by which they are removed later.
//
// One goroutine does the work of a Forwarder, so nothing in tail and ship is
// locked. What can block — connecting, writing to the connection, syncing the
// positions to disk — has goroutines of its own.
package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/haproxy"
	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/forwarder/tail"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/metrics"
)

// sayEvery is how often a source that can't be read is logged.
const sayEvery = time.Minute

// Deps is what a Forwarder is given.
type Deps struct {
	// Logger is required.
	Logger *slog.Logger
	// Metrics must know the descriptors of Metrics. Nil: nothing is counted there.
	Metrics *metrics.Registry
	// Broker adds to the connection: an in-process server for `up` and tests.
	// Name and Logger are filled in.
	Broker broker.Options
}

// Forwarder follows files and ships them.
type Forwarder struct {
	cfg     Config
	log     *slog.Logger
	store   *checkpoint.Store
	ledger  *ledger.Ledger
	tail    *tail.Tailer
	intakes *intakes
	haproxy *haproxy.Watcher
	feeds   []source.Feed
	turn    int
	ship    *ship.Shipper
	saver   saver
	meter   *meter

	said    input.Said
	problem atomic.Pointer[error] // why positions can't be stored
	drain   atomic.Bool
	calls   chan func()   // for the goroutine of Run
	ended   chan struct{} // closed when Run takes no more calls
	flushed map[source.Source]bool
}

// New checks the configuration, takes the state folder, reads the positions and
// opens all listeners. Run must be called after it, or they stay open.
func New(cfg Config, deps Deps) (*Forwarder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	store, st, err := checkpoint.Open(cfg.State, deps.Logger)
	if err != nil {
		return nil, err
	}
	l := ledger.New()
	t, err := tail.New(cfg.tail(), st, l, deps.Logger)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	f := &Forwarder{cfg: cfg, log: deps.Logger, store: store, ledger: l, tail: t}
	f.intakes = newIntakes(&f.cfg, st.Streams, l, deps.Logger)
	if err := f.intakes.open(); err != nil {
		return nil, errors.Join(err, f.intakes.close(), t.Close(), store.Close())
	}
	if f.haproxy, err = haproxy.New(cfg.haproxy(), dropped(st.Streams), l, deps.Logger); err != nil {
		return nil, errors.Join(err, f.intakes.close(), t.Close(), store.Close())
	}
	f.feeds = []source.Feed{t, f.intakes, f.haproxy}
	f.ship = ship.New(cfg.ship(), deps.Broker, deps.Logger)
	f.calls, f.ended = make(chan func()), make(chan struct{})
	f.saver = saver{store: store, log: deps.Logger, done: make(chan error, 1), problem: &f.problem, stored: t.Stored}
	f.meter = newMeter(f, deps.Metrics)
	f.log.Info("forwarder starts", "node", cfg.Node, "inputs", len(cfg.Inputs), "state", cfg.State,
		"sources", len(st.Entries))
	return f, nil
}

// Run works until ctx ends, or until all inputs have ended by themselves, as
// standard input does, and everything is stored. At the end of ctx it ships one more batch of whatever has unread
// bytes, waits for the broker's answers, all within DrainTimeout, stores the
// positions and returns. It returns an error only if they could not be stored.
func (f *Forwarder) Run(ctx context.Context) error {
	linkCtx, stopLink := context.WithCancel(context.WithoutCancel(ctx))
	f.ship.Start(linkCtx)
	f.intakes.run(ctx)
	f.work(ctx)

	f.drain.Store(true)
	f.haproxy.Close()
	f.intakes.stop() // what they have received is in their spools, and synced
	f.flushed = map[source.Source]bool{}
	now := time.Now()
	for _, feed := range f.feeds {
		feed.Flush(now)
	}
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.DrainTimeout)
	f.work(drained)
	cancel()
	close(f.ended)
	stopLink()
	f.ship.Stop()
	if n := f.ship.InFlight(); n > 0 {
		f.log.Warn("batches were not answered before the end; they are sent again after the next start", "batches", n)
	}
	err := f.saver.last(f.state())
	f.meter.update(f, time.Now())
	return errors.Join(err, f.tail.Close(), f.intakes.close(), f.store.Close())
}

// work is the loop. While draining it ends as soon as nothing is in flight and
// nothing more can be sent.
func (f *Forwarder) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	draining := f.drain.Load()
	for {
		now := time.Now()
		f.ship.Tick(now)
		busy := false
		if !draining {
			for _, feed := range f.feeds {
				feed.Step(now)
			}
		}
		busy = f.fill(now)
		if f.ship.InFlight() == 0 && (draining || f.exhausted()) {
			return
		}
		f.saver.step(f.dirty(), f.state, now)
		f.meter.step(f, now)
		f.ship.Relax(now)
		timer.Reset(f.sleep(now, busy, draining))
		select {
		case <-ctx.Done():
			return
		case e := <-f.ship.Events():
			f.ship.Handle(e, time.Now())
		case events := <-f.tail.Wake():
			f.tail.Notice(events, time.Now())
		case <-f.intakes.wake:
		case call := <-f.calls:
			call()
		case err := <-f.saver.done:
			f.saver.saved(err, time.Now())
		case <-timer.C:
		}
	}
}

// fill ships what is due. It says whether more is due than could be shipped. A
// source that can't be read holds up no other: it is due again a while later.
func (f *Forwarder) fill(now time.Time) bool {
	var failed []source.Source
	for f.ship.Ready(now) {
		src := f.next(now)
		switch {
		case src == nil:
			return false
		case slices.Contains(failed, src):
			return true // no batch can be made of anything
		}
		if f.flushed != nil {
			if f.flushed[src] {
				return false // a backlog: it stays where it is
			}
			f.flushed[src] = true
		}
		if _, err := f.ship.Ship(src, now); err != nil {
			if f.said.New(src.Name().Path+err.Error(), sayEvery) {
				f.log.Error("can't make a batch", "path", src.Name().Path, "why", err)
			}
			failed = append(failed, src)
		}
		now = time.Now()
	}
	return true
}

// next gives a source that has a batch due: feeds take turns, and so do the
// sources within each.
func (f *Forwarder) next(now time.Time) source.Source {
	for range f.feeds {
		f.turn = (f.turn + 1) % len(f.feeds)
		if src := f.feeds[f.turn].Next(now); src != nil {
			return src
		}
	}
	return nil
}

// exhausted says whether nothing can come any more.
func (f *Forwarder) exhausted() bool {
	return f.cfg.HasStdin() && !f.cfg.hasFile() && f.intakes.exhausted()
}

// state gives what has to be remembered.
func (f *Forwarder) state() checkpoint.State {
	st := f.tail.State()
	st.Streams = f.intakes.streams()
	for _, d := range f.haproxy.Streams() {
		st.Streams = append(st.Streams, checkpoint.Stream{ID: d.ID, Path: checkpoint.Text(d.Path), Pos: d.Pos})
	}
	return st
}

// dropped gives the positions in what HAProxy has dropped, among others.
func dropped(known []checkpoint.Stream) (out []haproxy.Stream) {
	for _, s := range known {
		out = append(out, haproxy.Stream{ID: s.ID, Path: string(s.Path), Pos: s.Pos})
	}
	return out
}

func (f *Forwarder) dirty() bool {
	dirty := false
	for _, feed := range f.feeds {
		dirty = feed.Dirty() || dirty
	}
	return dirty
}

// sleep is how long nothing needs to be done.
func (f *Forwarder) sleep(now time.Time, full, draining bool) time.Duration {
	at := now.Add(time.Minute)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	sooner(f.ship.NextTick(now))
	sooner(f.saver.next)
	sooner(f.meter.next)
	for _, feed := range f.feeds {
		if !draining {
			sooner(feed.NextStep(full))
		}
	}
	return max(at.Sub(now), 0)
}

// Ready says why the forwarder is not doing its work, or nil. It may be called
// at any time by anybody.
func (f *Forwarder) Ready() error {
	if f.drain.Load() {
		return errors.New("stopping")
	}
	var errs []error
	if p := f.problem.Load(); p != nil {
		errs = append(errs, fmt.Errorf("positions are kept in memory only: %w", *p))
	}
	if p := f.tail.Stats().Trouble(); p != "" {
		errs = append(errs, errors.New(p))
	}
	return errors.Join(append(errs, f.intakes.problems(), f.ship.Problem())...)
}
