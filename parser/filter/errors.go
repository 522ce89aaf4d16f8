package filter

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// SyntaxError tells what is wrong with a filter and where.
type SyntaxError struct {
	Text string // the whole filter
	Pos  int    // offset of the offending byte in Text; len(Text) if something is missing at its end
	Msg  string // what is wrong and what was expected
	// Unknown is set if it is no name of a field: whoever reports the error may look for one like it in Names.
	Unknown string
}

// Error names the column, in characters from 1 on.
func (e *SyntaxError) Error() string {
	return "filter, column " + strconv.Itoa(e.Column()) + ": " + e.Msg
}

// Column gives the position in characters, from 1 on.
func (e *SyntaxError) Column() int { return utf8.RuneCountInString(e.Text[:e.Pos]) + 1 }

func (s *scanner) errorf(pos int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Text: s.text, Pos: min(pos, len(s.text)), Msg: fmt.Sprintf(format, args...)}
}

// show quotes the beginning of a text for an error.
func show(text string) string {
	const most = 40
	for i, c := range text {
		if c == ' ' && i > 0 || i >= most {
			text = text[:i]
			break
		}
	}
	return strconv.Quote(text)
}
