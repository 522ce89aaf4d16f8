package archive

import (
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// SparkTables gives the statements that make an archive a table of Spark, and
// views over it: with the raw lines of formats rebuilt, and without repeats.
// deploy/sql/spark.sql is made by it from the well-known formats. A statement
// ends with a semicolon at the end of a line. The error names a field it cannot
// print.
func SparkTables(formats []*parser.Format) (string, error) {
	d := spark{}
	cases, err := sqlCases(d, formats)
	if err != nil {
		return "", err
	}
	return strings.NewReplacer("{definitions}", sqlDefinitions(d), "{cases}", cases, "{prefix}", sqlPrefix(d), "{fields}", sqlFields(d)).Replace(sparkTables), nil
}

// spark is the dialect of views over the inner table, which has HAProxy's wall
// clock as the column clock, in milliseconds since 1970 as if it were UTC.
type spark struct{}

func (spark) column(name string) string { return "`" + name + "`" }

// quote knows that a backslash escapes in Spark's literals.
func (spark) quote(s string) string { return quoteSQL(strings.ReplaceAll(s, `\`, `\\`)) }

func (spark) text(number string) string { return "CAST(" + number + " AS STRING)" }

// clock keeps away from Spark's timestamps: they are shown in the session's time
// zone, in which an hour may be missing.
func (spark) clock(millis bool) string {
	s := "format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', " +
		"'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60)"
	if millis {
		s += " || format_string('.%03d', clock_ms % 1000)"
	}
	return s
}

func (spark) types() sqlTypes {
	return sqlTypes{boolean: "BOOLEAN", integer: "INT", bigint: "BIGINT", timestamp: "TIMESTAMP", text: "STRING", bytes: "BINARY"}
}

const sparkTables = `-- Makes an archive a table of Spark, and its raw lines a column.
-- Made by "go generate ./archive" (SparkTables) from the columns and the log-format strings; do not edit.
--
-- Before: write your folder or s3a://bucket/prefix for LOCATION. Columns x_..., which formats of your own brought, can be
-- added: ALTER TABLE archive ADD COLUMN x_name STRING.
--
-- A new hour is seen after ALTER TABLE archive RECOVER PARTITIONS; new objects in a known one after REFRESH TABLE archive.
-- Names that begin with _ are passed over.

CREATE TABLE IF NOT EXISTS archive (
{definitions}
) USING PARQUET PARTITIONED BY (dt, hour) LOCATION 'LOCATION';

ALTER TABLE archive RECOVER PARTITIONS;

-- All columns, and:
-- wrapped  what lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several records
--          (the column parts is set) all of them, with LFs between them.
-- line     the line as HAProxy wrote it: what a container runtime put around it is taken off. (The text of Docker's JSON has
--          U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to Spark stays as it lay in the file.)
-- They may hold any bytes; CAST(line AS STRING) makes them texts.
--
--   SELECT CAST(line AS STRING) FROM archive_lines WHERE dt = '2026-11-22' AND hour = '16' ORDER BY node, source, offset
CREATE OR REPLACE VIEW archive_lines AS
SELECT * EXCEPT (logs, clock, clock_ms, clock_day), CASE
    WHEN wrapper = 'cri' OR wrapper LIKE 'cri+%' THEN
        encode(regexp_replace(decode(wrapped, 'ISO-8859-1'), r'(^|\n)[^ \n]+ std(?:out|err) [PF][^ \n]* ?', ''), 'ISO-8859-1')
    WHEN (wrapper = 'docker' OR wrapper LIKE 'docker+%') AND forall(logs, log -> log IS NOT NULL) THEN
        CAST(regexp_extract(array_join(logs, ''), r'(?s)\A(.*?)\n?\z', 1) AS BINARY)
    ELSE wrapped END AS line
FROM (
    SELECT *,
        CASE WHEN wrapper LIKE 'docker%' THEN transform(split(CAST(raw AS STRING), r'\n', -1), r -> get_json_object(r, '$.log')) END AS logs,
        coalesce(raw, CAST({prefix} || CASE format
{cases}        END AS BINARY)) AS wrapped
    FROM (
        SELECT *, pmod(clock, 86400000) AS clock_ms, date_add(DATE '1970-01-01', CAST((clock - pmod(clock, 86400000)) DIV 86400000 AS INT)) AS clock_day
        FROM (SELECT *, unix_millis(time) + utc_offset * 1000 AS clock FROM archive)
    )
);

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ, all
-- of them stay. (Of a format of your own, whose lines these statements do not know, the fields are compared.)
-- Only conditions on node, source and offset reach below it, so for one day of a large archive put WHERE dt = '2026-11-22'
-- behind FROM archive_lines in a query like this view's.
CREATE OR REPLACE VIEW archive_distinct AS
SELECT * EXCEPT (copy)
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY node, source, offset, flags & 1, wrapped, CASE WHEN wrapped IS NULL THEN to_json(struct({fields})) END
        ORDER BY dt, hour) AS copy
    FROM archive_lines
) WHERE copy = 1;
`
