package haproxycfg

import "slices"

// target is one line `log ADDRESS …`: who gets the lines of a proxy.
type target struct {
	maxLen  int
	header  string
	profile string
	file    string
	line    int
}

// defaultMaxLen is the length of a line for a target without len.
const defaultMaxLen = 1024

// log reads `log ADDRESS [len N] [format FMT] [sample …] [profile NAME] FACILITY …`, `log global` and `no log`.
// `log global` adds what the section global has by then and the proxy has not.
func (r *reader) log(modifier string, words []string, targets *[]*target) {
	switch {
	case modifier == "no":
		*targets = nil
		return
	case modifier != "", len(words) < 2:
		return
	case len(words) == 2:
		if words[1] == "global" && targets != &r.global {
			for _, t := range r.global {
				if !slices.Contains(*targets, t) {
					*targets = append(*targets, t)
				}
			}
		}
		return
	}
	t := &target{maxLen: defaultMaxLen, file: r.file, line: r.line}
	for i := 2; i+1 < len(words); i += 2 {
		value := words[i+1]
		switch words[i] {
		case "len":
			if r.needs("log … len", value) {
				t.maxLen = number(value)
			}
		case "format":
			t.header = visible(value)
		case "sample":
		case "profile":
			if r.needs("log … profile", value) {
				t.profile = value
			}
		default:
			i = len(words) // the facility
		}
	}
	*targets = append(*targets, t)
}

// profile is a section log-profile (section 8.3.5 of the manual).
type profile struct {
	name  string
	tag   string
	steps map[string]step
}

// step is what a profile does at one step of a transaction: nothing of its own if all of it is zero.
type step struct {
	drop   bool
	format spec
}

// profileKeyword reads `log-tag TAG` and `on STEP [drop] [format FMT] [sd FMT]`.
func (r *reader) profileKeyword(words []string) {
	switch words[0] {
	case "log-tag":
		r.profile.tag = visible(word(words, 1))
	case "on":
		name := word(words, 1)
		s := r.profile.steps[name]
		for i := 2; i < len(words); i++ {
			switch words[i] {
			case "drop":
				s.drop = true
			case "format", "sd":
				s.drop = false
				if words[i] == "format" {
					text, ok := r.formatWord("on "+name+" format", words[i+1:min(i+2, len(words))])
					if !ok {
						return
					}
					s.format = spec{text, r.file, r.line}
				}
				i++
			}
		}
		r.profile.steps[name] = s
	}
}

// at gives what the profile writes at a step for a line that would otherwise have the format own; false for nothing.
func (p *profile) at(name string, own spec) (spec, bool) {
	if p == nil {
		return own, own.text != ""
	}
	s, ok := p.steps[name]
	if !ok {
		s, ok = p.steps["any"]
	}
	switch {
	case ok && s.drop:
		return spec{}, false
	case ok && s.format.text != "":
		return s.format, true
	}
	return own, own.text != ""
}

// find gives a profile by its name, nil for no name.
func (r *reader) find(name, file string, line int) *profile {
	if name == "" {
		return nil
	}
	p, ok := r.profiles[name]
	if !ok {
		r.problems = append(r.problems, Problem{File: file, Line: line, reference: true, Msg: "there is no section \"log-profile " +
			visible(name) + "\": give the file that has it, too"})
	}
	return p
}
