package haproxycfg

import "strings"

// A variable that is not set stands in a word as its name between two of these: HAProxy's words hold no NUL. What
// becomes of it depends on whether the word matters.
const unset = "\x00"

// variables resolves the names behind a dollar.
type variables interface {
	// variable gives the value of an environment variable or of a pseudo-variable such as .FILE; known is false if
	// it is not known here, which does not say that HAProxy does not know it.
	variable(name string) (value string, set, known bool)
}

// splitter cuts a line into words as HAProxy's parse_line does (src/tools.c): sections 2.2 and 2.3 of the manual.
type splitter struct {
	in   string
	pos  int
	vars variables

	words  []string
	word   strings.Builder
	inWord bool
	// expanded counts the bytes that came from variables.
	expanded int
	// emptyQuote says that a pair of quotes makes a word even if nothing stands between them.
	emptyQuote bool
	// guessed are the variables that are not known here and for which a default value was taken.
	guessed []string
}

// maxExpanded bounds what variables make of a line: each may hold others, twice.
const maxExpanded = 64 << 10

// wordError is why a line cannot be cut.
type wordError struct {
	pos int
	msg string
}

// split gives the words of the line.
func (s *splitter) split() *wordError {
	var quote byte
	quotePos := 0
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; {
		case c == 0 || c == '\n' || c == '\r', c == '#' && quote == 0:
			s.in = s.in[:s.pos] // the rest is no part of the line
		case c == '"' && quote != '\'', c == '\'' && quote != '"':
			if quote == 0 {
				quote, quotePos, s.emptyQuote = c, s.pos, true
			} else {
				quote = 0
				s.inWord = s.inWord || s.emptyQuote
			}
			s.pos++
		case c == '\\' && quote != '\'':
			if err := s.escape(quote); err != nil {
				return err
			}
		case isSpace(c) && quote == 0:
			s.end()
			s.pos++
		case c == '$' && quote == '"':
			if err := s.expand(); err != nil {
				return err
			}
		default:
			s.emit(c)
			s.pos++
		}
	}
	s.end()
	if quote != 0 {
		return &wordError{quotePos, "the quote is not closed"}
	}
	return nil
}

func (s *splitter) emit(c byte) {
	s.inWord = true
	s.word.WriteByte(c)
}

func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
		s.word.Reset()
		s.inWord = false
	}
}

// escape reads what follows a backslash. Other characters than these keep it.
func (s *splitter) escape(quote byte) *wordError {
	next := byte(0)
	if s.pos+1 < len(s.in) {
		next = s.in[s.pos+1]
	}
	s.inWord = true
	switch {
	case next == ' ' || next == '\\' || next == '#' || next == '\'' || next == '"' || next == '$' && quote == '"':
	case next == 't':
		next = '\t'
	case next == 'n':
		next = '\n'
	case next == 'r':
		next = '\r'
	case next == 'x':
		if s.pos+3 >= len(s.in) || !isHex(s.in[s.pos+2]) || !isHex(s.in[s.pos+3]) {
			return &wordError{s.pos, `want two hexadecimal digits behind \x`}
		}
		if c := unhex(s.in[s.pos+2])<<4 | unhex(s.in[s.pos+3]); c != 0 { // a NUL ends HAProxy's text; no format has one
			s.emit(c)
		}
		s.pos += 4
		return nil
	default:
		s.emit('\\')
		s.pos++
		return nil
	}
	s.emit(next)
	s.pos += 2
	return nil
}

// expand reads $NAME, ${NAME}, ${NAME-default} or ${NAME[*]}.
func (s *splitter) expand() *wordError {
	s.pos++
	brace := s.pos
	braced := s.peek() == '{'
	if braced {
		s.pos++
	}
	start := s.pos
	if c := s.peek(); !isLetter(c) && c != '_' && c != '.' {
		return &wordError{s.pos, `want the name of an environment variable behind "$"; a dollar is written "\$" or in single quotes`}
	}
	s.pos++
	for isLetter(s.peek()) || isDigit(s.peek()) || s.peek() == '_' {
		s.pos++
	}
	name := s.in[start:s.pos]
	value, set, known := s.vars.variable(name)
	array := false
	if braced {
		var rest string
		rest, array = strings.CutPrefix(s.in[s.pos:], "[*]")
		end := strings.IndexByte(rest, '}')
		switch {
		case end < 0, end > 0 && rest[0] != '-':
			return &wordError{brace, "want } to end the name of the environment variable"}
		case end > 0 && !set:
			if !known {
				s.guessed = append(s.guessed, name)
			}
			value, set = rest[1:end], true
		}
		s.pos = len(s.in) - len(rest) + end + 1
	}
	if s.expanded += len(value); s.expanded > maxExpanded {
		return &wordError{start, "its variables make the line longer than 64 KiB"}
	}
	switch {
	case array:
		s.spread(value)
	case !set && !known:
		s.inWord = true
		s.word.WriteString(unset + name + unset)
	default:
		s.inWord = s.inWord || !set || value != ""
		s.word.WriteString(value)
	}
	return nil
}

// spread makes a word of each word of value; none if it is empty.
func (s *splitter) spread(value string) {
	s.emptyQuote = false
	for i := range len(value) {
		if isSpace(value[i]) {
			s.end()
		} else {
			s.emit(value[i])
		}
	}
}

func (s *splitter) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// missing gives the first variable in a word that is not set here.
func missing(word string) (name string, ok bool) {
	_, rest, ok := strings.Cut(word, unset)
	if !ok {
		return "", false
	}
	name, _, _ = strings.Cut(rest, unset)
	return name, true
}

// visible shows a word with its unset variables as they are written.
func visible(word string) string {
	for {
		before, rest, ok := strings.Cut(word, unset)
		if !ok {
			return word
		}
		name, after, _ := strings.Cut(rest, unset)
		word = before + "${" + name + "}" + after
	}
}

func isSpace(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
