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
	"github.com/loghaul/loghaul/internal/config"
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
	socket    *socket // nil if it could not be made
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
	if s.socket, err = listenSocket(o.data, s.broker.InProcessConn, log); err != nil {
		log.Warn("loghaul tail --data cannot be used; nothing else is affected", "error", err)
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
	file.Aggregator.Formats = o.formats // nil: all well-known ones, or those of the next line
	file.Aggregator.HAProxyConfig = config.OneOrMore(o.configs)
	file.Aggregator.Timezone = "Local" // HAProxy runs on this machine
	file.Aggregator.Window.Age = upWindow
	file.Aggregator.DrainTimeout = upDrain
	file.Aggregator.Manifest.KeyFile = o.key
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

// newUpForwarder makes the forwarder of `up`.
func newUpForwarder(o upOptions, cfg broker.Config, link broker.Options, reg *metrics.Registry, log *slog.Logger) (*forwarder.Forwarder, error) {
	c := forwarder.DefaultConfig()
	c.State = filepath.Join(o.data, "forwarder")
	c.Inputs = o.inputs()
	c.Batch.Linger = upLinger
	c.Broker = cfg
	if err := c.Validate(); err != nil {
		return nil, usagef("%v", err)
	}
	f, err := forwarder.New(c, forwarder.Deps{Logger: log, Metrics: reg, Broker: link})
	if err != nil {
		return nil, usagef("%v", err)
	}
	return f, nil
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
	if s.socket != nil {
		s.socket.close()
	}
	if s.broker != nil {
		s.broker.Stop()
	}
}
