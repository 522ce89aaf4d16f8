package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/parser/filter"
)

// filterHelp says in short what a filter is, for --help.
const filterHelp = `
EXPR is a filter, as 'ci=10.2.0.0/16 ST>=500 HU~/login not b=be_app': fields as they are printed, or the
archive's columns; = != < <= > >=, ~ (has in it; ~* in any case), ^= (begins with), $= (ends with), =* (is
there); ranges 500..599, several values 500,502; 2s, 1MiB; and, or, not, parentheses. docs/filter.md has all.
`

// parseFilter compiles the filter that stands at a place, as --filter.
func parseFilter(where, text string) (*filter.Filter, error) {
	f, err := filter.Parse(text)
	if err == nil {
		return f, nil
	}
	var syntax *filter.SyntaxError
	if !errors.As(err, &syntax) {
		return nil, usagef("%s: %v", where, err)
	}
	msg := syntax.Msg
	if near := config.Nearest(syntax.Unknown, filter.Names()); syntax.Unknown != "" && near != "" {
		msg += "; did you mean " + near + "?"
	} else if syntax.Unknown != "" {
		msg += "; the fields are HAProxy's aliases and the archive's columns, and a name that a format gives is written %(" + syntax.Unknown + "): see docs/filter.md"
	}
	// Each character as one, so that the caret stands below its own. Of a long filter what is around it.
	visible := func(s string) []rune {
		return []rune(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s))
	}
	before, after := visible(text[:syntax.Pos]), visible(text[syntax.Pos:])
	const around = 60
	before, after = before[max(0, len(before)-around):], after[:min(len(after), around)]
	return nil, usagef("%s, column %d: %s\n%s%s\n%s^", where, syntax.Column(), msg, string(before), string(after), strings.Repeat(" ", len(before)))
}

// noteMissing says which fields of a filter no line has. headers says how captured
// headers are known by their names.
func noteMissing(w io.Writer, where string, missing []string, headers string) {
	if len(missing) == 0 {
		return
	}
	hint := ""
	for _, name := range missing {
		if strings.HasPrefix(name, "req.") || strings.HasPrefix(name, "res.") {
			hint = "; " + headers
		}
	}
	fmt.Fprintf(w, "loghaul: %s: no format has %s%s\n", where, strings.Join(missing, ", "), hint)
}
