package archive

import (
	"strings"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
)

// TrinoTables gives the statements that make an archive a table of Trino's Hive
// connector, and views over it: with the raw lines of formats rebuilt, and
// without repeats. deploy/sql/trino.sql is made by it from the well-known
// formats. A statement ends with a semicolon at the end of a line. The error
// names a field it cannot print.
func TrinoTables(formats []*parser.Format) (string, error) {
	d := trino{}
	cases, err := sqlCases(d, formats)
	if err != nil {
		return "", err
	}
	columns := sqlColumns(", ", func(c *parquet.Column) string { return d.column(c.Name) })
	return strings.NewReplacer(
		"{definitions}", sqlDefinitions(d), "{columns}", columns, "{cases}", cases, "{prefix}", sqlPrefix(d), "{cri}", trinoCRI, "{fields}", sqlFields(d),
	).Replace(trinoTables), nil
}

// trino is the dialect of views over the inner table, which has HAProxy's wall
// clock as the column clock.
type trino struct{}

func (trino) column(name string) string { return `"` + name + `"` }
func (trino) quote(s string) string     { return quoteSQL(s) }
func (trino) text(number string) string { return "CAST(" + number + " AS varchar)" }

// clock does not use the month's name of date_format: it is in the language of
// the session.
func (trino) clock(millis bool) string {
	s := "date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], " +
		"CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s')"
	if millis {
		s += " || '.' || lpad(CAST(millisecond(clock) AS varchar), 3, '0')"
	}
	return s
}

func (trino) types() sqlTypes {
	return sqlTypes{boolean: "boolean", integer: "integer", bigint: "bigint", timestamp: "timestamp(3)", text: "varchar", bytes: "varbinary"}
}

// trinoCRI matches what a container runtime put before a record, in its bytes
// as pairs of hexadecimal digits with a blank behind each: Trino has no regular
// expressions over bytes, and as text they would not come back.
const trinoCRI = `(^|0A )(?:(?:0[0-9B-F]|2[1-9A-F]|[13-9A-F][0-9A-F]) )+20 73 74 64 (?:6F 75 74|65 72 72) 20 (?:46|50) ` +
	`(?:(?:0[0-9B-F]|2[1-9A-F]|[13-9A-F][0-9A-F]) )*(?:20 )?`

const trinoTables = `-- Makes an archive a table of Trino (Hive connector), and its raw lines a column.
-- Made by "go generate ./archive" (TrinoTables) from the columns and the log-format strings; do not edit.
--
-- Before: write your bucket and prefix for s3://BUCKET/PREFIX/, and your catalog and schema for lake.logs. The catalog needs
-- connector.name=hive and hive.timestamp-precision=MILLISECONDS (the default). Columns x_..., which formats of your own
-- brought, can be added: ALTER TABLE lake.logs.archive ADD COLUMN x_name varchar.
--
-- A new hour is seen after CALL lake.system.sync_partition_metadata('logs', 'archive', 'ADD'); new objects in a known one
-- at once. Names that begin with _ are passed over.

CREATE TABLE IF NOT EXISTS lake.logs.archive (
{definitions}
) WITH (
    external_location = 's3://BUCKET/PREFIX/',
    format = 'PARQUET',
    partitioned_by = ARRAY['dt', 'hour']
);

CALL lake.system.sync_partition_metadata('logs', 'archive', 'FULL');

-- All columns, and:
-- wrapped  what lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several records
--          (the column parts is set) all of them, with LFs between them.
-- line     the line as HAProxy wrote it: what a container runtime put around it is taken off. (The text of Docker's JSON has
--          U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to Trino stays as it lay in the file.)
-- They may hold any bytes; from_utf8 makes them texts.
--
--   SELECT from_utf8(line) FROM lake.logs.archive_lines WHERE dt = '2026-11-22' AND hour = '16' ORDER BY node, source, "offset"
CREATE OR REPLACE VIEW lake.logs.archive_lines SECURITY INVOKER AS
SELECT {columns}, wrapped, CASE
    WHEN wrapper = 'cri' OR wrapper LIKE 'cri+%' THEN
        from_hex(replace(regexp_replace(regexp_replace(to_hex(wrapped), '..', '$0 '), '{cri}', ''), ' ', ''))
    WHEN (wrapper = 'docker' OR wrapper LIKE 'docker+%') AND none_match(logs, log -> log IS NULL) THEN
        to_utf8(regexp_extract(array_join(logs, ''), '(?s)\A(.*?)\n?\z', 1))
    ELSE wrapped END AS line
FROM (
    SELECT {columns},
        CASE WHEN wrapper LIKE 'docker%' THEN transform(split(from_utf8(raw), chr(10)), r -> json_extract_scalar(r, '$.log')) END AS logs,
        coalesce(raw, to_utf8({prefix} || CASE format
{cases}        END)) AS wrapped
    FROM (SELECT {columns}, date_add('second', utc_offset, "time") AS clock FROM lake.logs.archive)
);

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ, all
-- of them stay. (Of a format of your own, whose lines these statements do not know, the fields are compared.)
-- Only conditions on node, source and offset reach below it, so for one day of a large archive put WHERE dt = '2026-11-22'
-- behind FROM lake.logs.archive_lines in a query like this view's.
CREATE OR REPLACE VIEW lake.logs.archive_distinct SECURITY INVOKER AS
SELECT {columns}, wrapped, line
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY node, source, "offset", bitwise_and(flags, 1), wrapped,
            CASE WHEN wrapped IS NULL THEN json_format(CAST(ROW({fields}) AS json)) END
        ORDER BY dt, hour) AS copy
    FROM lake.logs.archive_lines
) WHERE copy = 1;
`
