package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/ops"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

const (
	// upWindow is how long lines wait for others: long enough for objects of
	// a useful size, short enough to watch.
	upWindow = 3 * time.Second
	// upLinger is how long the forwarder waits for a fuller batch.
	upLinger = 500 * time.Millisecond
	// upAckWait must be longer than upWindow.
	upAckWait = 10 * time.Second
	// upDrain bounds the aggregator's end, after flush has done what it can.
	upDrain = 5 * time.Second
	// upStream bounds what waits in the broker while the archive is away.
	upStream = 4 << 30
)

// site is both tiers and the broker between them, in one process.
type site struct {
	o       upOptions
	log     *slog.Logger
	started time.Time

	broker    *embedded.Server
	forwarder *forwarder.Forwarder
	tier      *tier
	demo      *demo       // nil without --demo
	http      *ops.Server // nil without --http
}

// newSite makes all parts, in the order in which lines pass them. On an error
// nothing is left running.
func newSite(ctx context.Context, o upOptions, log *slog.Logger) (_ *site, err error) {
	s := &site{o: o, log: log, started: time.Now()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.broker, err = embedded.Start(filepath.Join(o.data, "broker"), embedded.Options{Logger: log}); err != nil {
		return nil, err
	}
	link := broker.Options{Logger: log, Extra: []nats.Option{s.broker.Option()}}
	shards := broker.DefaultConfig()
	shards.Shards = 1
	shards.Delay = broker.Delay{}
	if err := setUp(ctx, shards, link); err != nil {
		return nil, err
	}
	reg := metrics.New(slices.Concat(forwarder.Metrics(), aggregatorMetrics())...)
	if o.demo {
		if s.demo, err = newDemo(o.demoPath()); err != nil {
			return nil, err
		}
	}
	file := defaultAggregatorFile()
	file.Aggregator.Broker = shards
	file.Aggregator.Formats = o.formats
	file.Aggregator.Timezone = "Local" // HAProxy runs on this machine
	file.Aggregator.Window.Age = upWindow
	file.Aggregator.DrainTimeout = upDrain
	file.Archive.URL, file.Index.URL = o.archive, o.index
	if err := file.Validate(); err != nil {
		return nil, usagef("%v", err)
	}
	if s.tier, err = newTier(ctx, file, link, objectstore.Options{Create: true}, reg, log); err != nil {
		return nil, usagef("%v", err)
	}
	if o.http != "" {
		if s.http, err = ops.Listen(ctx, o.http, reg, s.ready); err != nil {
			return nil, usagef("%v", err)
		}
		log.Info("serving /metrics, /healthz and /readyz", "address", s.http.Addr())
	}
	// Last, because it keeps its folder until it has run.
	if s.forwarder, err = newUpForwarder(o, shards, link, reg, log); err != nil {
		return nil, err
	}
	return s, nil
}

// setUp makes the only stream, as loghaul broker setup does.
func setUp(ctx context.Context, cfg broker.Config, link broker.Options) error {
	link.Name = "loghaul-setup"
	nc, err := broker.Connect(ctx, cfg, link)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	streams := broker.DefaultStreams()
	streams.MaxBytes = upStream
	// After a crash the only aggregator there is gets its batches back soon.
	streams.AckWait = upAckWait
	report, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: cfg.Shards, Streams: streams, Update: true})
	return errors.Join(err, report.Err())
}

func (s *site) ready() error {
	return errors.Join(s.forwarder.Ready(), s.tier.aggregator.Ready())
}

// pages is the part of the title that says where the HTTP pages are.
func (s *site) pages() string {
	if s.http == nil {
		return ""
	}
	return " · http://" + s.http.Addr() + "/metrics"
}

// close ends what outlives run.
func (s *site) close() {
	if s.tier != nil {
		_ = s.tier.store.Close() // every object is confirmed
	}
	if s.broker != nil {
		s.broker.Stop()
	}
}

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
