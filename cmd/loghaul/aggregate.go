package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
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
		alone: true,
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
			return func(ctx context.Context, s streams, _ []string) error {
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
	return metrics.Unique(slices.Concat(aggregator.Metrics(), sinks.Metrics(), objectstore.Metrics(), elastic.Metrics(), gapkeeper.Metrics(), backfill.Metrics())...)
}

func aggregate(ctx context.Context, cfg aggregatorFile, log *slog.Logger) error {
	reg := metrics.New(aggregatorMetrics()...)
	t, err := newTier(ctx, cfg, broker.Options{}, objectstore.Options{}, reg, log)
	if err != nil {
		return usagef("%v", err)
	}
	defer t.store.Close() //nolint:errcheck // every object is confirmed by now
	aggregator.LimitMemory(&cfg.Aggregator, cfg.Index.Memory())
	return serve(ctx, log, cfg.HTTP, reg, t.aggregator.Ready, t.Run)
}

// tier is an aggregator with its sinks.
type tier struct {
	aggregator *aggregator.Aggregator
	store      objectstore.Store
	index      *elastic.Sink // nil without an index
	// gaps and healer are nil without an index; healer also if it is not wanted.
	gaps   *gapkeeper.Keeper
	healer *backfill.Healer
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
		if err := t.joinIndex(cfg, reg, log); err != nil {
			return nil, err
		}
		for _, missing := range cfg.Index.MissingFields(cfg.Aggregator.AllFormats()) {
			log.Warn("no format has what a rule of the index asks for", "missing", missing)
		}
		deps.Index, deps.Gaps = t.index, t.gaps
	}
	if t.aggregator, err = aggregator.New(cfg.Aggregator, deps); err != nil {
		return nil, err
	}
	return t, nil
}

// joinIndex makes the index, the ledger of what it lacks, and who heals it.
func (t *tier) joinIndex(cfg aggregatorFile, reg *metrics.Registry, log *slog.Logger) (err error) {
	ledger := gaps.New(backfill.LedgerStore{Store: t.store}, cfg.Index.Stream())
	t.gaps = gapkeeper.New(gapkeeper.Deps{Ledger: ledger, Name: cfg.Aggregator.Name, Logger: log, Metrics: reg})
	t.index, err = elastic.New(cfg.Index, elastic.Deps{
		Logger: log, Metrics: reg, Settled: t.gaps.Settled,
		Gap: func(g elastic.Gap) {
			t.gaps.Gap(gaps.Gap{Key: g.Key, Rows: gaps.Span{First: g.FirstRow, Last: g.LastRow}, Lines: g.Lines, Reason: g.Reason})
		},
	})
	if err != nil || cfg.Index.Heal == elastic.HealOff {
		return err
	}
	t.healer = backfill.NewHealer(backfill.HealerDeps{
		Options: backfill.Options{Archive: t.store, Ledger: ledger, Index: t.index},
		Name:    cfg.Aggregator.Name, Files: t.gaps.Files, Healed: t.gaps.Look, Logger: log, Metrics: reg,
	})
	return nil
}

// Run runs the aggregator until ctx ends and it is drained, the index's sender a
// little longer, and then writes down what the index lacks.
func (t *tier) Run(ctx context.Context) error {
	t.gaps.Start(ctx)
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	var beside sync.WaitGroup
	beside.Go(func() { t.gaps.Run(keep) })
	heal, stopHealing := context.WithCancel(ctx)
	defer stopHealing()
	if t.healer != nil {
		beside.Go(func() { t.healer.Run(heal) })
	}
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
	stopHealing()
	if indexErr := <-sent; err == nil {
		err = indexErr
	}
	stopKeeping()
	beside.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), gapsLimit)
	defer cancel()
	t.gaps.Finish(last)
	if err != nil {
		return fmt.Errorf("aggregator: %w", err)
	}
	return nil
}

// gapsLimit bounds how long the ledger of gaps is written at the end.
const gapsLimit = 5 * time.Second
