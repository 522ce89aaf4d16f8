package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func aggregateCommand() command {
	return command{
		name:  "aggregate",
		args:  "--config FILE",
		short: "Run an aggregator: broker to archive, then to the index",
		long: `
It takes batches from the broker, parses them, stores them in the archive, acknowledges them, and
offers the same lines to the index. Any number of aggregators share the work. They keep no state.
SIGTERM archives what is held, gives the rest back to the broker, and exits 0. Secrets come from the
environment: LOGHAUL_NATS_…, AWS_…, LOGHAUL_ELASTIC_…, LOGHAUL_MANIFEST_KEY; see loghaul config example
aggregator. Every hour, and at the end, they list what they stored in a signed manifest.
`,
		examples: `
			loghaul config example aggregator > aggregator.yaml
			loghaul broker setup --config aggregator.yaml
			loghaul aggregate --config aggregator.yaml`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "aggregator")
			http := fs.String("http", "", "serve /metrics, /healthz and /readyz on `ADDR` instead of the file's http")
			return func(ctx context.Context, s streams, operands []string) error {
				if len(operands) > 0 {
					return usagef("unexpected argument %q", operands[0])
				}
				cfg := defaultAggregatorFile()
				if err := loadConfig(*path, &cfg); err != nil {
					return err
				}
				if *http != "" {
					cfg.HTTP = *http
				}
				log, err := logging.New(s.err, cfg.Log)
				if err != nil {
					return err
				}
				return aggregate(ctx, cfg, log)
			}
		},
	}
}

// aggregatorMetrics are those of an aggregator and its sinks.
func aggregatorMetrics() []metrics.Desc {
	return metrics.Unique(slices.Concat(aggregator.Metrics(), sinks.Metrics(), objectstore.Metrics(), elastic.Metrics())...)
}

func aggregate(ctx context.Context, cfg aggregatorFile, log *slog.Logger) error {
	reg := metrics.New(aggregatorMetrics()...)
	t, err := newTier(ctx, cfg, broker.Options{}, objectstore.Options{}, reg, log)
	if err != nil {
		return usagef("%v", err)
	}
	defer t.store.Close() //nolint:errcheck // every object is confirmed by now
	aggregator.LimitMemory(&cfg.Aggregator)
	return serve(ctx, log, cfg.HTTP, reg, t.aggregator.Ready, t.Run)
}

// tier is an aggregator with its sinks.
type tier struct {
	aggregator *aggregator.Aggregator
	store      objectstore.Store
	index      *elastic.Sink // nil without an index
}

// newTier makes the aggregator tier for the daemon and for `up` alike. Every
// error is one of configuration. extra is added to what the environment says.
func newTier(ctx context.Context, cfg aggregatorFile, b broker.Options, extra objectstore.Options, reg *metrics.Registry, log *slog.Logger) (*tier, error) {
	o, err := objectstore.OptionsFromEnv()
	if err != nil {
		return nil, err
	}
	if o, err = o.With(cfg.Archive); err != nil {
		return nil, err
	}
	o.Create, o.Metrics = extra.Create, reg
	t := &tier{}
	if t.store, err = objectstore.Open(ctx, cfg.Archive.URL, o); err != nil {
		return nil, err
	}
	deps := aggregator.Deps{
		Logger: log, Metrics: reg, Archive: t.store, Manifests: manifestStore{t.store}, Check: t.store.Check, Broker: b,
		Render: func() func([]byte, *archive.Row) []byte { return newRowPrinter().append },
	}
	if cfg.Index.URL != "" {
		if t.index, err = elastic.New(cfg.Index, elastic.Deps{Logger: log, Metrics: reg, Gap: gapLogger(log)}); err != nil {
			return nil, err
		}
		deps.Index = t.index
	}
	if t.aggregator, err = aggregator.New(cfg.Aggregator, deps); err != nil {
		return nil, err
	}
	return t, nil
}

// Run runs the aggregator until ctx ends and it is drained, and the index's
// sender a little longer.
func (t *tier) Run(ctx context.Context) error {
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sent := make(chan error, 1)
	go func() {
		if t.index == nil {
			sent <- nil
			return
		}
		sent <- t.index.Run(after)
	}()
	err := t.aggregator.Run(ctx)
	stop()
	if indexErr := <-sent; err == nil {
		err = indexErr
	}
	if err != nil {
		return fmt.Errorf("aggregator: %w", err)
	}
	return nil
}

// gapLogger records what the index does not have, so that it can be filled
// from the archive.
func gapLogger(log *slog.Logger) func(elastic.Gap) {
	return func(g elastic.Gap) {
		log.Debug("gap in the index", "object", g.Key, "first_row", g.FirstRow, "last_row", g.LastRow, "lines", g.Lines, "reason", g.Reason)
	}
}
