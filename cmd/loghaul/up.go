package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/parser/haproxycfg"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func upCommand() command {
	return command{
		name:  "up",
		args:  "--demo | --tail GLOB... | --syslog URL... [--data DIR] [--archive URL] [--index URL] [--http ADDR]",
		short: "Run everything in one process: files and syslog to archive, with the broker inside",
		long: `
It joins a forwarder and an aggregator, the very ones of the daemons, by a JetStream server inside
the process that syncs every batch to disk before it acknowledges it. The archive is a folder unless
--archive says otherwise. --demo replays lines of a real HAProxy, with the time of now, into
DATA/demo/haproxy.log and tails that file. Manifests of the archive are signed with DATA/manifest.key,
which is made at the first start; DATA/manifest.pub verifies them. On a terminal a screen shows what happens; otherwise
it is logged. Ctrl-C stops reading, archives everything that was read, and exits 0; a second Ctrl-C
exits at once and leaves the rest to the next start, which goes on where this one was.
`,
		examples: `
			# see it work
			loghaul up --demo
			# a small site
			loghaul up --tail '/var/log/haproxy/*.log' --haproxy-config /etc/haproxy --data /var/lib/loghaul
			# HAProxy with: log 127.0.0.1:5140 len 8192 format rfc5424 local0
			loghaul up --syslog udp://127.0.0.1:5140`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var o upOptions
			o.register(fs)
			return func(ctx context.Context, s streams, operands []string) error {
				if len(operands) > 0 {
					return usagef("unexpected argument %q; quote a pattern to keep the shell from expanding it: --tail '%s'", operands[0], operands[0])
				}
				if err := o.complete(); err != nil {
					return err
				}
				return up(ctx, s, o)
			}
		},
	}
}

// defaultData is the data folder of up.
const defaultData = "loghaul-data"

// upOptions are the flags of up.
type upOptions struct {
	data, archive, index, http string
	tail, syslog, formats      list
	configs                    list // of HAProxy, instead of formats
	demo                       bool
	log                        logging.Config
	key, public                string // files with the keys of manifests
}

func (o *upOptions) register(fs *flag.FlagSet) {
	o.log = logging.Default()
	fs.StringVar(&o.data, "data", defaultData, "the `DIR` for positions, the broker's streams and the archive")
	fs.Var(&o.tail, "tail", "follow the files that `GLOB` matches; may be given several times")
	fs.Var(&o.syslog, "syslog", "listen on `URL`: udp://addr:port, tcp://addr:port, unix:///path (datagrams) or unix-stream:///path;\nmay be given several times")
	fs.Var(&o.formats, "format", "what lines look like: `F` is httplog, tcplog, clf, … or a log-format string;\nmay be given several times, the first that fits counts (default all well-known ones)")
	fs.Var(&o.configs, "haproxy-config", "take the formats from the `FILE` that HAProxy is started with, or from a folder of *.cfg, instead of --format;\nmay be given several times")
	fs.StringVar(&o.archive, "archive", "", "the archive's `URL`, file:///dir or s3://bucket/prefix?endpoint=… (default DATA/archive)")
	fs.StringVar(&o.index, "index", "", "offer lines to Elasticsearch at `URL`, http(s)://host:9200")
	fs.StringVar(&o.http, "http", "127.0.0.1:0", "serve /metrics, /healthz and /readyz on `ADDR`; port 0 takes a free one, \"\" serves nothing")
	fs.BoolVar(&o.demo, "demo", false, "replay lines of a real HAProxy")
	fs.StringVar(&o.log.Format, "log-format", o.log.Format, "`FORMAT` of log records, when they are not on a screen: text or json")
	fs.StringVar(&o.log.Level, "log-level", o.log.Level, "least `LEVEL` of log records: debug, info, warn or error")
}

// complete checks the flags and makes paths absolute, as positions and the
// archive's URL need them.
func (o *upOptions) complete() error {
	if !o.demo && len(o.tail) == 0 && len(o.syslog) == 0 {
		return usagef("say what to read: --tail GLOB, --syslog URL, or --demo")
	}
	if err := o.log.Validate(); err != nil {
		return usagef("log %v", err)
	}
	if o.data == "" {
		return usagef("--data: the name of the folder is empty; is a variable of the shell not set?")
	}
	var err error
	if o.data, err = filepath.Abs(o.data); err != nil {
		return usagef("--data: %v", err)
	}
	for i, t := range o.tail {
		if t == "" {
			return usagef("--tail: the pattern is empty; is a variable of the shell not set?")
		}
		if _, err := filepath.Match(t, ""); err != nil {
			return usagef("--tail %s: %v", t, err)
		}
		if o.tail[i], err = filepath.Abs(t); err != nil {
			return usagef("--tail: %v", err)
		}
	}
	for i, u := range o.syslog {
		in := forwarder.Input{Syslog: u}
		if err := in.Validate(); err != nil {
			return usagef("--syslog: %v", err)
		}
		if slices.Contains(o.syslog[:i], u) {
			return usagef("--syslog %s is given twice", u)
		}
	}
	for _, f := range o.formats {
		if err := checkFormat(f); err != nil {
			return formatError("--format", err)
		}
	}
	if len(o.configs) > 0 {
		if len(o.formats) > 0 {
			return usagef("--format and --haproxy-config are given: keep one of the two")
		}
		if _, err := haproxycfg.Load(haproxySystem(), o.configs...); err != nil {
			return configProblems(err)
		}
	}
	if o.archive == "" {
		o.archive = (&url.URL{Scheme: "file", Path: filepath.Join(o.data, "archive")}).String()
	}
	if err := objectstore.CheckURL(o.archive); err != nil {
		return usagef("--archive: %v", err)
	}
	return nil
}

// demoPath is the file that --demo writes.
func (o *upOptions) demoPath() string { return filepath.Join(o.data, "demo", "haproxy.log") }

// inputs are the patterns to follow and where to listen.
func (o *upOptions) inputs() (all []forwarder.Input) {
	if o.demo {
		all = append(all, forwarder.Input{File: o.demoPath()})
	}
	for _, pattern := range o.tail {
		all = append(all, forwarder.Input{File: pattern})
	}
	for _, url := range o.syslog {
		all = append(all, forwarder.Input{Syslog: url})
	}
	return all
}

// up prepares the data folder and the screen around a running site.
func up(ctx context.Context, s streams, o upOptions) error {
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return usagef("make the data folder: %v; choose another one with --data", err)
	}
	lock, err := lockFolder(o.data)
	if err != nil {
		return usagef("%v", err)
	}
	defer lock.Close() //nolint:errcheck // ends the lock, nothing was written since

	if o.key, o.public, err = ownKeys(o.data); err != nil {
		return usagef("make the key that signs manifests: %v", err)
	}

	scr := &screen{out: s.out, tty: isTerminal(s.out), next: nextCommands(o.data, o.archive, o.public)}
	if scr.tty {
		scr.notes = &notes{}
		scr.log = scr.notes.logger()
	} else if scr.log, err = logging.New(s.err, o.log); err != nil {
		return err
	}
	site, err := newSite(ctx, o, scr.log)
	if err != nil {
		return err
	}
	defer site.close()
	scr.get = site.snapshot
	scr.title = "loghaul up · data " + o.data + site.pages()

	// A terminal that is closed is a stop like any other.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	after := plain(s.err, scr)
	err = site.run(ctx, scr, after)
	site.farewell(after)
	return err
}

// plain is the logger for what follows the screen.
func plain(w io.Writer, s *screen) *slog.Logger {
	if !s.tty {
		return s.log
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// nextCommands can be pasted into another terminal.
func nextCommands(data, archive, public string) []string {
	program := os.Args[0]
	objects := strings.TrimPrefix(archive, "file://")
	if u, err := url.Parse(archive); err == nil {
		u.RawQuery = ""
		if objects = u.String(); u.Scheme == "file" {
			objects = u.Path
		}
	}
	return []string{
		program + " tail --data " + quote(data),
		program + " audit cat --archive " + quote(archive) + " | tail",
		program + " audit sources --archive " + quote(archive),
		program + " audit verify --archive " + quote(archive) + " --public-key " + quote(public),
		fmt.Sprintf(`duckdb -c "SELECT status, count(*) FROM read_parquet('%s/dt=*/*/*.parquet') GROUP BY ALL ORDER BY ALL"`, strings.TrimSuffix(objects, "/")),
	}
}

// quote makes s one word of a shell.
func quote(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-", r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Bounds of the steps at the end. What is not done by then is kept and done
// after the next start.
const (
	settleLimit = 5 * time.Second
	flushLimit  = time.Minute
)
