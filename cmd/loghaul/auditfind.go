package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	manifestfile "github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/parser/filter"
)

// findFlags are those of audit find besides the common ones.
type findFlags struct {
	auditFlags
	grep                           list
	limit, tail                    int64
	format, fields, output, public string
	count, explain                 bool
	memory                         *memorySize
}

func auditFindCommand() command {
	return command{
		name:  "audit find",
		args:  "--archive URL [--from T] [--to T] [--node N] [--source S] [--grep TEXT]... [--limit N] [FILTER...]",
		short: "Find archived lines by their fields or their bytes, in the order of time",
		long: `
FILTER asks for fields: ` + strings.TrimPrefix(filterHelp, "\nEXPR is a filter, as ") + `
Several arguments are one filter. --grep TEXT also wants TEXT among the bytes of the line, wherever.

Lines come in the order of time, then of node, source and offset, each once, as soon as no object
that was not read yet can have an earlier one. Objects that cannot have such a line are not read:
manifests, statistics and bloom filters exclude them; of the others the columns that FILTER names are
read, and the rest where a line passed. --explain says how that went, on stderr. An object that cannot
be read is named on stderr, the others are searched, and the exit code is 1.

raw is what HAProxy wrote, as audit cat prints it. json is what loghaul parse prints, with "node",
"source" and "offset" for "line". csv has the columns of --fields: names as in json, or time, read_time,
node, source, offset, path, format, raw, labels, namespace, pod, container. parquet is one file for SQL
engines, with all columns of the archive; it is made in memory. docs/find.md has more.
` + timeNote,
		examples: `
			loghaul audit find --archive 's3://logs/haproxy?region=eu-west-1' --from -1d 'ST>=500 b=api'
			loghaul audit find --archive file:///var/lib/loghaul/archive 'ci=203.0.113.7' --format json | jq .fields
			loghaul audit find --archive file:///var/lib/loghaul/archive --from -90d --explain 'ID=5f1c-77'
			loghaul audit find --archive file:///var/lib/loghaul/archive --count --from 2026-03-01 'Ta>2s HP^=/login'
			loghaul audit find --archive file:///var/lib/loghaul/archive --tail 20 --grep 'GET /admin'
			loghaul audit find --archive file:///var/lib/loghaul/archive --format parquet 'ST>=500' > errors.parquet`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f findFlags
			f.register(fs)
			return func(ctx context.Context, s streams, operands []string) error { return f.run(ctx, s, operands) }
		},
	}
}

func (f *findFlags) register(fs *flag.FlagSet) {
	f.auditFlags.register(fs)
	fs.Var(&f.grep, "grep", "only lines that have `TEXT` in them, byte for byte; may be given several times: all of them")
	fs.Int64Var(&f.limit, "limit", 0, "only the first `N` lines; nothing more is read then")
	fs.Int64Var(&f.tail, "tail", 0, "only the last `N` lines; the archive is read from its end")
	fs.StringVar(&f.format, "format", "raw", "`FORMAT` of lines: raw, json, csv or parquet")
	fs.StringVar(&f.fields, "fields", "", "the `COLUMNS` of csv, with commas between them;\n"+defaultFields+" if it is not given")
	fs.BoolVar(&f.count, "count", false, "print how many lines there are, and not the lines")
	fs.BoolVar(&f.explain, "explain", false, "say on stderr what was left out by what, and what was read")
	fs.StringVar(&f.output, "output", "text", "`FORMAT` of --count and --explain: text or json")
	fs.StringVar(&f.public, "public-key", "", "only believe manifests that are signed with a key of `FILE`")
	f.memory = memoryFlag(fs, "lines")
}

func (f *findFlags) run(ctx context.Context, s streams, operands []string) error {
	o, header, err := f.options(operands)
	if err != nil {
		return err
	}
	if f.format == "parquet" && !f.count && isTerminal(s.out) {
		return usagef("--format parquet is no text: write it to a file, as with > found.parquet")
	}
	store, filter, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // only read
	o.Filter, o.Memory, o.Warn = filter, f.memory.bytes(), warner(s.err)
	started := time.Now()
	progress := newFindProgress(s.err, started)
	o.Progress = progress.show
	if len(header) > 0 {
		if _, err := s.out.Write(header); err != nil {
			return fmt.Errorf("writing to stdout: %w", err)
		}
	}
	var report audit.FindReport
	if f.format == "parquet" && !f.count {
		report, err = audit.FindTable(ctx, store, s.out, o, version)
	} else {
		report, err = audit.Find(ctx, store, s.out, o)
	}
	progress.clear()
	noteMissing(s.err, "FILTER", report.Missing, "aggregators know captured headers by haproxy_config; req.1 is the first one in any case")
	if f.explain {
		explainFind(s.err, &report, o.Where, time.Since(started), f.output)
	}
	if f.count {
		if perr := printCount(s.out, &report, f.output); perr != nil && err == nil {
			err = perr
		}
	}
	return err
}

// options checks the flags and gives what does not depend on the archive, and
// what stands before the lines.
func (f *findFlags) options(operands []string) (o audit.FindOptions, header []byte, err error) {
	for _, check := range []error{
		oneOf("format", f.format, "raw", "json", "csv", "parquet"),
		oneOf("output", f.output, "text", "json"),
	} {
		if check != nil {
			return o, nil, check
		}
	}
	switch {
	case f.limit < 0 || f.tail < 0:
		return o, nil, usagef("--limit and --tail want a positive number of lines")
	case f.limit > 0 && f.tail > 0:
		return o, nil, usagef("--limit and --tail exclude each other: the first lines or the last ones")
	case f.count && (f.limit > 0 || f.tail > 0):
		return o, nil, usagef("--count counts all lines: it goes with neither --limit nor --tail")
	case f.fields != "" && f.format != "csv":
		return o, nil, usagef("--fields goes with --format csv")
	}
	if o.Where, err = f.where(operands); err != nil {
		return o, nil, err
	}
	if f.public != "" {
		text, err := os.ReadFile(f.public)
		if err != nil {
			return o, nil, usagef("--public-key: %v", err)
		}
		if o.Keys, err = manifestfile.ParseKeyring(text); err != nil {
			return o, nil, usagef("--public-key: %s: %v", f.public, err)
		}
	}
	o.Limit, o.Tail = f.limit, f.tail
	if f.count {
		return o, nil, nil
	}
	switch f.format {
	case "raw":
		o.Render = func() func([]byte, *archive.Row) []byte { return appendRaw }
		o.Lines = true
	case "json":
		o.Render = func() func([]byte, *archive.Row) []byte { return newRowPrinter().append }
	case "csv":
		if f.fields == "" {
			f.fields = defaultFields
		}
		fields, err := checkFields(f.fields)
		if err != nil {
			return o, nil, err
		}
		header = newCSVPrinter(fields).header()
		o.Render = func() func([]byte, *archive.Row) []byte { return newCSVPrinter(fields).append }
	}
	return o, header, nil
}

// where gives the filter of the operands and of --grep, nil without any.
func (f *findFlags) where(operands []string) (*filter.Filter, error) {
	text := strings.Join(operands, " ")
	var parts []string
	if strings.TrimSpace(text) != "" {
		where, err := parseFilter("FILTER", text)
		if err != nil {
			return nil, err
		}
		if len(f.grep) == 0 {
			return where, nil
		}
		parts = append(parts, "("+where.String()+")")
	}
	for _, g := range f.grep {
		if g == "" {
			return nil, usagef("--grep: the text is empty")
		}
		parts = append(parts, "raw~"+hexQuoted(g))
	}
	if parts == nil {
		return nil, nil //nolint:nilnil // no filter is one
	}
	return parseFilter("FILTER and --grep", strings.Join(parts, " and "))
}

// hexQuoted gives a text that is quoted for a filter, whatever its bytes are.
func hexQuoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// appendRaw appends a line as HAProxy wrote it.
func appendRaw(dst []byte, r *archive.Row) []byte {
	dst = append(dst, r.Message...)
	if r.Ends() {
		dst = append(dst, '\n')
	}
	return dst
}
