package haproxycfg

import (
	"slices"
	"strings"
)

// section is one section of a configuration; settings are those of a proxy.
type section struct {
	kind, name string
	file       string
	line       int
	settings
}

// settings is what decides on the lines of a proxy, and what a defaults section hands on.
type settings struct {
	mode           string // "" is tcp
	format, errors spec
	asap           bool
	disabled       bool
	targets        []*target
	tag            string
	logSteps       bool     // there is a log-steps
	steps          []string // of it, none for all
	captures       captures
	cookie         string
}

// inherit gives what a section starts with.
func (s *section) inherit() settings {
	t := s.settings
	t.targets = slices.Clone(s.targets)
	t.steps = slices.Clone(s.steps)
	t.captures = s.captures.clone()
	return t
}

// proxyKeyword reads a line of defaults, frontend, listen or backend (section 4.2 of the manual).
func (r *reader) proxyKeyword(s *section, modifier string, words []string) {
	switch words[0] {
	case "option":
		r.option(s, modifier, words)
		return
	case "log":
		r.log(modifier, words, &s.targets)
		return
	}
	if modifier != "" {
		return // HAProxy refuses it
	}
	switch words[0] {
	case "mode":
		s.mode = word(words, 1)
	case "log-format":
		r.format(s, words, &s.format)
	case "error-log-format":
		r.format(s, words, &s.errors)
	case "log-tag":
		s.tag = visible(word(words, 1))
	case "log-steps":
		s.logSteps = true
		if steps := word(words, 1); steps != "all" {
			s.steps = append(s.steps, strings.Split(steps, ",")...)
		}
	case "disabled":
		s.disabled = true
	case "enabled":
		s.disabled = false
	case "capture", "declare":
		r.capture(s, words)
	case "http-request", "http-response", "http-after-response", "tcp-request", "tcp-response", "quic-initial":
		r.rule(s, words)
	}
}

// option reads the options that choose a format: the last of them and of log-format counts. They cannot be taken back
// with "no", other than logasap.
func (r *reader) option(s *section, modifier string, words []string) {
	name := word(words, 1)
	if name == "logasap" {
		s.asap = modifier == ""
		return
	}
	if modifier != "" {
		return
	}
	well := spec{file: r.file, line: r.line}
	switch name {
	case "httplog":
		well.text = "httplog"
		if word(words, 2) == "clf" {
			well.text = "clf"
		}
	case "httpslog":
		well.text = "httpslog"
	case "tcplog":
		well.text = "tcplog"
		if word(words, 2) == "clf" {
			well.text = "tcplog-clf"
		}
	default:
		return
	}
	s.format = well
}

// format reads log-format and error-log-format.
func (r *reader) format(s *section, words []string, into *spec) {
	if s.kind == "backend" {
		return // HAProxy ignores it: a backend writes no lines about traffic
	}
	text, ok := r.formatWord(words[0], words[1:])
	if ok {
		*into = spec{text, r.file, r.line}
	}
}

// formatWord gives the only word that may follow a keyword that takes a log-format string.
func (r *reader) formatWord(keyword string, args []string) (string, bool) {
	switch {
	case len(args) == 0:
		r.fail("%s has no log-format string", keyword)
		return "", false
	case len(args) > 1:
		r.fail("%s takes one word and has %d: put the whole string in quotes, or a backslash before each blank", keyword, len(args))
		return "", false
	case !r.needs(keyword, args[0]):
		return "", false
	}
	r.compile(keyword, args[0])
	return args[0], true
}

// traffic gives the format of the proxy's own lines, "" if it has none. Formats for HTTP turn into those for TCP in
// another mode, as HAProxy turns them with a warning.
func (r *reader) traffic(s *section) spec {
	f := s.format
	if s.mode == "http" {
		return f
	}
	switch f.text {
	case "httplog", "httpslog":
		f.text = "tcplog"
	case "clf":
		f.text = "tcplog-clf"
	default:
		return f
	}
	r.file, r.line = f.file, f.line
	r.note("HAProxy writes %s for %s %s, which is not in mode http", f.text, s.kind, visible(s.name))
	return f
}
