package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// part is one running piece of a site.
type part struct {
	name string
	stop context.CancelFunc
	done chan struct{}
	err  error // valid once done is closed
}

// start runs fn until ctx is stopped by the part's own stop alone: the end of
// the site's context starts a drain in which parts end one after another.
func start(ctx context.Context, name string, fn func(context.Context) error) *part {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &part{name: name, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if err := fn(own); err != nil {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	return p
}

// end stops the part and waits for its drain.
func (p *part) end() error {
	p.stop()
	<-p.done
	return p.err
}

// run works until ctx ends or a part fails, then drains in the order in which
// lines pass the parts. after is the log once the screen is gone.
func (s *site) run(ctx context.Context, scr *screen, after *slog.Logger) error {
	none := func(ctx context.Context) error { <-ctx.Done(); return nil }
	demoRun, httpRun := none, none
	if s.demo != nil {
		demoRun = s.demo.Run
	}
	if s.http != nil {
		httpRun = s.http.Run
	}
	pages := start(ctx, "http", httpRun)
	aggregator := start(ctx, "aggregator", s.tier.Run)
	forwarder := start(ctx, "forwarder", s.forwarder.Run)
	demo := start(ctx, "demo", demoRun)

	show := start(ctx, "screen", func(ctx context.Context) error { scr.Run(ctx); return nil })
	select {
	case <-ctx.Done():
	case <-demo.done:
	case <-forwarder.done:
	case <-aggregator.done:
	case <-pages.done:
	}
	_ = show.end() // has no errors
	after.Info("stopping: what was read is archived first; Ctrl-C again leaves it to the next start")

	err := demo.end()
	s.settle(forwarder)
	err = errors.Join(err, forwarder.end()) // reads no more; what it read is acked
	err = errors.Join(err, s.flush(aggregator))
	err = errors.Join(err, aggregator.end()) // seals, stores, acks
	return errors.Join(err, pages.end())
}

// settle waits until the forwarder has sent what the demo has written. Nobody
// can tell for a file that others write; the demo's is finished now.
func (s *site) settle(forwarder *part) {
	if s.demo == nil {
		return
	}
	limit := time.NewTimer(settleLimit)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	quiet, read := time.Now(), int64(-1)
	for {
		now := s.snapshot()
		if now.readBytes != read || now.lag > 0 || now.inFlight > 0 || now.readBytes < s.demo.written.Load() {
			quiet, read = time.Now(), now.readBytes
		}
		// Bytes of an earlier run may be among those read: wait for a look at
		// the file that finds nothing new.
		if time.Since(quiet) > 2*upLinger {
			return
		}
		select {
		case <-forwarder.done:
			return
		case <-limit.C:
			return
		case <-tick.C:
		}
	}
}

// flush waits until nothing is left in the broker, as long as that can be.
func (s *site) flush(p *part) error {
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	go func() { // nothing is emptied without an aggregator, nor without an archive
		defer cancel()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ready := time.Now(); time.Since(ready) < settleLimit; {
			if s.tier.aggregator.Ready() == nil {
				ready = time.Now()
			}
			select {
			case <-p.done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	if err := s.tier.aggregator.Flush(ctx); err != nil {
		return fmt.Errorf("%w; nothing is lost: it is archived after the next start", err)
	}
	return nil
}

// farewell says how it ended.
func (s *site) farewell(log *slog.Logger) {
	now := s.snapshot()
	now.waiting = "" // nothing waits any more
	log.Info("stopped", now.attrs()...)
}

// snapshot reads both tiers at one moment.
func (s *site) snapshot() snapshot {
	f, a := s.forwarder.Status(), s.tier.aggregator.Status()
	now := snapshot{
		uptime: time.Since(s.started),
		read:   f.ReadLines, acked: f.AckedLines, readBytes: f.ReadBytes,
		inFlight: f.InFlightBytes, lag: f.LagBytes, lost: f.Lost,
		archived: int64(a.Lines), unparsed: int64(a.Unparsed), rawBytes: int64(a.RawBytes), //nolint:gosec // counts
		storedBytes: int64(a.ObjectBytes), objects: int64(a.Objects), //nolint:gosec // counts
	}
	if err := s.ready(); err != nil {
		now.waiting = err.Error()
	}
	return now
}
