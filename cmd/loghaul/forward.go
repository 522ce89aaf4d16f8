package main

import (
	"context"
	"flag"
	"log/slog"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/forwarder/daemon"
	"github.com/loghaul/loghaul/internal/broker"
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
				if *path == "" {
					return loadConfig(*path, nil)
				}
				signal.Ignore(syscall.SIGHUP) // there is nothing to reload, and it must not end the process
				if code := daemon.Run(ctx, *path, *http, s.err); code != exitDone {
					return &exitError{code}
				}
				return nil
			}
		},
	}
}

// newUpForwarder makes the forwarder of `up`.
func newUpForwarder(o upOptions, cfg broker.Config, link broker.Options, reg *metrics.Registry, log *slog.Logger) (*forwarder.Forwarder, error) {
	c := forwarder.DefaultConfig()
	c.State = filepath.Join(o.data, "forwarder")
	c.Inputs = nil
	for _, pattern := range o.inputs() {
		c.Inputs = append(c.Inputs, forwarder.Input{File: pattern})
	}
	c.Batch.Linger = upLinger
	c.Broker = cfg
	if err := c.Validate(); err != nil {
		return nil, usagef("%v", err)
	}
	return forwarder.New(c, forwarder.Deps{Logger: log, Metrics: reg, Broker: link})
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
