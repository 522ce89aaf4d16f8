package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// auditFlags are common to the audit commands.
type auditFlags struct {
	archive, from, to, node, source string
}

func (a *auditFlags) register(fs *flag.FlagSet) {
	a.registerTimes(fs)
	fs.StringVar(&a.node, "node", "", "only lines that were read on `NODE`")
	fs.StringVar(&a.source, "source", "", "only lines of the source whose id is, or begins with, `ID`")
}

// registerTimes registers what is not about sources.
func (a *auditFlags) registerTimes(fs *flag.FlagSet) {
	archiveFlag(fs, &a.archive)
	fs.StringVar(&a.from, "from", "", "only lines from `T` on: "+timeHelp)
	fs.StringVar(&a.to, "to", "", "only lines before `T`")
}

// archiveFlag declares --archive.
func archiveFlag(fs *flag.FlagSet, url *string) {
	fs.StringVar(url, "archive", os.Getenv("LOGHAUL_ARCHIVE"),
		"the archive's `URL`: file:///dir or s3://bucket/prefix?endpoint=http://host:port&region=…;\nLOGHAUL_ARCHIVE if it is not given. Credentials for s3 come from AWS_ACCESS_KEY_ID,\nAWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN")
}

// open gives the store and the filter that the flags describe.
func (a *auditFlags) open(ctx context.Context) (objectstore.Store, audit.Filter, error) {
	filter := audit.Filter{Node: a.node, Source: a.source}
	if strings.Trim(a.source, "0123456789abcdef") != "" {
		return nil, filter, usagef("--source %q is not the id of a source, nor how one begins: hexadecimal digits; loghaul audit sources lists them", a.source)
	}
	var err error
	if filter.From, filter.To, err = parseRange(a.from, a.to, time.Now()); err != nil {
		return nil, filter, err
	}
	store, err := openArchive(ctx, a.archive)
	return store, filter, err
}

// memorySize is the value of --memory.
type memorySize struct{ config.Size }

// memoryFlag declares --memory.
func memoryFlag(fs *flag.FlagSet, what string) *memorySize {
	m := &memorySize{audit.DefaultMemory}
	fs.TextVar(m, "memory", m, "the `SIZE` of "+what+" to hold before sorting through TMPDIR")
	return m
}

// UnmarshalText reads a size that is not too small for the work.
func (m *memorySize) UnmarshalText(b []byte) error {
	if err := m.Size.UnmarshalText(b); err != nil {
		return err
	}
	if m.Size < 1<<20 {
		return errors.New("it takes at least 1MiB: with less, a few lines would be a temporary file")
	}
	return nil
}

func (m *memorySize) bytes() int64 { return int64(m.Size) }

// reads gives the function of a command that prints what it reads, as --output says.
func (a *auditFlags) reads(output *string, print func(context.Context, streams, objectstore.Store, audit.Filter) error) func(context.Context, streams, []string) error {
	return func(ctx context.Context, s streams, _ []string) error {
		if err := oneOf("output", *output, "table", "json"); err != nil {
			return err
		}
		store, filter, err := a.open(ctx)
		if err != nil {
			return err
		}
		defer store.Close() //nolint:errcheck // only read
		return print(ctx, s, store, filter)
	}
}

// partly reports whether a call of audit did its work but for some objects, of
// which it has said which; its result is to be shown all the same.
func partly(err error) bool {
	_, incomplete := errors.AsType[*audit.IncompleteError](err)
	return incomplete
}

// openArchive opens an archive that must be there, for reading.
func openArchive(ctx context.Context, url string) (objectstore.Store, error) {
	if url == "" {
		return nil, usagef("say which archive: --archive file:///dir or --archive s3://bucket/prefix (or set LOGHAUL_ARCHIVE)")
	}
	o, err := objectstore.OptionsFromEnv()
	if err != nil {
		return nil, usagef("%v", err)
	}
	store, err := objectstore.Open(ctx, url, o)
	if err != nil {
		return nil, usagef("%v", err)
	}
	if err = readable(ctx, store); err == nil {
		return store, nil
	}
	_ = store.Close() // nothing was written
	if errors.Is(err, sinks.ErrPermanent) {
		return nil, usagef("%v", err)
	}
	return nil, err
}

// readable reports whether the archive is there and may be read, without writing
// to it: evidence is looked at on read-only disks.
func readable(ctx context.Context, store objectstore.Store) error {
	found := errors.New("found")
	err := store.List(ctx, "dt=", func(objectstore.Info) error { return found })
	if errors.Is(err, found) {
		return nil
	}
	return err
}

// warner prints warnings, from any goroutine.
func warner(w io.Writer) func(error) {
	var mu sync.Mutex
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(w, "loghaul: warning: "+err.Error()) //nolint:errcheck // nowhere left to report
	}
}

const timeNote = `
--from and --to look at the time HAProxy printed in the line; a line without one has the time at
which the forwarder read it. An object that an aggregator sealed more than an hour before --from is
not opened: only a node whose clock is that far ahead can have later lines in it.
`

func auditCatCommand() command {
	return command{
		name:  "audit cat",
		args:  "--archive URL [--from T] [--to T] [--node N] [--source S] [--ref KEY#ROW]... [--wrapped]",
		short: "Print the archived lines as HAProxy wrote them, each once",
		alone: true,
		long: `
Lines come byte for byte, ordered by node, source and offset. What a container runtime put around
them is taken off, unless --wrapped asks for what lay in the files; a header of syslog is HAProxy's
own and stays. A line whose end is not known has no line feed. A line that the archive holds several
times (delivery is at least once) is printed once; lines that claim the same place but differ are
all printed, with a warning. Sorting is bounded in memory and goes through TMPDIR when it has to,
which then needs room for about all that is printed.
An object that cannot be read is named on stderr, the others are printed, and the exit code is 1.

--ref prints the rows that documents of the index name, in the order given: loghaul.archive.ref in
Kibana, or the fields loghaul.archive.key and loghaul.archive.row. Only their objects are read.
` + timeNote,
		examples: `
			# the bytes behind a document in Kibana
			loghaul audit cat --archive file:///archive --ref dt=2026-03-01/hour=12/agg-1-1772366400000-0123456789ab.parquet#17
			# what a node wrote in the last two hours
			loghaul audit cat --archive file:///var/lib/loghaul/archive --node web-1 --from -2h
			# one day out of S3, server errors only
			loghaul audit cat --archive 's3://logs/haproxy?region=eu-west-1' --from 2026-03-01 --to 2026-03-02 | grep ' 50[0-9] '`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			format := fs.String("format", "raw", "raw is the only `FORMAT` so far")
			var refs list
			fs.Var(&refs, "ref", "only the row `KEY#ROW` of an object, or the rows KEY#FIRST-LAST; may be given several times")
			wrapped := fs.Bool("wrapped", false, "print the records of container runtimes as they lay in the files")
			memory := memoryFlag(fs, "lines")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("format", *format, "raw"); err != nil {
					return err
				}
				if len(refs) > 0 {
					return f.catRefs(ctx, s, refs, *wrapped)
				}
				store, filter, err := f.open(ctx)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // only read
				report, err := audit.Cat(ctx, store, s.out, audit.CatOptions{Filter: filter, Memory: memory.bytes(), Wrapped: *wrapped, Warn: warner(s.err)})
				if report.Conflicts > 0 {
					warner(s.err)(fmt.Errorf("%d lines share node, source and offset with another line that differs", report.Conflicts))
				}
				if report.LostBytes > 0 || report.LostLines > 0 {
					warner(s.err)(fmt.Errorf("forwarders declared %d bytes as lost, and %d lines as far as they were counted: see loghaul audit sources",
						report.LostBytes, report.LostLines))
				}
				return err
			}
		},
	}
}

// catRefs is audit cat --ref.
func (a *auditFlags) catRefs(ctx context.Context, s streams, texts []string, wrapped bool) error {
	if a.from != "" || a.to != "" || a.node != "" || a.source != "" {
		return usagef("--ref names rows: it takes no --from, --to, --node or --source")
	}
	var refs []audit.Ref
	for _, text := range texts {
		r, err := audit.ParseRef(text)
		if err != nil {
			return usagef("--ref: %v", err)
		}
		refs = append(refs, r)
	}
	store, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // only read
	return audit.CatRefs(ctx, store, s.out, refs, wrapped)
}

func auditSourcesCommand() command {
	return command{
		name:  "audit sources",
		args:  "--archive URL [--node N] [--source S] [--output table|json]",
		short: "List the sources: node, path, byte ranges archived, lost and missing",
		alone: true,
		long: `
A source is one byte stream on one node: a generation of a log file. Ranges are half open, in bytes
of the source. LOST lists what the forwarder declared as lost, and why; a source that counts lines
which HAProxy or the kernel dropped has nothing else, and shows how many. MISSING lists what lies
before and between the ranges archived or lost; what comes after the last one may not have been sent
yet and cannot be known here. Only the footers of the objects are read. With --from or --to ARCHIVED
covers the selected objects, LOST what was declared then, and MISSING is not known.
` + timeNote,
		examples: `
			loghaul audit sources --archive file:///var/lib/loghaul/archive
			# every gap there is
			loghaul audit sources --archive file:///var/lib/loghaul/archive --output json | jq '.[] | select(.missing != [])'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			output := fs.String("output", "table", "`FORMAT`: table or json, an array of objects")
			return f.reads(output, func(ctx context.Context, s streams, store objectstore.Store, filter audit.Filter) error {
				sources, err := audit.Sources(ctx, store, filter, warner(s.err))
				if err != nil && !partly(err) {
					return err
				}
				return errors.Join(printSources(s.out, sources, *output), err)
			})
		},
	}
}

func auditLsCommand() command {
	return command{
		name:  "audit ls",
		args:  "--archive URL [--from T] [--to T] [--node N] [--source S] [--output table|json]",
		short: "List the objects: lines, bytes, ratio, times, writer",
		alone: true,
		long: `
One line for each object, in the order of their keys, and a total. Filters select whole objects:
those that can hold a line which matches. Only the footers of the objects are read.
` + timeNote,
		examples: `
			loghaul audit ls --archive file:///var/lib/loghaul/archive --from -1d
			loghaul audit ls --archive 's3://logs/haproxy?region=eu-west-1' --output json | jq -r .key`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			output := fs.String("output", "table", "`FORMAT`: table or json, one object in each line")
			return f.reads(output, func(ctx context.Context, s streams, store objectstore.Store, filter audit.Filter) error {
				return listObjects(ctx, s, store, filter, *output)
			})
		},
	}
}

func listObjects(ctx context.Context, s streams, store objectstore.Store, filter audit.Filter, output string) error {
	t := newObjectTable(s.out, output)
	err := audit.Ls(ctx, store, filter, warner(s.err), t.add)
	if err == nil || partly(err) {
		err = errors.Join(t.end(), err)
	}
	if n, qerr := audit.Quarantined(ctx, store); qerr == nil && n > 0 {
		warner(s.err)(fmt.Errorf("%d malformed batches lie under _quarantine/; their lines are in no object", n))
	}
	return err
}
