package archive

import (
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// sqlField gives the expression that prints one field; behind is what follows
// it only if it prints something.
func sqlField(d dialect, f *parser.Field, quoted bool, behind string) (string, error) {
	defs := coreColumns()
	if f.Kind == parser.KindDate {
		return sqlDate(d, f.Alias)
	}
	o, _, ok := coreOp(f)
	if !ok {
		return "", fmt.Errorf("field %s has no core column", f.Name)
	}
	col := d.column(defs[o.col].Name)
	switch o.kind {
	case opList:
		return sqlList(d, o.col, f.Alias, quoted, behind), nil
	case opRequest:
		return sqlText(fmt.Sprintf("coalesce(%s, %s || ' ' || %s || coalesce('?' || %s, '') || coalesce(' ' || %s, ''))", d.column("http_request"),
			d.column("http_method"), d.column("http_path"), d.column("http_query"), d.column("http_version")), quoted, ""), nil
	case opFrontend:
		return sqlText(col+" || "+sqlMark(d, "frontend_tls", "~"), quoted, ""), nil
	case opRetries:
		return sqlMark(d, "redispatched", "+") + " || " + d.text(col), nil
	case opText:
		state := f.Alias == "ts" || f.Alias == "tsc" // HAProxy never quotes them
		return sqlText(col, quoted && !state, "-"), nil
	case opInt32, opInt64:
		if f.Alias == "ms" {
			return "lpad(" + d.text(col) + ", 3, '0')", nil
		}
		if o.asap {
			return sqlMark(d, "asap", "+") + " || " + d.text(col), nil
		}
		return "coalesce(" + d.text(col) + ", '-')", nil
	case opURI, opQuery, opTime, opWall:
	}
	return "", fmt.Errorf("field %s is not supported", f.Name)
}

// sqlText prints a text: quoted with an empty one for null, or as it is with
// absent for null.
func sqlText(expr string, quoted bool, absent string) string {
	if quoted {
		return "'\"' || coalesce(" + expr + ", '') || '\"'"
	}
	return "coalesce(" + expr + ", " + quoteSQL(absent) + ")"
}

// sqlMark prints a sign where a column is true.
func sqlMark(d dialect, column, sign string) string {
	return "CASE WHEN " + d.column(column) + " THEN " + quoteSQL(sign) + " ELSE '' END"
}

// sqlDate prints a date of the wall clock that HAProxy had.
func sqlDate(d dialect, alias string) (string, error) {
	switch alias {
	case "t", "tr":
		return d.clock(true), nil
	case "T", "trg":
		return d.clock(false) + " || ' +0000'", nil
	}
	return "", fmt.Errorf("date %s is not supported", alias)
}

// sqlList prints captured headers. The only block of a line, which is
// neither side's for certain, stands where that of the request would.
func sqlList(d dialect, first int, alias string, quoted bool, behind string) string {
	block := func(prefix, open, sep, end string) string {
		var cols []string
		for i := range slots {
			cols = append(cols, d.column(fmt.Sprintf("%sheader_%d", prefix, i+1)))
		}
		return fmt.Sprintf("WHEN %s IS NOT NULL THEN %s || concat_ws(%s, %s) || %s",
			cols[0], quoteSQL(open), quoteSQL(sep), strings.Join(cols, ", "), quoteSQL(end+behind))
	}
	open, sep, end := "{", "|", "}"
	switch {
	case strings.HasSuffix(alias, "l") && quoted:
		open, sep, end = `"`, `" "`, `"`
	case strings.HasSuffix(alias, "l"):
		open, sep, end = "", " ", ""
	case quoted:
		open, end = `"{`, `}"`
	}
	cases := ""
	if first == colReqHeader1 {
		cases = block("req_", open, sep, end)
		if alias == "hr" {
			cases += " " + block("", open, sep, end)
		}
	} else {
		cases = block("res_", open, sep, end)
	}
	return "CASE " + cases + " ELSE '' END"
}
