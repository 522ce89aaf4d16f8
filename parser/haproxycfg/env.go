package haproxycfg

import (
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// environment is what HAProxy's own would be while it reads: that of the process, and what the section global does
// to it (setenv, presetenv, unsetenv, resetenv: section 3.1 of the manual).
type environment struct {
	lookup func(string) (string, bool)
	set    map[string]string
	unset  map[string]bool
	kept   []string // by resetenv
	reset  bool
}

// newEnvironment has the variables that HAProxy sets for itself, since 2.8.
func newEnvironment(lookup func(string) (string, bool)) environment {
	e := environment{lookup: lookup, set: map[string]string{}, unset: map[string]bool{}}
	for variable, name := range map[string]string{
		"HAPROXY_HTTP_LOG_FMT": "httplog", "HAPROXY_HTTP_CLF_LOG_FMT": "clf", "HAPROXY_HTTPS_LOG_FMT": "httpslog",
		"HAPROXY_TCP_LOG_FMT": "tcplog", "HAPROXY_TCP_CLF_LOG_FMT": "tcplog-clf",
	} {
		if f, err := parser.Compile(name); err == nil {
			e.set[variable] = f.Spec()
		}
	}
	e.set["HAPROXY_KEYLOG_FC_LOG_FMT"], e.set["HAPROXY_KEYLOG_BC_LOG_FMT"] = keylog("fc"), keylog("bc")
	return e
}

// keylog gives the format of the TLS secrets of one side, fc or bc. It has several lines.
func keylog(side string) string {
	client := "%[ssl_" + side + "_client_random,hex] "
	lines := []string{"CLIENT_RANDOM " + client + "%[ssl_" + side + "_session_key,hex]"}
	for _, name := range []string{
		"client_early_traffic_secret", "client_handshake_traffic_secret", "server_handshake_traffic_secret",
		"client_traffic_secret_0", "server_traffic_secret_0", "exporter_secret", "early_exporter_secret",
	} {
		lines = append(lines, strings.ToUpper(name)+" "+client+"%[ssl_"+side+"_"+name+"]")
	}
	return strings.Join(lines, "\n")
}

// get gives a variable. A variable that is not set is known only if the configuration says so: the environment here
// need not be HAProxy's.
func (e *environment) get(name string) (value string, set, known bool) {
	if value, set = e.set[name]; set {
		return value, true, true
	}
	if e.unset[name] || e.reset && !slices.Contains(e.kept, name) {
		return "", false, true
	}
	if e.lookup != nil {
		value, set = e.lookup(name)
	}
	return value, set, set
}

// keyword runs a keyword of the section global that changes the environment.
func (e *environment) keyword(words []string) {
	switch arg := words[1:]; words[0] {
	case "setenv", "presetenv":
		if len(arg) < 2 {
			return
		}
		if _, set, _ := e.get(arg[0]); set && words[0] == "presetenv" {
			return
		}
		e.set[arg[0]] = arg[1]
		delete(e.unset, arg[0])
	case "unsetenv":
		for _, name := range arg {
			delete(e.set, name)
			e.unset[name] = true
		}
	case "resetenv":
		e.reset, e.kept = true, arg
		for name := range e.set {
			if !slices.Contains(arg, name) {
				delete(e.set, name)
			}
		}
	}
}

// variable resolves a name in the line that is read.
func (r *reader) variable(name string) (value string, set, known bool) {
	switch name {
	case ".FILE":
		return r.file, true, true
	case ".LINE":
		return strconv.Itoa(r.line), true, true
	case ".SECTION":
		if r.section == nil {
			return "", true, true
		}
		if r.section.name != "" {
			return r.section.name, true, true
		}
		return r.section.kind, true, true
	}
	return r.env.get(name)
}
