package archive

import (
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

//go:generate go test . -run TestDuckDBMacrosAreFresh -update

// DuckDBMacros gives SQL macros for DuckDB that rebuild the raw lines of
// formats out of the columns: loghaul_line(t) for a row t of a table over
// objects, and one macro for each format. deploy/sql/duckdb.sql is made by it
// from the well-known formats. The error names a field it cannot print.
func DuckDBMacros(formats []*parser.Format) (string, error) {
	var b strings.Builder
	b.WriteString(duckHeader)
	for _, f := range formats {
		expr, err := duckLine(f)
		if err != nil {
			return "", fmt.Errorf("format %s: %w", f.Name(), err)
		}
		fmt.Fprintf(&b, "\n-- %s\nCREATE OR REPLACE MACRO %s(t) AS (\n    %s\n);\n", f.Spec(), duckName(f), expr)
	}
	b.WriteString("\n-- What stood before the message of a row: a header of syslog or of a container runtime, or nothing.\n" +
		"CREATE OR REPLACE MACRO loghaul_prefix(t) AS coalesce(replace(replace(t.prefix, " + quoteSQL(fractionMark) +
		", coalesce(t.prefix_fraction, '')),\n    " + quoteSQL(sdMark) + ", coalesce(t.structured_data, '')), '');\n" +
		"\n-- What lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several\n" +
		"-- records (the column parts is set) all of them, with LFs between them.\n" +
		"CREATE OR REPLACE MACRO loghaul_wrapped(t) AS coalesce(t.raw, encode(loghaul_prefix(t) || CASE t.format\n")
	for _, f := range formats {
		fmt.Fprintf(&b, "    WHEN %s THEN %s(t)\n", quoteSQL(f.Name()), duckName(f))
	}
	b.WriteString("END));\n" + duckContainers)
	return b.String(), nil
}

// duckContainers takes off what a container runtime put around a line. A BLOB
// as VARCHAR has \xHH for bytes that are not printable, and for the backslash.
const duckContainers = `
-- The line of a row as HAProxy wrote it, byte for byte, without its LF: what a container runtime put around it is taken
-- off. (The text of Docker's JSON has U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to DuckDB
-- stays as it lay in the file.)
CREATE OR REPLACE MACRO loghaul_line(t) AS CASE
    WHEN t.wrapper = 'cri' OR t.wrapper LIKE 'cri+%' THEN
        regexp_replace(loghaul_wrapped(t)::VARCHAR, '(^|\\x0A)[^ ]+ std(?:out|err) [PF][^ ]* ?', '', 'g')::BLOB
    WHEN t.wrapper = 'docker' OR t.wrapper LIKE 'docker+%' THEN
        coalesce(encode(regexp_replace(array_to_string(TRY(
            [json_extract_string(r, '$.log') FOR r IN string_split(decode(t.raw), chr(10))]), ''), '\n$', '')), t.raw)
    ELSE loghaul_wrapped(t) END;
`

const duckHeader = `-- Rebuilds the raw log lines out of the columns of archive objects.
-- Made by "go generate ./archive" (DuckDBMacros) from the log-format strings; do not edit.
--
--   SELECT decode(loghaul_line(t)) FROM read_parquet('ARCHIVE/*/*/*.parquet', union_by_name=true) t
--   ORDER BY node, source, "offset";
--
-- loghaul_line gives what "audit cat" prints, the line as HAProxy wrote it; loghaul_wrapped what lay in the file, with the
-- header of a container runtime. The column raw holds the lines that the columns do not give back. It may hold any bytes,
-- so both give a BLOB; decode makes it a VARCHAR.
`

func duckName(f *parser.Format) string { return "loghaul_line_" + columnName(f.Name()) }

func quoteSQL(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// duckLine gives the expression for a line. HAProxy prints a blank of the
// format only if what it printed last did not end with one; so the blank
// behind a field that may print nothing depends on that field.
func duckLine(f *parser.Format) (string, error) {
	tokens, err := splitFormat(f.Spec())
	if err != nil {
		return "", err
	}
	fields := f.Fields()
	var parts []string
	literal := ""
	flush := func() {
		if literal != "" {
			parts = append(parts, quoteSQL(literal))
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
			return "", fmt.Errorf("%s is no field", t.alias)
		}
		flush()
		behind := ""
		if i+1 < len(tokens) && tokens[i+1].literal == " " && isBlock(fields[0].Alias) {
			behind = " "
			i++
		}
		expr, err := duckField(&fields[0], t.quoted, behind)
		if err != nil {
			return "", err
		}
		parts = append(parts, expr)
		fields = fields[1:]
	}
	flush()
	if len(fields) > 0 {
		return "", fmt.Errorf("field %s is not in the format", fields[0].Name)
	}
	return strings.Join(parts, "\n    || "), nil
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
