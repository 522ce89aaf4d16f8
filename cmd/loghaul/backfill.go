package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks/elastic"
)

const (
	// backfillPatience is how long the command waits for an index that does not
	// answer, and backfillBusy for one that pushes back and takes nothing.
	backfillPatience = 30 * time.Second
	backfillBusy     = 10 * time.Minute
	// deadBeat is how old a heartbeat must be to be that of a dead aggregator.
	deadBeat = 5 * time.Minute
)

func backfillCommand() command {
	return command{
		name:  "backfill",
		args:  "--archive URL --index URL | --config FILE [--from T] [--to T] [--namespace N] [--dry-run]",
		short: "Index from the archive what the index lacks, or any range of time",
		alone: true,
		long: `
What the index did not take is noted in a ledger beside the archive (_gaps/, docs/elasticsearch.md).
Without --from and --to the gaps of that ledger are filled, by exactly the lines that are missing, and
taken off it. It can be stopped and started again at any time, and run beside aggregators, which heal
on their own unless index.heal is off. A line that is there already is found by its id, so nothing is
twice. An aggregator that was killed is found by its heartbeat, five minutes later.

With --from or --to all lines of that time are indexed, whatever the ledger says, and the ledger stays
as it is; with --namespace into another data stream than usual.

The archive's credential must be able to store and to delete below _gaps/. --dry-run shows the ledger,
or how much a range is, needs no index and changes nothing. The exit code is 1 if something is still
missing, which is said with the reason.
` + timeNote,
		examples: `
			# what is missing?
			loghaul backfill --archive file:///var/lib/loghaul/archive --dry-run
			loghaul backfill --config aggregator.yaml
			# a day again, into the data stream logs-haproxy.log-incident
			loghaul backfill --config aggregator.yaml --from 2026-03-01 --to 2026-03-02 --namespace incident`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var b backfillCall
			b.flags.registerTimes(fs)
			fs.Lookup("from").Usage = "index lines from `T` on: " + timeHelp
			fs.Lookup("to").Usage = "index lines before `T`"
			b.index.register(fs)
			fs.BoolVar(&b.dry, "dry-run", false, "only show what is missing")
			fs.StringVar(&b.output, "output", "table", "`FORMAT`: table or json")
			return func(ctx context.Context, s streams, _ []string) error { return b.run(ctx, s) }
		},
	}
}

// backfillCall is one call of the command.
type backfillCall struct {
	flags  auditFlags
	index  indexFlags
	dry    bool
	output string
}

func (b *backfillCall) run(ctx context.Context, s streams) error {
	if err := oneOf("output", b.output, "table", "json"); err != nil {
		return err
	}
	var filter audit.Filter
	var err error
	if filter.From, filter.To, err = parseRange(b.flags.from, b.flags.to, time.Now()); err != nil {
		return err
	}
	if b.dry && b.index.url == "" {
		b.index.url = "http://127.0.0.1:9200" // is not asked for anything
	}
	file, err := b.index.load()
	if err != nil {
		return err
	}
	store, err := openArchiveOr(ctx, b.flags.archive, file.Archive)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // every gap file is confirmed
	o := backfill.Options{
		Archive: store, Ledger: gaps.New(backfill.LedgerStore{Store: store}, file.Index.Stream()), Parallel: file.Index.Senders,
		Patience: backfillPatience, BusyPatience: backfillBusy, Dead: deadBeat, Warn: warner(s.err), Progress: &backfill.Progress{},
	}
	ranged := !filter.From.IsZero() || !filter.To.IsZero()
	if b.dry {
		if ranged {
			return dryRange(ctx, s, store, filter, b.output)
		}
		return showLedger(ctx, s, o.Ledger, b.output)
	}
	sink, err := elastic.New(file.Index, elastic.Deps{Logger: slog.New(slog.NewTextHandler(s.err, nil)), Metrics: metrics.New(elastic.Metrics()...)})
	if err != nil {
		return usagef("%v", err)
	}
	if err := sink.Prepare(ctx); err != nil {
		return err
	}
	o.Index = sink
	var line fillLine
	stop := showProgress(s.err, func(now time.Time) string { return line.text(o.Progress, now) })
	engine := backfill.New(o)
	var report backfill.Report
	if ranged {
		report, err = engine.Range(ctx, filter)
	} else {
		report, err = engine.Heal(ctx)
	}
	stop()
	if err = errors.Join(printBackfill(s.out, &report, ranged, b.output), err); err != nil {
		return err
	}
	if !report.Healed() {
		return &exitError{exitFailed}
	}
	return nil
}

// fillLine knows since when gaps are filled.
type fillLine struct{ began time.Time }

// text says how far it is, how fast, and how long it will take.
func (l *fillLine) text(p *backfill.Progress, now time.Time) string {
	done, all := p.Done.Load(), p.Lines.Load()
	if l.began.IsZero() {
		l.began = now.Add(-time.Second)
	}
	rate := float64(done) / now.Sub(l.began).Seconds()
	text := fmt.Sprintf("%s of %s lines, %s/s", thousands(done), thousands(max(all, done)), thousands(int64(rate)))
	if left := float64(all-done) / rate; left > 0 && left < 1e6 {
		text += fmt.Sprintf(", %s left", time.Duration(left*float64(time.Second)).Round(time.Second))
	}
	if why := p.Waiting.Load(); why != nil {
		text += "; waiting: " + (*why).Error()
	}
	return text
}
