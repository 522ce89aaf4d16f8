package haproxycfg

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/loghaul/loghaul/parser"
)

// Kind says what lines of a format are about.
type Kind string

// The kinds of lines that a proxy writes.
const (
	Traffic    Kind = "traffic" // connections and requests
	Connection Kind = "error"   // connections that fail before there is a stream: error-log-format
)

// Format is one way in which one proxy writes lines.
type Format struct {
	// Spec is a well-known name, or a log-format string as HAProxy sees it after its own quoting.
	Spec string
	Kind Kind
	// Section is frontend or listen, Proxy its name, Mode its mode: tcp, http, ….
	Section, Proxy, Mode string
	// Profile is the log-profile that the line goes through, "" for none.
	Profile string
	// Captures are the headers that the proxy captures, Cookie the cookie.
	Captures parser.Captures
	Cookie   string
	// ASAP says that the proxy logs before the end of the transaction (option logasap).
	ASAP bool
	// MaxLen is where the line is cut (log … len N).
	MaxLen int
	// Header is the format of the syslog header (log … format FMT), "" if the configuration leaves it to HAProxy, and
	// Tag the tag in it (log-tag), "" for the name of the program.
	Header, Tag string
	// Logs is false for a proxy that writes no lines: without a log target, or disabled.
	Logs bool
	// File and Line are where the format is chosen, or where the proxy begins if it chooses none.
	File string
	Line int
}

// key tells formats apart.
func (f *Format) key() string { return fmt.Sprintf("%#v", *f) }

// addFormats adds the formats of a proxy. One that chooses no format writes the default one (section 8.2.1 of the
// manual), when the connection is accepted and whatever its log profiles say.
func (r *reader) addFormats(p *section) {
	own := r.traffic(p)
	usual := own
	if usual.text == "" {
		usual = spec{"default", p.file, p.line}
	}
	if p.disabled || len(p.targets) == 0 {
		r.addFormat(p, nil, nil, Traffic, usual)
		return
	}
	for _, t := range p.targets {
		prof := r.find(t.profile, t.file, t.line)
		add := func(prof *profile, step string, kind Kind, own spec) {
			if s, ok := prof.at(step, own); ok {
				r.addFormat(p, t, prof, kind, s)
			}
		}
		if own.text == "" && !p.logSteps {
			r.addFormat(p, t, nil, Traffic, usual)
		} else {
			for _, step := range p.reached(own) {
				add(prof, step, Traffic, own)
			}
		}
		for _, d := range r.doLogs {
			if d.reaches(p) {
				with := prof
				if d.profile != "" {
					with = r.find(d.profile, d.file, d.line)
				}
				add(with, d.step, Traffic, own)
			}
		}
		add(prof, "error", Connection, p.errors)
	}
}

// reached gives the steps at which the proxy writes lines: those of log-steps. Without log-steps a line is written
// once, as soon as all that it shows is known. For most formats that is the end of the transaction; for the others it
// is one of the steps, not said here which.
func (s *section) reached(own spec) []string {
	all := []string{"accept", "request", "connect", "response", "close"}
	switch {
	case s.logSteps && len(s.steps) > 0:
		return slices.DeleteFunc(all, func(step string) bool { return !slices.Contains(s.steps, step) })
	case !s.logSteps && !s.asap && endOfTransaction(own.text):
		return all[len(all)-1:]
	}
	return all
}

// endOfTransaction reports whether a format shows what is known at the end only: HAProxy's flag LW_BYTES.
func endOfTransaction(text string) bool {
	f, err := parser.Compile(text)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(f.Fields(), func(f parser.Field) bool {
		switch f.Alias {
		case "B", "U", "ID", "Ta", "Tc", "Th", "Ti", "Tq", "Tr", "TR", "Td", "Tt", "Tu", "Tw",
			"ac", "fc", "bc", "sc", "rc", "sq", "bq", "ts":
			return true
		}
		return false
	})
}

// addFormat adds a format of a proxy for one target, nil for none.
func (r *reader) addFormat(p *section, t *target, prof *profile, kind Kind, s spec) {
	f := Format{
		Spec: s.text, Kind: kind, Section: p.kind, Proxy: visible(p.name), Mode: cmp.Or(p.mode, "tcp"),
		Captures: p.captures.parsed(), Cookie: p.cookie, ASAP: p.asap,
		Tag: cmp.Or(p.tag, visible(r.globalTag)), File: s.file, Line: s.line,
	}
	if t != nil {
		f.Logs, f.MaxLen, f.Header = true, t.maxLen, t.header
	}
	if prof != nil {
		f.Profile, f.Tag = prof.name, cmp.Or(prof.tag, f.Tag)
	}
	r.formats = append(r.formats, f)
}
