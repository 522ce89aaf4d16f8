package parser

// Set is an ordered list of formats to try. It is immutable.
type Set struct {
	formats []*Format
}

// NewSet returns the set of formats, in the order of preference.
func NewSet(formats ...*Format) *Set { return &Set{formats: append([]*Format(nil), formats...)} }

// Formats returns the formats in order. The slice must not be changed.
func (s *Set) Formats() []*Format { return s.formats }

// Parse reads line into r with the first format that matches and returns its index, or -1. The answer depends on
// nothing but the line: where several formats match, the first in the order given to NewSet wins, whatever matched
// before.
func (s *Set) Parse(line []byte, r *Record) int {
	for i, f := range s.formats {
		if f.Parse(line, r) {
			return i
		}
	}
	return -1
}
