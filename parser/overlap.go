package parser

// Overlap says that lines can be of two formats. The first one takes them.
type Overlap struct {
	// First and Second are indexes of formats.
	First, Second int
	// Example is a line that both match. OfSecond says that it was made as one of the second format, which therefore
	// loses lines to the first.
	Example  string
	OfSecond bool
}

// Overlaps finds formats that can match the same line, which the first in order takes. It is a search by lines made from
// the formats: what it finds is so, but it may not find all.
func Overlaps(formats ...*Format) []Overlap {
	var found []Overlap
	for j, second := range formats {
		for i, first := range formats[:j] {
			if disjoint(first, second) {
				continue
			}
			if line := shared(second, first); line != "" {
				found = append(found, Overlap{First: i, Second: j, Example: line, OfSecond: true})
			} else if line := shared(first, second); line != "" {
				found = append(found, Overlap{First: i, Second: j, Example: line})
			}
		}
	}
	return found
}

// shared returns a line made for one format that is of the other one, too.
func shared(made, other *Format) (example string) {
	var r Record
	made.samples(func(line []byte) {
		if example == "" && other.Parse(line, &r) && made.Parse(line, &r) {
			example = string(line)
		}
	})
	return example
}
