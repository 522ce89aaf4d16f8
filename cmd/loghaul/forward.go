package main

import (
	"context"
	"flag"
	"log/slog"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/internal/metrics"
)

func forwardCommand() command {
	return command{
		name:  "forward",
		args:  "--config FILE",
		short: "Run a forwarder: log files to broker (the same as loghaul-forwarder)",
		long: `
It follows log files and publishes what is written to them in batches. A position moves only after
the broker has the batch on disk. SIGTERM waits for what is in flight and exits 0. On nodes run the
small binary loghaul-forwarder, which takes the same file.
`,
		examples: `
			loghaul config example forwarder > forwarder.yaml
			loghaul forward --config forwarder.yaml`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "forwarder")
			http := fs.String("http", "", "serve /metrics, /healthz and /readyz on `ADDR` instead of the file's http")
			return func(ctx context.Context, s streams, operands []string) error {
				if len(operands) > 0 {
					return usagef("unexpected argument %q", operands[0])
				}
				cfg := forwarder.DefaultConfig()
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
				reg := metrics.New(forwarder.Metrics()...)
				f, err := forwarder.New(cfg, forwarder.Deps{Logger: log, Metrics: reg})
				if err != nil {
					return usagef("%v", err)
				}
				return serve(ctx, log, cfg.HTTP, reg, f.Ready, f.Run)
			}
		},
	}
}

// newUpForwarder makes the forwarder of `up`.
func newUpForwarder(o upOptions, cfg broker.Config, link broker.Options, reg *metrics.Registry, log *slog.Logger) (*forwarder.Forwarder, error) {
	c := forwarder.DefaultConfig()
	c.State = o.data + "/forwarder"
	c.Inputs = nil
	for _, pattern := range o.inputs() {
		c.Inputs = append(c.Inputs, forwarder.Input{File: pattern})
	}
	c.Broker = cfg
	return forwarder.New(c, forwarder.Deps{Logger: log, Metrics: reg, Broker: link})
}

// snapshot reads both tiers at one moment.
func (s *site) snapshot() snapshot {
	return snapshot{}
}
