package archive

import "github.com/loghaul/loghaul/parser/filter"

// Line gives what a filter looks at of a row. It is valid as long as the row.
func (r *Row) Line(to *filter.Line) {
	*to = filter.Line{
		Record: r.Record, Header: &r.Header, Raw: r.Message,
		Node: []byte(r.Source.Node), Source: []byte(r.Source.ID), Path: []byte(r.Source.Path),
		Labels: r.Labels, Namespace: r.Namespace, Pod: r.Pod, Container: r.Container, ContainerID: r.ContainerID,
	}
}

// looksAtFields reports whether matches needs the record of a row.
func (s *Selection) looksAtFields() bool {
	for t := range s.query.tree().Tests {
		if t.Field.Place != filter.InLine {
			return true
		}
	}
	return false
}

// matches asks the whole line.
func (s *Selection) matches(r *Row) bool {
	if s.match == nil {
		s.match = s.query.Where.Matcher()
	}
	r.Line(&s.line)
	return s.match.Match(&s.line)
}
