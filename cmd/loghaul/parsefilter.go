package main

import (
	"github.com/loghaul/loghaul/parser/filter"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// selection is the lines that pass a filter. A nil one is all lines.
type selection struct {
	matcher *filter.Matcher
	line    filter.Line
	// contained takes what a container runtime put around a line off. Its memory is its own: that of the line's header
	// must stay.
	contained *wrapper.Splitter
}

func newSelection(f *filter.Filter) *selection {
	return &selection{matcher: f.Matcher(), contained: wrapper.NewSplitter(wrapper.Auto, nil)}
}

// start begins a new file.
func (s *selection) start(name string) {
	if s == nil {
		return
	}
	s.line.Path = nil
	if name != "-" {
		s.line.Path = []byte(name)
	}
}

// has reports whether a line is one of s. parsed is set if p.rec is its record.
func (s *selection) has(p *lineParser, line []byte, parsed bool) bool {
	if s == nil {
		return true
	}
	l := &s.line
	l.Record, l.Header, l.Raw = nil, &p.header, line
	if parsed {
		l.Record = &p.rec
	}
	if kind := p.header.Kind; kind == wrapper.CRI || kind == wrapper.Docker {
		if message, ok := s.contained.Message(line); ok {
			l.Raw = message
		}
	}
	if s.matcher.Match(l) {
		return true
	}
	if parsed {
		p.rec.Time(p.zone) // the zone learns from every line
	}
	return false
}
