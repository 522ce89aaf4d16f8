package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
)

// brokerTimeout bounds the whole of a broker command.
const brokerTimeout = time.Minute

const brokerNote = `
FILE is the file of an aggregator (its sections broker and streams), of a forwarder (its section
broker, with the default streams), or one that has only the sections broker and streams.
`

func brokerSetupCommand() command {
	return command{
		name:  "broker setup",
		args:  "--config FILE [--update] [--output table|json]",
		short: "Make the streams and consumers that the daemons bind to, and check them",
		alone: true,
		long: `
Run it once, as an operator who may make streams. Running it again changes nothing. What exists and
differs from the configuration is reported, with exit code 1, and only changed with --update.
` + brokerNote,
		examples: `
			loghaul broker setup --config aggregator.yaml
			# take over a changed streams section
			loghaul broker setup --config aggregator.yaml --update`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "aggregator")
			update := fs.Bool("update", false, "change what differs")
			output := fs.String("output", "table", "`FORMAT`: table or json")
			return func(ctx context.Context, s streams, _ []string) error {
				return brokerReport(ctx, s.out, *path, *output, func(ctx context.Context, js jetstream.JetStream, c broker.SetupConfig) (broker.Report, error) {
					c.Update = *update
					return broker.Setup(ctx, js, c)
				})
			}
		},
	}
}

func brokerStatusCommand() command {
	return command{
		name:  "broker status",
		args:  "--config FILE [--output table|json]",
		short: "Show the streams and consumers and what waits in them, and check them",
		alone: true,
		long: `
WAITING batches were not delivered to an aggregator yet, WITH AGGREGATORS are not acknowledged yet,
REDELIVERED were delivered before. Exit code 1 if anything is missing or differs.
` + brokerNote,
		examples: `
			loghaul broker status --config aggregator.yaml
			loghaul broker status --config aggregator.yaml --output json | jq '[.shards[].pending] | add'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			path := configFlag(fs, "aggregator")
			output := fs.String("output", "table", "`FORMAT`: table or json")
			return func(ctx context.Context, s streams, _ []string) error {
				return brokerReport(ctx, s.out, *path, *output, broker.Status)
			}
		},
	}
}

type brokerAction func(context.Context, jetstream.JetStream, broker.SetupConfig) (broker.Report, error)

// brokerReport connects, does act, and prints what it reports.
func brokerReport(ctx context.Context, w io.Writer, path, output string, act brokerAction) error {
	if err := oneOf("output", output, "table", "json"); err != nil {
		return err
	}
	f, err := loadBrokerFile(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	nc, err := broker.Connect(ctx, f.Broker, broker.Options{Name: "loghaul-setup", Once: true})
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	report, err := act(ctx, js, broker.SetupConfig{Shards: f.Broker.Shards, Streams: f.Streams})
	return errors.Join(printBroker(w, report, output), err, report.Err())
}

// brokerFile is what the broker commands need of a file.
type brokerFile struct {
	Broker  broker.Config  `yaml:"broker"`
	Streams broker.Streams `yaml:"streams"`
}

// Validate checks both sections.
func (f *brokerFile) Validate() error {
	return errors.Join(config.Under("broker", f.Broker.Validate()), config.Under("streams", f.Streams.Validate()))
}

// loadBrokerFile reads a file of any kind that has a broker section.
func loadBrokerFile(path string) (brokerFile, error) {
	f := brokerFile{Broker: broker.DefaultConfig(), Streams: broker.DefaultStreams()}
	data, err := readConfig(path)
	if err != nil {
		return f, err
	}
	keys, err := config.TopKeys(path, data)
	if err != nil {
		return f, parseConfig(path, data, &f)
	}
	switch {
	case slices.Contains(keys, "archive"):
		cfg := defaultAggregatorFile()
		err := parseConfig(path, data, &cfg)
		f.Broker, f.Streams = cfg.Aggregator.Broker, cfg.Streams
		return f, err
	case slices.Contains(keys, "inputs"):
		cfg := forwarder.DefaultConfig()
		err := parseConfig(path, data, &cfg)
		f.Broker = cfg.Broker
		return f, err
	}
	return f, parseConfig(path, data, &f)
}

func printBroker(w io.Writer, r broker.Report, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tSTATE\tCONSUMER\tBATCHES\tBYTES\tLIMIT\tWAITING\tWITH AGGREGATORS\tREDELIVERED") //nolint:errcheck // Flush reports it
	for i := range r.Shards {
		s := &r.Shards[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t%d\n", //nolint:errcheck // Flush reports it
			s.Stream, s.StreamOutcome, s.ConsumerOutcome, s.Messages, s.Bytes, config.Size(s.MaxBytes), s.Pending, s.AckPending, s.Redelivered)
	}
	return t.Flush()
}
