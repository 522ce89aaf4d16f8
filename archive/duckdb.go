package archive

import (
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// DuckDBMacros gives SQL macros for DuckDB that rebuild the raw lines of
// formats out of the columns: loghaul_line(t) for a row t of a table over
// objects, and one macro for each format; and tables over objects, with and
// without repeats. deploy/sql/duckdb.sql is made by it from the well-known
// formats. The error names a field it cannot print.
func DuckDBMacros(formats []*parser.Format) (string, error) {
	d := duckDB{}
	var b strings.Builder
	b.WriteString(duckHeader)
	for _, f := range formats {
		expr, err := sqlLine(d, f, "\n    || ")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n-- %s\nCREATE OR REPLACE MACRO %s(t) AS (\n    %s\n);\n", f.Spec(), duckName(f), expr)
	}
	b.WriteString("\n-- What stood before the message of a row: a header of syslog or of a container runtime, or nothing.\n" +
		"CREATE OR REPLACE MACRO loghaul_prefix(t) AS " + sqlPrefix(d) + ";\n" +
		"\n-- What lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several\n" +
		"-- records (the column parts is set) all of them, with LFs between them.\n" +
		"CREATE OR REPLACE MACRO loghaul_wrapped(t) AS coalesce(t.raw, encode(loghaul_prefix(t) || CASE t.format\n")
	for _, f := range formats {
		fmt.Fprintf(&b, "    WHEN %s THEN %s(t)\n", quoteSQL(f.Name()), duckName(f))
	}
	b.WriteString("END));\n" + duckContainers + strings.Replace(duckTables, "{fields}", sqlFields(d), 1))
	return b.String(), nil
}

// duckDB is the dialect of macros over a row t.
type duckDB struct{}

func (duckDB) column(name string) string { return "t." + name }
func (duckDB) quote(s string) string     { return quoteSQL(s) }
func (duckDB) text(number string) string { return number + "::VARCHAR" }

func (duckDB) clock(millis bool) string {
	format := "%d/%b/%Y:%H:%M:%S"
	if millis {
		format += ".%g"
	}
	return "strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '" + format + "')"
}

// types are not needed: DuckDB takes them from the files.
func (duckDB) types() sqlTypes { return sqlTypes{} }

func duckName(f *parser.Format) string { return "loghaul_line_" + columnName(f.Name()) }

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

// duckTables are the tables over objects.
const duckTables = `
-- The rows of all objects that a pattern names. dt and hour come from the objects' names, and a condition on them leaves
-- files out. hive_types: hour = 09 is a text.
CREATE OR REPLACE MACRO loghaul_archive(files) AS TABLE
    SELECT * FROM read_parquet(files, union_by_name=true, hive_partitioning=true, hive_types={'dt': DATE, 'hour': VARCHAR});

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ,
-- all of them stay. (Of a format of your own, whose lines these macros do not know, the fields are compared.)
-- Conditions on dt, hour or time do not reach below it: name the days in the pattern.
CREATE OR REPLACE MACRO loghaul_distinct(files) AS TABLE
    SELECT * FROM loghaul_archive(files) t
    QUALIFY row_number() OVER (
        PARTITION BY node, source, "offset", flags & 1,
            coalesce(loghaul_wrapped(t), encode(ROW({fields})::VARCHAR))
        ORDER BY dt, hour) = 1;
`

const duckHeader = `-- Rebuilds the raw log lines out of the columns of archive objects.
-- Made by "go generate ./archive" (DuckDBMacros) from the log-format strings; do not edit.
--
--   SELECT decode(loghaul_line(t)) FROM loghaul_distinct('ARCHIVE/dt=2026-11-2*/*/*.parquet') t ORDER BY node, source, "offset";
--   SELECT status, count(*) FROM loghaul_archive('ARCHIVE/dt=*/*/*.parquet') WHERE dt = DATE '2026-11-22' GROUP BY ALL;
--
-- loghaul_line gives what "audit cat" prints, the line as HAProxy wrote it; loghaul_wrapped what lay in the file, with the
-- header of a container runtime. The column raw holds the lines that the columns do not give back. It may hold any bytes,
-- so both give a BLOB; decode makes it a VARCHAR.
`
