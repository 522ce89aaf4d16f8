package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // --tz works on machines without time zone files

	"github.com/loghaul/loghaul/parser"
)

// maxParseLine bounds the memory of `loghaul parse`. HAProxy's own lines are at most 65,535 bytes.
const maxParseLine = 1 << 20

func parseCommand() command {
	return command{
		name:  "parse",
		args:  "[--format F]... [--haproxy-config FILE]... [--filter EXPR] [--tz ZONE] [--wrapper KIND] [FILE...]",
		short: "Print log lines as JSON, one object per line",
		long: `
F is a well-known name (` + strings.Join(parser.WellKnown(), ", ") + `) or a log-format string
as HAProxy sees it, after its own quoting. The first F that matches a line is used; those of
--haproxy-config come after those of --format. Without either all well-known ones are tried in the
order above. Without FILE, or for "-", stdin is read.

{"line":N,"format":F,"time":T,"fields":{…}}: fields have HAProxy's alias names; an expression has its
%(name), or else its text. Captured headers that --haproxy-config names are req.NAME and res.NAME, too.
What HAProxy printed as absent is left out; what a line leaves open is left out and named in "unsure".
A line that HAProxy cut has the fields before the cut and "truncated":true. Bytes that are not UTF-8
are {"hex":"…"}.

"time_unsure":true stands behind "time" if the date happened twice because clocks were set back, and
neither another date of the record nor the lines before it in the file tell which time it was (then T
is the first), or if the zone skipped the date.

Connection errors ("SSL handshake failure") are of the format "error" whatever F is. A line that no format
matches but in which HAProxy tells of a server or a proxy ("Server be/s is
DOWN, …"): {"line":N,"format":"event","fields":{"proxy":…,"server":…,"state":…,"message":…}}. Any other:
{"line":N,"format":null,"raw":…,"why":…}.
` + filterHelp + wrapperHelp,
		examples: `
			loghaul parse /var/log/haproxy.log
			zstdcat haproxy.log.zst | loghaul parse --format httplog --tz Europe/Paris | jq .fields.ST
			loghaul parse --haproxy-config /etc/haproxy/haproxy.cfg /var/log/haproxy.log
			loghaul parse --filter 'ST>=500 Ta>2s' /var/log/haproxy.log
			loghaul parse --format '%ci:%cp [%t] %ft %ST %{+Q}r' haproxy.log`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var formats, configs list
			fs.Var(&formats, "format", "the format of the lines: a name or a log-format string; may be given several times")
			zone := fs.String("tz", "", "the `ZONE` of dates that are printed without one, like Europe/Paris; the machine's if it is not given")
			fs.Var(&configs, "haproxy-config", "take the formats from the `FILE` that HAProxy is started with, or from a folder of *.cfg;\nmay be given several times; see loghaul format from-config")
			var selects *string // nil: all
			fs.Func("filter", "print the lines that pass the filter `EXPR`, and no others", func(text string) error {
				selects = &text
				return nil
			})
			var wrapped wrapperOptions
			fs.StringVar(&wrapped.kind, "wrapper", "auto", "the `KIND` of header before the lines")
			fs.StringVar(&wrapped.received, "received", "", "the `TIME` when the lines were received, as 2026-03-01: gives dates without a year theirs; now if it is not given")
			output := fs.String("output", "json", "`FORMAT`: json")
			return func(ctx context.Context, s streams, files []string) error {
				if err := oneOf("output", *output, "json"); err != nil {
					return err
				}
				compiled, err := candidates(s.err, formats, configs)
				if err != nil {
					return err
				}
				p, err := newLineParser(compiled, *zone, wrapped)
				if err != nil {
					return err
				}
				if selects != nil {
					f, err := parseFilter("--filter", *selects)
					if err != nil {
						return err
					}
					noteMissing(s.err, "--filter", f.Missing(parser.Complete(compiled)), "--haproxy-config tells which headers are captured")
					p.only = newSelection(f)
				}
				return parseFiles(ctx, s, p, files)
			}
		},
	}
}

func newLineParser(formats []*parser.Format, zone string, wrapped wrapperOptions) (*lineParser, error) {
	loc := time.Local
	if zone != "" {
		var err error
		if loc, err = time.LoadLocation(zone); err != nil {
			return nil, usagef("--tz: there is no zone %q; want a name like Europe/Paris or UTC", zone)
		}
	}
	formats = parser.Complete(formats)
	kind, received, err := wrapped.parse(loc, time.Now())
	if err != nil {
		return nil, err
	}
	p := newJSONParser(formats, loc, kind)
	if !received.IsZero() {
		p.lines.Received(received.UnixMilli())
		p.received = true
	}
	return p, nil
}

// formatError shows where a log-format string is wrong.
func formatError(where string, err error) error {
	var syntax *parser.SyntaxError
	if !errors.As(err, &syntax) {
		return usagef("%s: %v", where, err)
	}
	pad := make([]byte, syntax.Pos)
	for i := range pad {
		pad[i] = ' '
		if syntax.Spec[i] == '\t' {
			pad[i] = '\t' // so that the caret stays below its byte
		}
	}
	return usagef("%s: %v\n%s\n%s^", where, err, strings.ReplaceAll(syntax.Spec, "\n", " "), pad)
}

func parseFiles(ctx context.Context, s streams, p *lineParser, files []string) error {
	out := bufio.NewWriterSize(s.out, 64<<10)
	if len(files) == 0 {
		files = []string{"-"}
	}
	var failed []error // a file that cannot be read keeps no other from being printed
	for _, name := range files {
		err := parseFile(ctx, s.in, out, p, name, len(files) > 1)
		if err == nil {
			continue
		}
		failed = append(failed, err)
		if ctx.Err() != nil || out.Flush() != nil {
			return errors.Join(failed...)
		}
	}
	if err := out.Flush(); err != nil {
		failed = append(failed, fmt.Errorf("writing to stdout: %w", err))
	}
	return errors.Join(failed...)
}

// compressed names what compressed a file that begins with line, and what
// prints such a file; nothing that HAProxy writes begins so.
func compressed(line []byte) (by, tool string) {
	switch {
	case bytes.HasPrefix(line, []byte("\x1f\x8b\x08")):
		return "gzip", "zcat"
	case bytes.HasPrefix(line, []byte("\x28\xb5\x2f\xfd")):
		return "zstd", "zstdcat"
	case bytes.HasPrefix(line, []byte("BZh")) && bytes.Contains(line, []byte("1AY&SY")):
		return "bzip2", "bzcat"
	case bytes.HasPrefix(line, []byte("\xfd7zXZ\x00")):
		return "xz", "xzcat"
	}
	return "", ""
}

func parseFile(ctx context.Context, in io.Reader, out *bufio.Writer, p *lineParser, name string, named bool) error {
	label := "stdin"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("reading lines: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		in, label = f, name
	}
	p.start(name, named)
	p.receive(time.Now())
	if p.journal {
		return parseJournal(ctx, in, out, p, label)
	}
	r := bufio.NewReaderSize(in, maxParseLine)
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if by, tool := compressed(line); first && by != "" {
			return fmt.Errorf("reading %s: it is compressed by %s: %s FILE | loghaul parse", label, by, tool)
		}
		long := errors.Is(err, bufio.ErrBufferFull)
		if len(line) > 0 {
			if _, err := out.Write(p.record(line, long)); err != nil {
				return fmt.Errorf("writing to stdout: %w", err)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the part of the line that is not kept
			_, err = r.ReadSlice('\n')
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading %s: %w", label, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("reading %s: %w", label, ctx.Err())
		}
		if r.Buffered() == 0 {
			// A pipe with nothing in it: show what there is. Harmless for files.
			if err := out.Flush(); err != nil {
				return fmt.Errorf("writing to stdout: %w", err)
			}
			p.receive(time.Now())
		}
	}
}
