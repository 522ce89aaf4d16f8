package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/audit/indexed"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/sinks/elastic"
)

func indexVerifyCommand() command {
	return command{
		name:  "index verify",
		args:  "--archive URL --index URL | --config FILE [--from T] [--to T] [--output table|json]",
		short: "Compare the index with the archive, by hour and source, and name each difference",
		alone: true,
		long: `
For each hour (of the documents' @timestamp) and source it counts the lines of the archive, each once,
and the documents of the data stream. ARCHIVED is what should be in the index: lines that the rules of
--config leave out are not among it. IN LEDGER is what of it the gap ledger names: loghaul backfill
indexes that. It needs the index privilege read. Documents are visible a refresh_interval after they
were indexed; with the privilege maintenance it refreshes first. What was archived a moment ago may
still be on its way: give --to when lines arrive.
Two things it cannot see: a document in another's place, as only numbers are compared, and whether a
line without a time that was archived twice has the hour of the one or the other copy.
It reads of each object the columns of place and time alone; with rules, whole objects.
`,
		examples: `
			loghaul index verify --archive file:///var/lib/loghaul/archive --index http://localhost:9200 --to -5m
			# what is missing, and of what not even the ledger knows
			loghaul index verify --config aggregator.yaml --from -1d --to -5m --output json |
			  jq -c 'select(.difference.missing > .difference.in_ledger)'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			v := indexVerify{memory: audit.DefaultMemory}
			v.flags.registerTimes(fs)
			fs.Lookup("from").Usage = "compare from `T` on: " + timeHelp
			fs.Lookup("to").Usage = "compare what is before `T`"
			v.index.register(fs)
			fs.TextVar(&v.memory, "memory", v.memory, "the `SIZE` of what to hold of the archive")
			fs.StringVar(&v.output, "output", "table", "`FORMAT`: table or json, one difference in each line and a total")
			return func(ctx context.Context, s streams, _ []string) error { return v.run(ctx, s) }
		},
	}
}

// indexVerify is one call of the command.
type indexVerify struct {
	flags  auditFlags
	index  indexFlags
	memory config.Size
	output string
}

func (v *indexVerify) run(ctx context.Context, s streams) error {
	if err := oneOf("output", v.output, "table", "json"); err != nil {
		return err
	}
	from, to, err := parseRange(v.flags.from, v.flags.to, time.Now())
	if err != nil {
		return err
	}
	file, err := v.index.load()
	if err != nil {
		return err
	}
	store, err := openArchiveOr(ctx, v.flags.archive, file.Archive)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // only read
	server, err := elastic.Connect(file.Index)
	if err != nil {
		return usagef("%v", err)
	}
	defer server.Close()
	if err := server.CheckToRead(ctx); err != nil {
		return err
	}
	warn := warner(s.err)
	o := indexed.Options{Archive: store, From: from, To: to, Leave: server.Leave(), Memory: int64(v.memory), Warn: warn}
	// The ledger is older than what is counted: what is healed meanwhile is no
	// difference, whatever the ledger said.
	if o.Ledger, err = indexed.ReadLedger(ctx, gaps.New(backfill.LedgerStore{Store: store}, file.Index.Stream()), warn); err != nil {
		return err
	}
	if !server.Refresh(ctx) {
		warn(errors.New("the user may not refresh the index: documents of the last seconds may not be counted"))
	}
	var line atomic.Pointer[audit.FindReport]
	o.Progress = func(r *audit.FindReport) { now := *r; line.Store(&now) }
	stop := showProgress(s.err, func(time.Time) string { return comparing(line.Load()) })
	t := newDifferenceTable(s.out, v.output)
	o.Index, o.Difference = server.Counts(from, to), t.add
	report, err := indexed.Verify(ctx, o)
	stop()
	if err != nil && !partly(err) {
		return errors.Join(t.out.Flush(), err)
	}
	if err := errors.Join(t.end(&report), err); err != nil {
		return err
	}
	if report.Differences > 0 {
		return &exitError{exitDifference}
	}
	return nil
}

// comparing says how far it is.
func comparing(r *audit.FindReport) string {
	if r == nil {
		return "looking for objects"
	}
	return fmt.Sprintf("%s of %s objects", thousands(int64(r.Done)), thousands(int64(r.Candidates)))
}

// differenceTable prints differences as they come: there may be many.
type differenceTable struct {
	out  *bufio.Writer
	json *json.Encoder
	rows int
}

const differenceRow = "%-16s  %-16s  %-24s  %10s  %10s  %9s  %9s  %9s  %s\n"

func newDifferenceTable(w io.Writer, output string) *differenceTable {
	t := &differenceTable{out: bufio.NewWriter(w)}
	if output == "json" {
		t.json = json.NewEncoder(t.out)
	}
	return t
}

func (t *differenceTable) add(d indexed.Difference) error {
	if t.json != nil {
		return t.json.Encode(map[string]any{"difference": d})
	}
	if t.rows == 0 {
		if _, err := fmt.Fprintf(t.out, differenceRow, "HOUR", "NODE", "SOURCE", "ARCHIVED", "INDEXED", "MISSING", "EXTRA", "IN LEDGER", "PATH: WHY"); err != nil {
			return err
		}
	}
	t.rows++
	n := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return thousands(n)
	}
	_, err := fmt.Fprintf(t.out, differenceRow, d.Hour.Format("2006-01-02T15:04Z"), orDash(printable(d.Node)), orDash(printable(d.Source)),
		n(d.Archived), n(d.Indexed), n(d.Missing), n(d.Extra), n(d.Known), orDash(printable(d.Path))+": "+d.Why)
	return err
}

func (t *differenceTable) end(r *indexed.Report) (err error) {
	if t.json != nil {
		return errors.Join(t.json.Encode(map[string]any{"total": r}), t.out.Flush())
	}
	verdict := "the index has what the archive has"
	if r.Differences > 0 {
		verdict = fmt.Sprintf("%s missing (%s in the gap ledger), %s extra, in %s of %s hours of sources",
			thousands(r.Missing), thousands(r.Known), thousands(r.Extra), thousands(int64(r.Differences)), thousands(int64(r.Compared)))
	}
	excluded := ""
	if r.Excluded > 0 {
		excluded = fmt.Sprintf(" and %s that rules leave out", thousands(r.Excluded))
	}
	if t.rows > 0 {
		fmt.Fprintln(t.out) //nolint:errcheck // Flush reports it
	}
	fmt.Fprintf(t.out, "%s lines archived%s, %s documents: %s.\n", thousands(r.Archived), excluded, thousands(r.Indexed), verdict) //nolint:errcheck // Flush reports it
	return t.out.Flush()
}
