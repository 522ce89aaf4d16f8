package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

// configFormat is a format of a frontend in the JSON of format from-config.
type configFormat struct {
	Proxy     string         `json:"proxy"`
	Section   string         `json:"section"`
	Mode      string         `json:"mode"`
	Kind      string         `json:"kind"`
	Format    string         `json:"format"`
	LogFormat string         `json:"log_format"`
	Captures  configCaptures `json:"captures"`
	Cookie    string         `json:"cookie,omitempty"`
	ASAP      bool           `json:"asap"`
	Logs      bool           `json:"logs"`
	MaxLen    int            `json:"max_len,omitempty"`
	Header    string         `json:"header,omitempty"`
	Tag       string         `json:"tag,omitempty"`
	Profile   string         `json:"profile,omitempty"`
	File      string         `json:"file"`
	Line      int            `json:"line"`
}

type configCaptures struct {
	Request  []string `json:"request"`
	Response []string `json:"response"`
}

// configCandidate is a format that lines are tried on. Captures is null where
// they are not known.
type configCandidate struct {
	Format    string          `json:"format"`
	LogFormat string          `json:"log_format"`
	Captures  *configCaptures `json:"captures"`
}

type configProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func capturesOf(c *parser.Captures) configCaptures {
	return configCaptures{append([]string{}, c.Request...), append([]string{}, c.Response...)}
}

func problemsOf(all []haproxycfg.Problem) []configProblem {
	out := []configProblem{}
	for _, p := range all {
		out = append(out, configProblem{p.File, p.Line, p.Msg})
	}
	return out
}

func printConfigJSON(w io.Writer, read *haproxycfg.Config, err error) error {
	out := struct {
		Formats    []configFormat    `json:"formats"`
		Candidates []configCandidate `json:"candidates"`
		Notes      []configProblem   `json:"notes"`
		Problems   []configProblem   `json:"problems"`
	}{[]configFormat{}, []configCandidate{}, problemsOf(read.Notes), problemsOf(nil)}
	if problems, ok := errors.AsType[haproxycfg.Problems](err); ok {
		out.Problems = problemsOf(problems)
	}
	for i := range read.Formats {
		f := &read.Formats[i]
		text := f.Spec
		if known, err := parser.Compile(f.Spec); err == nil {
			text = known.Spec()
		}
		out.Formats = append(out.Formats, configFormat{
			Proxy: f.Proxy, Section: f.Section, Mode: f.Mode, Kind: string(f.Kind), Format: f.Spec, LogFormat: text,
			Captures: capturesOf(&f.Captures), Cookie: f.Cookie, ASAP: f.ASAP, Logs: f.Logs, MaxLen: f.MaxLen,
			Header: f.Header, Tag: f.Tag, Profile: f.Profile, File: f.File, Line: f.Line,
		})
	}
	for _, f := range read.Candidates() {
		c := configCandidate{Format: f.Name(), LogFormat: f.Spec()}
		if known := f.Captures(); known != nil {
			captures := capturesOf(known)
			c.Captures = &captures
		}
		out.Candidates = append(out.Candidates, c)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

func printConfigTable(w io.Writer, read *haproxycfg.Config) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PROXY\tLINES ABOUT\tCAPTURES\tSETTINGS\tWHERE\tFORMAT") //nolint:errcheck // Flush reports it
	for i := range read.Formats {
		f := &read.Formats[i]
		about := string(f.Kind)
		if !f.Logs {
			about = "nothing"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", //nolint:errcheck // Flush reports it
			printable(f.Proxy), about, headers(&f.Captures), settingsOf(f), printable(f.File)+":"+strconv.Itoa(f.Line), printable(f.Spec))
	}
	fmt.Fprint(t, "\nA line is tried on these, in this order:\n\tCAPTURES\tFORMAT\n") //nolint:errcheck // Flush reports it
	for i, f := range read.Candidates() {
		fmt.Fprintf(t, "%d\t%s\t%s\n", i+1, headers(f.Captures()), printable(f.Name())) //nolint:errcheck // Flush reports it
	}
	return t.Flush()
}

// headers shows captured headers: those of requests, a bar, those of responses.
func headers(c *parser.Captures) string {
	switch {
	case c == nil:
		return "not known"
	case len(c.Request)+len(c.Response) == 0:
		return "-"
	}
	side := func(names []string) string {
		shown := make([]string, len(names))
		for i, n := range names {
			if shown[i] = printable(n); n == "" {
				shown[i] = "?"
			}
		}
		return strings.Join(shown, ",")
	}
	return side(c.Request) + "|" + side(c.Response)
}

// settingsOf shows what else the configuration says about the lines.
func settingsOf(f *haproxycfg.Format) string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+printable(value))
		}
	}
	if f.ASAP {
		all = append(all, "logasap")
	}
	add("cookie=", f.Cookie)
	if f.MaxLen > 0 {
		add("len=", strconv.Itoa(f.MaxLen))
	}
	add("header=", f.Header)
	add("tag=", f.Tag)
	add("profile=", f.Profile)
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, " ")
}
