package filter

// Filter is a compiled filter. It is immutable; any number of goroutines may use it at once.
type Filter struct {
	tree *Node
}

// Tree gives the normal form. It must not be changed.
func (f *Filter) Tree() *Node { return f.tree }

// Parse compiles a filter. What is wrong with one is told by a *SyntaxError.
func Parse(text string) (*Filter, error) {
	return nil, &SyntaxError{Text: text, Pos: 0, Msg: "filters cannot be parsed yet"}
}

// SyntaxError tells what is wrong with a filter and where.
type SyntaxError struct {
	Text string // the whole filter
	Pos  int    // offset of the offending byte in Text
	Msg  string // what is wrong and what was expected
	// Unknown is set if it is no name of a field: whoever reports the error may look for one like it in Names.
	Unknown string
}

func (e *SyntaxError) Error() string { return "filter: " + e.Msg }
