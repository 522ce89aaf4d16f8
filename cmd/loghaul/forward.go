package main

import (
	"context"
	"flag"

	"github.com/loghaul/loghaul/forwarder/daemon"
)

func forwardCommand() command {
	return command{
		name:  "forward",
		args:  "--config FILE | --stdin [--config FILE]",
		short: "Run a forwarder: files, syslog, stdin or journal to broker (the same as loghaul-forwarder)",
		alone: true,
		long: `
It takes lines from files, syslog, standard input and the journal and publishes them in batches. A
position moves only after the broker has the batch on disk. SIGTERM ships what is there, waits for the
answers and exits 0; SIGHUP reads the configuration again. On nodes run the small binary
loghaul-forwarder, which takes the same file.
`,
		examples: `
			loghaul config example forwarder > forwarder.yaml
			loghaul forward --config forwarder.yaml
			haproxy -db -f haproxy.cfg | loghaul forward --stdin`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "forwarder")
			stdin := fs.Bool("stdin", false, "read standard input too, until it ends; if it is the only input the forwarder ends then")
			http := fs.String("http", "", "serve /metrics, /healthz and /readyz on `ADDR` instead of the file's http")
			return func(ctx context.Context, s streams, _ []string) error {
				if *path == "" && !*stdin {
					return loadConfig(*path, nil)
				}
				o := daemon.Options{Config: *path, HTTP: *http, Stdin: *stdin, Version: version}
				if code := daemon.Run(ctx, o, s.err); code != exitDone {
					return &exitError{code}
				}
				return nil
			}
		},
	}
}

func forwardStatusCommand() command {
	return command{
		name:  "forward status",
		args:  "[--config FILE] [--output text|json]",
		short: "Ask a running forwarder what it is doing: positions, lag, ledger",
		alone: true,
		long: `
It asks the forwarder that runs with this configuration on this machine, through a socket in its state
folder. PATH lists the ledger of each input: bytes read = acked + in flight + lost, since its start.
SOURCE lists every byte stream: up to where the broker has it, its size, the bytes between the two
(LAG), and the age of the oldest of them.
`,
		examples: `
			loghaul forward status --config forwarder.yaml
			loghaul forward status --config forwarder.yaml --output json`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "forwarder")
			output := fs.String("output", "text", "`FORMAT`: text or json")
			return func(ctx context.Context, s streams, _ []string) error {
				if code := daemon.Status(ctx, *path, *output, s.out, s.err); code != exitDone {
					return &exitError{code}
				}
				return nil
			}
		},
	}
}
