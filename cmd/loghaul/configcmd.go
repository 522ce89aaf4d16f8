package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/config"
)

//go:embed examples/*.yaml
var examples embed.FS

// kinds are the files that there are.
func kinds() []string { return []string{"forwarder", "aggregator"} }

func configExampleCommand() command {
	return command{
		name:  "config example",
		args:  "forwarder|aggregator",
		short: "Print a commented configuration file to start from",
		long: `
The file has every key, with its default where it has one. Keys can be left out. Secrets do not
stand in it: they come from the environment, or from the file that the variable with _FILE names.
`,
		examples: `
			loghaul config example forwarder > forwarder.yaml
			loghaul config example aggregator > aggregator.yaml`,
		setup: func(*flag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, operands []string) error {
				if len(operands) != 1 || !slices.Contains(kinds(), operands[0]) {
					return usagef("config example forwarder, or config example aggregator?")
				}
				b, err := examples.ReadFile("examples/" + operands[0] + ".yaml")
				if err != nil {
					return err
				}
				_, err = s.out.Write(b)
				return err
			}
		},
	}
}

func configCheckCommand() command {
	return command{
		name:  "config check",
		args:  "FILE [--kind forwarder|aggregator] [--output text|json]",
		short: "Check a configuration file and print every problem, with its line",
		long: `
It checks what the daemon checks at its start, and warns about what is likely to be a mistake. It
contacts nothing. Files that the configuration names, such as certificates, must be readable here.
The kind is told by the keys: inputs for a forwarder, archive for an aggregator.
`,
		examples: `
			loghaul config check forwarder.yaml
			loghaul config check aggregator.yaml && systemctl restart loghaul-aggregator`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			kind := fs.String("kind", "", "`KIND` of the file: forwarder or aggregator")
			output := fs.String("output", "text", "`FORMAT` of the problems: text or json")
			return func(_ context.Context, s streams, operands []string) error {
				if len(operands) != 1 {
					return usagef("name one file: loghaul config check FILE")
				}
				if err := oneOf("output", *output, "text", "json"); err != nil {
					return err
				}
				if *kind != "" {
					if err := oneOf("kind", *kind, kinds()...); err != nil {
						return err
					}
				}
				data, err := readConfig(operands[0])
				if err != nil {
					return err
				}
				if *kind == "" {
					*kind = detectKind(operands[0], data)
				}
				warnings, err := checkConfig(operands[0], data, *kind)
				return reportCheck(s, operands[0], *kind, *output, warnings, err)
			}
		},
	}
}

// detectKind tells a file by its keys; a file that has neither key is taken
// for what it resembles most.
func detectKind(path string, data []byte) string {
	keys, err := config.TopKeys(path, data)
	if err != nil {
		return "forwarder" // parsing it reports the problem
	}
	for _, k := range []struct{ key, kind string }{
		{"inputs", "forwarder"},
		{"archive", "aggregator"},
		{"state", "forwarder"},
		{"formats", "aggregator"},
		{"haproxy_config", "aggregator"},
		{"window", "aggregator"},
		{"index", "aggregator"},
	} {
		if slices.Contains(keys, k.key) {
			return k.kind
		}
	}
	return "forwarder"
}

// checkConfig checks a file as its daemon does.
func checkConfig(path string, data []byte, kind string) (warnings []string, err error) {
	if kind == "aggregator" {
		cfg := defaultAggregatorFile()
		if err := parseConfig(path, data, &cfg); err != nil {
			return nil, err
		}
		return aggregatorWarnings(&cfg), nil
	}
	cfg := forwarder.DefaultConfig()
	if err := parseConfig(path, data, &cfg); err != nil {
		return nil, err
	}
	return forwarderWarnings(&cfg), nil
}

// checkReport is what config check prints as JSON.
type checkReport struct {
	File     string    `json:"file"`
	Kind     string    `json:"kind"`
	Problems []problem `json:"problems"`
	Warnings []string  `json:"warnings"`
}

type problem struct {
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func reportCheck(s streams, path, kind, output string, warnings []string, err error) error {
	if output == "json" {
		return errors.Join(reportJSON(s.out, path, kind, warnings, err), err)
	}
	for _, w := range warnings {
		if _, err := fmt.Fprintf(s.err, "%s: warning: %s\n", path, w); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: a valid %s configuration\n", path, kind)
	return err
}

func reportJSON(w io.Writer, path, kind string, warnings []string, err error) error {
	r := checkReport{File: path, Kind: kind, Problems: []problem{}, Warnings: append([]string{}, warnings...)}
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			r.Problems = append(r.Problems, problem{p.Line, p.Msg})
		}
	case err != nil:
		r.Problems = append(r.Problems, problem{Message: err.Error()})
	}
	return json.NewEncoder(w).Encode(r)
}
