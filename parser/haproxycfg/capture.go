package haproxycfg

import (
	"slices"

	"github.com/loghaul/loghaul/parser"
)

// captures are the slots of captured headers, in the order in which HAProxy prints them (section 8.8 of the manual).
type captures struct{ request, response []string }

func (c *captures) clone() captures {
	return captures{slices.Clone(c.request), slices.Clone(c.response)}
}

// parsed gives them as the parser takes them.
func (c *captures) parsed() parser.Captures {
	return parser.Captures{Request: slices.Clone(c.request), Response: slices.Clone(c.response)}
}

func (c *captures) add(side, name string) {
	switch side {
	case "request":
		c.request = append(c.request, name)
	case "response":
		c.response = append(c.response, name)
	}
}

// capture reads `capture cookie NAME len N`, `capture request header NAME len N` and `declare capture request len N`.
// A backend captures nothing.
func (r *reader) capture(s *section, words []string) {
	if s.kind == "backend" || s.kind == "defaults" {
		return // not allowed there
	}
	side, kind := word(words, 1), word(words, 2)
	switch {
	case words[0] == "declare" && side == "capture" && word(words, 3) == "len" && number(word(words, 4)) > 0:
		s.captures.add(kind, "")
	case words[0] == "capture" && side == "cookie" && len(words) > 4:
		s.cookie = visible(kind)
	case words[0] == "capture" && kind == "header" && word(words, 4) == "len" && len(words) > 5:
		s.captures.add(side, visible(word(words, 3)))
	}
}

// doLog is an action that writes a line of its own.
type doLog struct {
	step    string
	profile string // "" for that of the target
	section *section
	file    string
	line    int
}

// rule reads the rules that make a slot (`http-request capture SAMPLE len N`, `tcp-request content capture …`) or
// write a line (`… do-log [profile NAME]`).
func (r *reader) rule(s *section, words []string) {
	action, prefix := 1, ""
	switch words[0] {
	case "tcp-request", "tcp-response":
		action, prefix = 2, words[1%len(words)]
	}
	switch word(words, action) {
	case "capture":
		if words[0] != "http-request" && (words[0] != "tcp-request" || prefix != "content") || s.kind == "backend" {
			return // into a slot that is there
		}
		rest := words[action+1:]
		if end := slices.IndexFunc(rest, func(w string) bool { return w == "if" || w == "unless" }); end >= 0 {
			rest = rest[:end]
		}
		if i := slices.Index(rest, "len"); i > 0 && i+1 < len(rest) {
			s.captures.add("request", "")
		}
	case "do-log":
		d := doLog{step: stepOf(words[0], prefix), section: s, file: r.file, line: r.line}
		if word(words, action+1) == "profile" {
			d.profile = word(words, action+2)
		}
		if !slices.ContainsFunc(r.doLogs, d.covered) {
			r.doLogs = append(r.doLogs, d)
		}
	}
}

// reaches reports whether the action may run for lines of a proxy: those of any backend may.
func (d doLog) reaches(p *section) bool {
	return d.section == p || d.section.kind == "backend" || d.section.kind == "defaults"
}

// covered reports whether other makes d say nothing new.
func (d doLog) covered(other doLog) bool {
	return d.step == other.step && d.profile == other.profile && other.reaches(d.section)
}

// stepOf names the step that a rule's do-log is, as log-profile names it.
func stepOf(rule, prefix string) string {
	switch rule {
	case "http-request":
		return "http-req"
	case "http-response":
		return "http-res"
	case "http-after-response":
		return "http-after-res"
	case "quic-initial":
		return "quic-init"
	}
	switch {
	case rule == "tcp-response":
		return "tcp-res-cont"
	case prefix == "connection":
		return "tcp-req-conn"
	case prefix == "session":
		return "tcp-req-sess"
	}
	return "tcp-req-cont"
}
