package main

import (
	"context"
	"flag"
	"os/signal"
	"syscall"

	"github.com/loghaul/loghaul/forwarder/daemon"
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
