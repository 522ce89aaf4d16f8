package haproxycfg

import (
	"errors"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// Problem is what is wrong at one place of a configuration, or what could not be decided there.
type Problem struct {
	File string
	Line int // 0 if it is about the file as a whole
	// Msg says what is wrong and what to do, without the place.
	Msg string

	// reference says that something was named that is not there. Where a file is read several ways because of its
	// conditions, that counts only if it is so in each of them.
	reference bool
}

// Error gives "FILE:LINE: message".
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Msg
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ": " + p.Msg
}

// Problems is everything that is wrong with a configuration.
type Problems []Problem

// Error gives one problem after the other, each on lines of its own.
func (p Problems) Error() string {
	all := make([]string, len(p))
	for i := range p {
		all[i] = p[i].Error()
	}
	return strings.Join(all, "\n")
}

// caret gives an error about a log-format string with the string and a mark below the byte that is wrong.
func caret(keyword string, err error) string {
	syntax, ok := errors.AsType[*parser.SyntaxError](err)
	if !ok {
		return keyword + ": " + err.Error()
	}
	var b strings.Builder
	b.WriteString(keyword + ": " + syntax.Msg + "\n    ")
	b.WriteString(strings.NewReplacer("\n", " ", "\r", " ").Replace(syntax.Spec) + "\n    ")
	for i := range syntax.Pos {
		if syntax.Spec[i] == '\t' {
			b.WriteByte('\t') // so that the mark stays below its byte
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('^')
	return b.String()
}
