package haproxycfg

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// File is one configuration file.
type File struct {
	Name string // as problems name it
	Data []byte
}

// Config is what a configuration says about log lines.
type Config struct {
	// Formats are the ways in which proxies write lines, in the order of the configuration.
	Formats []Format
	// Notes are what a reader of the result should know: what was assumed, and what is not supported.
	Notes []Problem
}

// maxReadings bounds how often a configuration is read because of conditions that cannot be evaluated: eight of them.
const maxReadings = 1 << 8

// Parse reads files as HAProxy reads those of its -f options: as if they were one. lookupEnv is the environment that
// HAProxy has, nil for none. An error is Problems; the Config then holds what could be read all the same.
func Parse(files []File, lookupEnv func(string) (string, bool)) (*Config, error) {
	c := &collector{formats: map[string]bool{}, notes: map[Problem]bool{}, problems: map[Problem]int{}}
	script := []bool{}
	for script != nil {
		r := &reader{
			env: newEnvironment(lookupEnv), script: script, answers: map[string]bool{},
			builtin: &section{kind: "defaults"}, profiles: map[string]*profile{},
		}
		for _, f := range files {
			r.read(f)
		}
		r.finish()
		c.add(r)
		if script = nextScript(r.decisions); script != nil && c.readings == maxReadings {
			c.all = append(c.all, Problem{File: r.file, Msg: "it has more than 8 conditions that cannot be evaluated here: " +
				"set the environment variables they ask for as HAProxy has them, or give a file without conditions"})
			c.problems[c.all[len(c.all)-1]] = maxReadings
			break
		}
	}
	return c.result()
}

// collector joins what the readings of a configuration found.
type collector struct {
	config   Config
	formats  map[string]bool
	notes    map[Problem]bool
	problems map[Problem]int
	all      []Problem
	readings int
}

func (c *collector) add(r *reader) {
	c.readings++
	for _, f := range r.formats {
		if key := f.key(); !c.formats[key] {
			c.formats[key] = true
			c.config.Formats = append(c.config.Formats, f)
		}
	}
	for _, n := range r.notes {
		if !c.notes[n] {
			c.notes[n] = true
			c.config.Notes = append(c.config.Notes, n)
		}
	}
	seen := map[Problem]bool{}
	for _, p := range r.problems {
		if seen[p] {
			continue
		}
		seen[p] = true
		if c.problems[p]++; c.problems[p] == 1 {
			c.all = append(c.all, p)
		}
	}
}

func (c *collector) result() (*Config, error) {
	var problems Problems
	for _, p := range c.all {
		if !p.reference || c.problems[p] == c.readings {
			problems = append(problems, p)
		}
	}
	if len(problems) == 0 {
		return &c.config, nil
	}
	return &c.config, problems
}

// reader is one reading of a configuration.
type reader struct {
	env       environment
	script    []bool // answers to the questions, in the order in which they come up
	decisions []bool
	answers   map[string]bool

	file   string
	line   int
	levels []level

	section   *section // nil before the first one of a file
	builtin   *section // what a proxy has without defaults
	defaults  *section // the last one
	named     []*section
	proxies   []*section
	global    []*target
	globalTag string
	profiles  map[string]*profile
	profile   *profile // the section being read, if it is one
	doLogs    []doLog
	guessed   []string // of the line being read

	formats  []Format
	notes    []Problem
	problems []Problem
}

func (r *reader) fail(format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: r.line, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) note(format string, args ...any) {
	r.notes = append(r.notes, Problem{File: r.file, Line: r.line, Msg: fmt.Sprintf(format, args...)})
}

// read reads one file. Only sections reach from one file into the next, not the place in the last one.
func (r *reader) read(f File) {
	r.file, r.line, r.levels = f.Name, 0, nil
	r.section, r.profile = nil, nil
	for line := range strings.Lines(string(f.Data)) {
		r.line++
		r.readLine(line)
	}
	for _, l := range r.levels {
		r.line = l.line
		r.fail("the .if has no .endif")
	}
}

func (r *reader) readLine(line string) {
	if strings.HasPrefix(strings.TrimLeft(line, " \t\v\f\r"), "[") {
		return // a scope, which no log line depends on
	}
	s := splitter{in: line, vars: r}
	if err := s.split(); err != nil {
		r.fail("byte %d: %s\n    %s\n    %s^", err.pos+1, err.msg, strings.TrimRight(line, "\r\n"), blank(line[:err.pos]))
		return
	}
	words := s.words
	if end := slices.Index(words, ""); end >= 0 {
		words = words[:end] // HAProxy takes an empty word for the end of the line
	}
	if len(words) == 0 {
		return
	}
	if words[0][0] == '.' {
		if r.conditional(words) {
			return
		}
	}
	if !r.counts() || words[0][0] == '.' {
		return
	}
	r.guessed = s.guessed
	modifier := ""
	if (words[0] == "no" || words[0] == "default") && len(words) > 1 {
		modifier, words = words[0], words[1:]
	}
	if isSection(words[0]) {
		r.begin(words)
		return
	}
	r.keyword(modifier, words)
}

// blank is as wide as text.
func blank(text string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, text)
}

// isSection tells the words that begin a section, in any version of HAProxy.
func isSection(word string) bool {
	switch word {
	case "global", "defaults", "frontend", "backend", "listen", "log-profile", "log-forward", "ring",
		"acme", "cache", "crt-store", "fcgi-app", "healthcheck", "http-errors", "mailers", "peers", "program",
		"resolvers", "traces", "userlist":
		return true
	}
	return false
}

// begin begins a section. A proxy starts with what its defaults say: those behind "from", or else the last ones
// before it; a section defaults starts with nothing but what is behind its "from" (section 4 of the manual).
func (r *reader) begin(words []string) {
	s := &section{kind: words[0], file: r.file, line: r.line}
	r.section, r.profile = s, nil
	arg := words[1:]
	if len(arg) > 0 && (s.kind != "defaults" || arg[0] != "from" || len(arg) != 2) {
		s.name, arg = arg[0], arg[1:]
	}
	switch s.kind {
	case "log-profile":
		r.profile = &profile{name: s.name, steps: map[string]step{}}
		r.profiles[s.name] = r.profile
		return
	case "defaults", "frontend", "listen", "backend":
	default:
		return
	}
	base := r.builtin
	if s.kind != "defaults" {
		base = cmp.Or(r.defaults, r.builtin)
	}
	if len(arg) > 1 && arg[0] == "from" {
		base = r.builtin
		for _, d := range r.named { // the last one of a name
			if d.name == arg[1] {
				base = d
			}
		}
		if base == r.builtin {
			r.problems = append(r.problems, Problem{File: r.file, Line: r.line, reference: true, Msg: "there is no section " +
				"\"defaults " + visible(arg[1]) + "\" before this line: give the file that has it, before this one"})
		}
	}
	s.settings = base.inherit()
	switch s.kind {
	case "defaults":
		r.defaults = s
		r.named = append(r.named, s)
	case "frontend", "listen":
		r.proxies = append(r.proxies, s)
	}
}

// keyword hands a line to its section.
func (r *reader) keyword(modifier string, words []string) {
	if r.section == nil {
		return
	}
	switch r.section.kind {
	case "global":
		switch words[0] {
		case "log":
			r.log(modifier, words, &r.global)
		case "log-tag":
			r.globalTag = word(words, 1)
		default:
			r.env.keyword(words)
		}
	case "log-profile":
		r.profileKeyword(words)
	case "defaults", "frontend", "listen", "backend":
		r.proxyKeyword(r.section, modifier, words)
	}
}

// word gives a word of a line, "" behind its end.
func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

// needs checks a word that log lines depend on, for variables that are not set here.
func (r *reader) needs(what, text string) bool {
	for _, name := range r.guessed {
		r.note("%s takes the default of the environment variable %s, which is not set here; set it if HAProxy has it", what, name)
	}
	name, ok := missing(text)
	if ok {
		r.fail("%s needs the environment variable %s, which is not set here: set it as HAProxy has it, "+
			"or write a default as in \"${%s-…}\"", what, name, name)
	}
	return !ok
}

// number reads what HAProxy reads with atoi, 0 if it is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// finish makes the formats of all proxies, when every section is known.
func (r *reader) finish() {
	for _, p := range r.proxies {
		r.addFormats(p)
	}
}

// spec is a log-format string and where it stands: a well-known name, or the string after HAProxy's quoting.
type spec struct {
	text string
	file string
	line int
}

// compile reports a format that does not compile. Whether HAProxy would take it is another question.
func (r *reader) compile(keyword, text string) {
	_, err := parser.Compile(text)
	if syntax, ok := errors.AsType[*parser.SyntaxError](err); ok && syntax.Unsupported {
		r.note("%s", caret(keyword, err)+"\nlines of this format stay unparsed")
	} else if err != nil {
		r.fail("%s", caret(keyword, err))
	}
}
