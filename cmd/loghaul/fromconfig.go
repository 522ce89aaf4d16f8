package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

func fromConfigCommand() command {
	return command{
		name:  "format from-config",
		args:  "FILE... [--output table|json]",
		short: "Show the formats that HAProxy's configuration makes its frontends write",
		long: `
FILE is what HAProxy is started with (-f): a file, or a folder of which the files *.cfg are read in the
order of their names. All FILEs are one configuration. It is read as HAProxy reads it: defaults and what
is inherited from them, quoting, environment variables, log profiles, captured headers. What does not
matter to a log line is passed over. A condition (.if) that only HAProxy can evaluate is read both ways.

First comes each way in which a frontend writes lines, with the place where its format is chosen; then
the formats in the order in which a line is tried on them, each once. That is what loghaul parse and up
take with --haproxy-config, and an aggregator with haproxy_config. A format with a mistake is shown with
the place, and the exit code is 2.
`,
		examples: `
			loghaul format from-config /etc/haproxy/haproxy.cfg
			loghaul format from-config /etc/haproxy/haproxy.cfg /etc/haproxy/conf.d --output json | jq -r .candidates[].log_format
			# with the variables that HAProxy's service has
			env $(xargs < /etc/default/haproxy) loghaul format from-config /etc/haproxy/haproxy.cfg`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			output := fs.String("output", "table", "`FORMAT`: table or json")
			return func(_ context.Context, s streams, files []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				if len(files) == 0 {
					return usagef("format from-config: name HAProxy's configuration, such as /etc/haproxy/haproxy.cfg")
				}
				read, err := haproxycfg.Load(haproxySystem(), files...)
				if read == nil {
					return configProblems(err)
				}
				if *output == "json" {
					return errors.Join(printConfigJSON(s.out, read, err), configProblems(err))
				}
				return errors.Join(printNotes(s.err, read), printConfigTable(s.out, read), configProblems(err))
			}
		},
	}
}

// haproxySystem is this machine.
func haproxySystem() haproxycfg.System {
	return haproxycfg.System{Stat: os.Stat, ReadDir: os.ReadDir, ReadFile: os.ReadFile, LookupEnv: os.LookupEnv}
}

// configProblems makes problems of HAProxy's configuration what they are here:
// wrong configuration.
func configProblems(err error) error {
	problems, ok := errors.AsType[haproxycfg.Problems](err)
	if !ok {
		return err
	}
	var all config.Problems
	for _, p := range problems {
		all = append(all, config.Problem{File: p.File, Line: p.Line, Msg: p.Msg})
	}
	return all
}

func printNotes(w io.Writer, read *haproxycfg.Config) error {
	for _, n := range read.Notes {
		n.Msg = "note: " + n.Msg
		if _, err := fmt.Fprintln(w, n.Error()); err != nil {
			return err
		}
	}
	return nil
}

// candidates compiles what --format and --haproxy-config say, in this order.
// Without either it is all that is well known.
func candidates(w io.Writer, specs, configs []string) ([]*parser.Format, error) {
	if len(specs)+len(configs) == 0 {
		specs = parser.WellKnown()
	}
	var formats []*parser.Format
	for _, spec := range specs {
		if err := checkFormat(spec); err != nil {
			return nil, formatError("--format", err)
		}
		f, err := parser.Compile(spec)
		if err != nil {
			return nil, formatError("--format", err)
		}
		formats = append(formats, f)
	}
	if len(configs) == 0 {
		return formats, nil
	}
	read, err := haproxycfg.Load(haproxySystem(), configs...)
	if err != nil {
		return nil, configProblems(err)
	}
	return append(formats, read.Candidates()...), printNotes(w, read)
}
