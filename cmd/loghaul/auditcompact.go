package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func auditCompactCommand() command {
	return command{
		name:  "audit compact",
		args:  "--archive URL --target URL [--from DAY] [--to DAY] [--lines N] [--size SIZE] [--output table|json]",
		short: "Write a derived copy for SQL: large files by day, sorted by frontend and time, no repeats",
		alone: true,
		long: `
The copy has the columns of the archive, so that deploy/sql reads it as well, in files named
dt=DAY/hour=all/*.parquet by the day of the event, UTC; a line without a time is in that on which it
was read. It is no archive: it cannot prove that it is complete, and no other command of audit reads
it. The originals are only read. Each file is read back and compared before it is stored. What is done
is kept in the target under _compact/, so run it again after an interruption, and every night: it adds
what is new. The target must not lie in the archive, unless under its prefix _derived/. Memory is
bounded; a day is sorted through TMPDIR when it has to. An original that cannot be read is named on
stderr, its days are left for the next time, and the exit code is 1.
`,
		examples: `
			loghaul audit compact --archive file:///var/lib/loghaul/archive --target file:///var/lib/loghaul/days
			# yesterday, every night
			loghaul audit compact --archive 's3://logs/haproxy?region=eu-west-1' \
			    --target 's3://logs/haproxy/_derived/days?region=eu-west-1' --from $(date -u -d yesterday +%F) --to $(date -u +%F)`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.registerTimes(fs)
			target := fs.String("target", "", "the `URL` of the copy, as that of the archive; a folder is made if it is not there")
			lines := fs.Int("lines", audit.DefaultCompactLines, "at most `N` lines in a file")
			size, memory := config.Size(audit.DefaultCompactBytes), memoryFlag(fs, "what")
			fs.TextVar(&size, "size", size, "at most this `SIZE` of raw lines in a file")
			output := fs.String("output", "table", "`FORMAT`: table or json, one object")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				switch {
				case *target == "":
					return usagef("say where to: --target file:///dir or --target s3://bucket/prefix")
				case *lines < 1 || size < 1:
					return usagef("--lines and --size must be positive")
				}
				store, filter, err := f.open(ctx)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // only read
				for _, t := range []time.Time{filter.From, filter.To} {
					if !t.IsZero() && !t.Equal(t.UTC().Truncate(24*time.Hour)) {
						return usagef("--from and --to of audit compact are days, as 2026-03-01 (UTC)")
					}
				}
				to, err := openTarget(ctx, *target, store.String())
				if err != nil {
					return err
				}
				defer to.Close() //nolint:errcheck // every file is confirmed
				report, err := audit.Compact(ctx, store, to, audit.CompactOptions{
					From: filter.From, To: filter.To, Lines: *lines, Bytes: int64(size), Memory: memory.bytes(),
					Archive: store.String(), CreatedBy: version, Warn: warner(s.err), Progress: func(d audit.CompactedDay) {
						fmt.Fprintf(s.err, "%s: %d lines of %d objects in %d files\n", d.Day, d.Lines, len(d.Originals), len(d.Files)) //nolint:errcheck // nowhere left to report
					},
				})
				if report == nil {
					return err
				}
				return errors.Join(printCompact(s.out, report, *output), err)
			}
		},
	}
}

// openTarget opens the place of a derived copy, and makes it if it is a folder
// in a right place.
func openTarget(ctx context.Context, url, archive string) (objectstore.Store, error) {
	o, err := objectstore.OptionsFromEnv()
	if err != nil {
		return nil, usagef("%v", err)
	}
	to, err := objectstore.Open(ctx, url, o)
	if err != nil {
		return nil, usagef("%v", err)
	}
	if err := audit.CheckCompactTarget(archive, to.String()); err != nil {
		return nil, errors.Join(usagef("%v", err), to.Close())
	}
	if err := to.Close(); err != nil {
		return nil, err
	}
	o.Create = true
	if to, err = objectstore.Open(ctx, url, o); err != nil {
		return nil, usagef("%v", err)
	}
	if err := to.Check(ctx); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}

func printCompact(w io.Writer, r *audit.CompactReport, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%d days written, %d were done before; %d lines of %d bytes in %d files of %d bytes (%s); %d repeats left out\n",
		r.Days, r.Done, r.Lines, r.RawBytes, r.Files, r.StoredBytes, ratio(r.RawBytes, r.StoredBytes), r.Repeats)
	return err
}
