package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func auditDedupeCommand() command {
	return command{
		name:  "audit dedupe-report",
		args:  "--archive URL [--from T] [--to T] [--node N] [--source S] [--output table|json]",
		short: "Count the lines that the archive holds several times",
		alone: true,
		long: `
Delivery is at least once: what was not acknowledged in time is sent, and may be stored, again. Every
command of audit leaves such repeats out; this one says how many there are, in objects of which writer
and hour, and of which source. A conflict is a line that has the place of another one but other bytes:
all of them are printed by audit cat. Footers tell where ranges of objects overlap; only objects that
do are read. Sorting is bounded in memory and goes through TMPDIR when it has to.
` + timeNote,
		examples: `
			loghaul audit dedupe-report --archive file:///var/lib/loghaul/archive --from -1d
			# writers by what they stored again
			loghaul audit dedupe-report --archive 's3://logs/haproxy?region=eu-west-1' --output json |
			    jq -r '.groups | group_by(.writer)[] | "\(.[0].writer) \(map(.repeats) | add)"'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			output := fs.String("output", "table", "`FORMAT`: table or json, one object")
			memory := memoryFlag(fs, "what")
			return f.reads(output, func(ctx context.Context, s streams, store objectstore.Store, filter audit.Filter) error {
				report, err := audit.Dedupe(ctx, store, audit.DedupeOptions{Filter: filter, Memory: memory.bytes(), Warn: warner(s.err)})
				if err != nil && !partly(err) {
					return err
				}
				return errors.Join(printDedupe(s.out, report, *output), err)
			})
		},
	}
}

func printDedupe(w io.Writer, r *audit.DedupeReport, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SEALED\tWRITER\tNODE\tSOURCE\tREPEATS\tBYTES\tCONFLICTS") //nolint:errcheck // Flush reports it
	for _, g := range r.Groups {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", //nolint:errcheck // Flush reports it
			g.Sealed.Format("2006-01-02 15h"), g.Writer, printable(g.Node), g.Source, g.Repeats, g.RepeatedBytes, g.Conflicts)
	}
	fmt.Fprintf(t, "total of %d lines in %d objects, %d of them read\t\t\t\t%d\t%d\t%d\n", //nolint:errcheck // Flush reports it
		r.Lines, r.Objects, r.Read, r.Repeats, r.RepeatedBytes, r.Conflicts)
	return t.Flush()
}
