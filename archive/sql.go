package archive

import (
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
)

//go:generate go test . -run TestSQLIsFresh -update

// dialect is what SQL engines say in different words.
type dialect interface {
	// column names a column of the row.
	column(name string) string
	// quote makes a literal.
	quote(s string) string
	// text turns a number into its digits, null into null.
	text(number string) string
	// clock prints the date and time that HAProxy's clock showed as
	// 02/Jan/2006:15:04:05, with milliseconds behind a dot if millis is set.
	clock(millis bool) string
	// types names the engine's types; it is only for those that are told them.
	types() sqlTypes
}

// sqlTypes are the names of an engine's types.
type sqlTypes struct{ boolean, integer, bigint, timestamp, text, bytes string }

func (t sqlTypes) of(c *parquet.Column) string {
	switch {
	case c.Type == parquet.Boolean:
		return t.boolean
	case c.Type == parquet.Int32:
		return t.integer
	case c.Logical == parquet.TimestampMillis:
		return t.timestamp
	case c.Type == parquet.Int64:
		return t.bigint
	case c.Logical == parquet.String:
		return t.text
	}
	return t.bytes
}

// quoteSQL makes a literal of standard SQL.
func quoteSQL(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// sqlCases gives one WHEN for each format: the expression of its line.
func sqlCases(d dialect, formats []*parser.Format) (string, error) {
	var b strings.Builder
	for _, f := range formats {
		expr, err := sqlLine(d, f, " || ")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "            WHEN %s THEN\n                %s\n", d.quote(f.Name()), expr)
	}
	return b.String(), nil
}

// sqlPrefix gives the expression of what stood before the message.
func sqlPrefix(d dialect) string {
	return fmt.Sprintf("coalesce(replace(replace(%s, %s, coalesce(%s, '')), %s, coalesce(%s, '')), '')",
		d.column("prefix"), d.quote(fractionMark), d.column("prefix_fraction"), d.quote(sdMark), d.column("structured_data"))
}

// sqlColumns lists the core columns, each written by write, and the two that
// the key has.
func sqlColumns(sep string, write func(c *parquet.Column) string) string {
	var all []string
	for _, c := range coreColumns() {
		all = append(all, write(&c.Column))
	}
	for _, name := range []string{"dt", "hour"} {
		all = append(all, write(&parquet.Column{Name: name, Type: parquet.ByteArray, Logical: parquet.String}))
	}
	return strings.Join(all, sep)
}

// sqlFields lists the columns with what was in the line: where the statements do
// not know how a format's line is put together, they tell rows apart.
func sqlFields(d dialect) string {
	defs := coreColumns()
	var all []string
	for i := colFormat; i <= colMessage; i++ {
		if i != colRaw {
			all = append(all, d.column(defs[i].Name))
		}
	}
	return strings.Join(all, ", ")
}

// sqlDefinitions lists the columns with their types, as CREATE TABLE wants them.
func sqlDefinitions(d dialect) string {
	return sqlColumns(",\n", func(c *parquet.Column) string { return "    " + d.column(c.Name) + " " + d.types().of(c) })
}

// sqlLine gives the expression for a line. HAProxy prints a blank of the
// format only if what it printed last did not end with one; so the blank
// behind a field that may print nothing depends on that field.
func sqlLine(d dialect, f *parser.Format, concat string) (string, error) {
	tokens, err := splitFormat(f.Spec())
	if err != nil {
		return "", fmt.Errorf("format %s: %w", f.Name(), err)
	}
	fields := f.Fields()
	var parts []string
	literal := ""
	flush := func() {
		if literal != "" {
			parts = append(parts, d.quote(literal))
			literal = ""
		}
	}
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if t.literal != "" {
			if t.literal != " " || len(parts)+len(literal) > 0 {
				literal += t.literal
			}
			continue
		}
		if t.alias == "o" {
			continue
		}
		if len(fields) == 0 {
			return "", fmt.Errorf("format %s: %s is no field", f.Name(), t.alias)
		}
		flush()
		behind := ""
		if i+1 < len(tokens) && tokens[i+1].literal == " " && isBlock(fields[0].Alias) {
			behind = " "
			i++
		}
		expr, err := sqlField(d, &fields[0], t.quoted, behind)
		if err != nil {
			return "", fmt.Errorf("format %s: %w", f.Name(), err)
		}
		parts = append(parts, expr)
		fields = fields[1:]
	}
	flush()
	if len(fields) > 0 {
		return "", fmt.Errorf("format %s: field %s is not in the format", f.Name(), fields[0].Name)
	}
	return strings.Join(parts, concat), nil
}

// isBlock tells the fields that may print nothing at all.
func isBlock(alias string) bool {
	return alias == "hr" || alias == "hs" || alias == "hrl" || alias == "hsl"
}

// token is a piece of a log-format string: a literal, or a field.
type token struct {
	literal string // a blank is a token of its own
	alias   string // the alias or the expression
	quoted  bool   // +Q holds
}

// splitFormat reads what the well-known formats use of the language.
func splitFormat(spec string) ([]token, error) {
	var tokens []token
	global := false
	for i := 0; i < len(spec); {
		if c := spec[i]; c != '%' {
			if n := len(tokens); c != ' ' && n > 0 && tokens[n-1].literal != "" && tokens[n-1].literal != " " {
				tokens[n-1].literal += string(c)
			} else {
				tokens = append(tokens, token{literal: string(c)})
			}
			i++
			continue
		}
		t := token{quoted: global}
		i++
		if i < len(spec) && spec[i] == '{' {
			end := strings.IndexByte(spec[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("no } behind byte %d", i)
			}
			switch flags := spec[i+1 : i+end]; flags {
			case "+Q":
				t.quoted = true
			case "-Q":
				t.quoted = false
			default:
				return nil, fmt.Errorf("flags %q", flags)
			}
			i += end + 1
		}
		t.alias, i = fieldName(spec, i)
		if t.alias == "o" {
			global = t.quoted
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func fieldName(spec string, i int) (name string, next int) {
	if i < len(spec) && spec[i] == '[' {
		if end := strings.IndexByte(spec[i:], ']'); end > 0 {
			return spec[i : i+end+1], i + end + 1
		}
	}
	end := i
	for end < len(spec) && (spec[end] >= 'a' && spec[end] <= 'z' || spec[end] >= 'A' && spec[end] <= 'Z') {
		end++
	}
	return spec[i:end], end
}
