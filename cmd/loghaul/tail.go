package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/term"

	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
)

// tailFlags are those of tail.
type tailFlags struct {
	config, data, node, output string
	nats                       list
	limit                      int64
	lasts                      time.Duration
	raw                        bool
}

func tailCommand() command {
	return command{
		name:  "tail",
		args:  "[--config FILE | --nats URL... | --data DIR] [--node N] [--limit N] [--for D] [--raw] [FILTER...]",
		short: "Show lines that pass a filter while they go through the aggregators",
		long: `
FILTER asks for fields: ` + strings.TrimPrefix(filterHelp, "\nEXPR is a filter, as ") + `
Several arguments are one filter; without any, all lines are shown. Aggregators send them over the
broker as they come, about a second after HAProxy wrote them, in the order of arrival. Nothing waits
for a reader: an aggregator leaves lines out when they are more than is read here (or than 2 MiB a
second), or when it has no time to look at them. How many is said on stderr. The archive has all:
audit find.

On a terminal each line is printed in short, in colours unless NO_COLOR is set, and what would steer the
terminal is escaped. Otherwise, or with --raw, lines are what HAProxy wrote. --output json is what loghaul
parse prints, with "node", "source" and "offset" for "line". Fields that aggregators mask are masked here.

FILE is the file of an aggregator or of a forwarder, of which the section broker counts. Secrets come from
LOGHAUL_NATS_USER, LOGHAUL_NATS_PASSWORD and LOGHAUL_NATS_TOKEN. DIR is the data folder of a loghaul
up that runs; loghaul-data is the default if there is one. docs/tail.md says which rights a user needs.
`,
		examples: `
			# what loghaul up does just now
			loghaul tail
			loghaul tail --config aggregator.yaml 'ST>=500'
			loghaul tail --nats nats://broker-1:4222 --node web-1 'Ta>2s HU^=/login'
			loghaul tail --config aggregator.yaml --output json 'b=api' | jq .fields.Ta
			loghaul tail --config aggregator.yaml --for 1m --raw 'ci=203.0.113.0/24' | goaccess -`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f tailFlags
			f.register(fs)
			return func(ctx context.Context, s streams, operands []string) error { return f.run(ctx, s, operands) }
		},
	}
}

func (f *tailFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "the `FILE` that says where the broker is")
	fs.Var(&f.nats, "nats", "the `URL` of a broker, nats://host:4222 or tls://host:4222; may be given several times")
	fs.StringVar(&f.data, "data", "", "the data folder `DIR` of a loghaul up on this machine")
	fs.StringVar(&f.node, "node", "", "only lines that were read on `NODE`")
	fs.Int64Var(&f.limit, "limit", 0, "end after `N` lines")
	fs.DurationVar(&f.lasts, "for", 0, "end after `DURATION`, such as 30s or 5m")
	fs.BoolVar(&f.raw, "raw", false, "print lines as HAProxy wrote them, also on a terminal")
	fs.StringVar(&f.output, "output", "text", "`FORMAT` of lines: text or json")
}

func (f *tailFlags) run(ctx context.Context, s streams, operands []string) error {
	where, err := f.filter(operands)
	if err != nil {
		return err
	}
	cfg, options, err := f.broker()
	if err != nil {
		return err
	}
	if f.lasts > 0 {
		limited, cancel := context.WithTimeout(ctx, f.lasts)
		defer cancel()
		ctx = limited
	}
	n := newTailNotes(s.err)
	work, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	options.Name, options.Once, options.Socket = "loghaul-tail", true, &broker.Socket{}
	options.OnState = func(state broker.State) {
		if work.Err() == nil {
			n.state(state, f.data, fail)
		}
	}
	options.OnError = func(err error) { refusedTail(err, fail) }
	nc, err := broker.Connect(work, cfg, options)
	if err != nil {
		return err
	}
	defer func() {
		fail(nil) // before the connection is lost
		options.Socket.Close()
		nc.Close()
	}()
	p := f.printer(s.out)
	client := live.NewClient(nc, live.Ask{Filter: where, JSON: p.wantsObject(), Raw: p.wantsRaw()})
	stopNotes := n.watch(work, client)
	done := make(chan error, 1)
	go func() { done <- client.Run(work, p.line, p.flush) }()
	ended := true
	select {
	case err = <-done:
	case <-work.Done():
		select {
		case err = <-done:
		case <-time.After(time.Second): // whoever does not read stdout does not keep us
			ended = false
		}
	}
	stopNotes()
	if ended && (err == nil || errors.Is(err, errEnough)) {
		err = p.flush()
	}
	if cause := context.Cause(work); cause != nil && ctx.Err() == nil {
		return errors.Join(cause, err)
	}
	return err
}

// filter checks the operands and flags, and gives the filter's text.
func (f *tailFlags) filter(operands []string) (string, error) {
	if err := oneOf("output", f.output, "text", "json"); err != nil {
		return "", err
	}
	switch {
	case f.limit < 0 || f.lasts < 0:
		return "", usagef("--limit and --for want something positive")
	case f.raw && f.output == "json":
		return "", usagef("--raw and --output json exclude each other: lines as they were written, or as objects")
	}
	text := strings.TrimSpace(strings.Join(operands, " "))
	if text != "" {
		if _, err := parseFilter("FILTER", text); err != nil {
			return "", err
		}
	}
	if f.node != "" {
		only := "node=" + hexQuoted(f.node)
		if text != "" {
			only = "(" + text + ") and " + only
		}
		text = only
	}
	return text, nil
}

// broker says where to connect to.
func (f *tailFlags) broker() (broker.Config, broker.Options, error) {
	given := 0
	for _, is := range []bool{f.config != "", len(f.nats) > 0, f.data != ""} {
		if is {
			given++
		}
	}
	file := brokerFile{Broker: broker.DefaultConfig(), Streams: broker.DefaultStreams()}
	var options broker.Options
	var err error
	switch {
	case given > 1:
		return file.Broker, options, usagef("keep one of --config, --nats and --data: it says where lines come from")
	case f.config != "":
		file, err = loadBrokerFile(f.config)
	case len(f.nats) > 0:
		file.Broker.Servers = f.nats
		err = config.Parse("--nats", nil, &file)
	default:
		if f.data == "" {
			f.data = defaultData
			if _, err := os.Stat(socketFolder(f.data)); err != nil {
				return file.Broker, options, usagef("say where lines come from: --config FILE of an aggregator or a forwarder, --nats URL, or --data DIR of a loghaul up")
			}
		}
		options.InProcess = socketTo(f.data)
	}
	// Somebody waits, and he is alone: no need to spread attempts.
	file.Broker.Delay = broker.Delay{First: time.Second, Step: time.Second, Max: 10 * time.Second}
	return file.Broker, options, err
}

// refusedTail ends a reader who may not read.
func refusedTail(err error, fail context.CancelCauseFunc) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		fail(fmt.Errorf("the broker refuses it: %w: let this user publish to tail.ask.> and subscribe to tail.lines.*, see docs/broker.md", err))
	}
}

// errEnough ends reading after --limit lines.
var errEnough = errors.New("enough lines") //nolint:gochecknoglobals // a constant in all but name

// linePrinter prints lines of tail.
type linePrinter struct {
	out   *bufio.Writer
	view  *tailView // nil unless lines are printed in short
	json  bool
	safe  bool // what would steer a terminal is escaped
	limit int64
	memo  []byte
}

func (f *tailFlags) printer(w io.Writer) *linePrinter {
	p := &linePrinter{out: bufio.NewWriterSize(w, 64<<10), json: f.output == "json", safe: steerable(w), limit: f.limit}
	if p.safe && !p.json && !f.raw {
		p.view = &tailView{colours: isTerminal(w) && os.Getenv("NO_COLOR") == ""}
	}
	return p
}

// steerable reports whether w is a terminal of any kind.
func steerable(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *linePrinter) wantsObject() bool { return p.json || p.view != nil }
func (p *linePrinter) wantsRaw() bool    { return !p.json }

func (p *linePrinter) line(l *live.Line) error {
	text := l.Raw
	switch {
	case p.view != nil:
		p.memo = append(p.view.append(p.memo[:0], l), '\n')
		text = p.memo
	case p.json && p.safe:
		p.memo = append(appendSafeJSON(p.memo[:0], l.JSON), '\n')
		text = p.memo
	case p.json:
		text = l.JSON
	case p.safe:
		p.memo = append(appendSafe(p.memo[:0], l.Raw), '\n')
		text = p.memo
	}
	if _, err := p.out.Write(text); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	if p.limit--; p.limit == 0 {
		return errEnough
	}
	return nil
}

func (p *linePrinter) flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}
