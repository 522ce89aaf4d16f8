package archive

import (
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// duckField gives the expression that prints one field; behind is what follows
// it only if it prints something.
func duckField(f *parser.Field, quoted bool, behind string) (string, error) {
	defs := coreColumns()
	if f.Kind == parser.KindDate {
		return duckDate(f.Alias)
	}
	o, _, ok := coreOp(f)
	if !ok {
		return "", fmt.Errorf("field %s has no core column", f.Name)
	}
	col := "t." + defs[o.col].Name
	switch o.kind {
	case opList:
		return duckList(o.col, f.Alias, quoted, behind), nil
	case opRequest:
		return duckText("coalesce(t.http_request, t.http_method || ' ' || t.http_path || coalesce('?' || t.http_query, '')"+
			" || coalesce(' ' || t.http_version, ''))", quoted, ""), nil
	case opFrontend:
		return duckText(col+" || CASE WHEN t.frontend_tls THEN '~' ELSE '' END", quoted, ""), nil
	case opRetries:
		return "CASE WHEN t.redispatched THEN '+' ELSE '' END || " + col, nil
	case opText:
		state := f.Alias == "ts" || f.Alias == "tsc" // HAProxy never quotes them
		return duckText(col, quoted && !state, "-"), nil
	case opInt32, opInt64:
		if f.Alias == "ms" {
			return "lpad(" + col + "::VARCHAR, 3, '0')", nil
		}
		if o.asap {
			return "CASE WHEN t.asap THEN '+' ELSE '' END || " + col, nil
		}
		return "coalesce(" + col + "::VARCHAR, '-')", nil
	case opURI, opQuery, opTime, opWall:
	}
	return "", fmt.Errorf("field %s is not supported", f.Name)
}

// duckText prints a text: quoted with an empty one for null, or as it is with
// absent for null.
func duckText(expr string, quoted bool, absent string) string {
	if quoted {
		return "'\"' || coalesce(" + expr + ", '') || '\"'"
	}
	return "coalesce(" + expr + ", " + quoteSQL(absent) + ")"
}

// duckDate prints a date of the wall clock that HAProxy had.
func duckDate(alias string) (string, error) {
	format := ""
	switch alias {
	case "t", "tr":
		format = "%d/%b/%Y:%H:%M:%S.%g"
	case "T", "trg":
		format = "%d/%b/%Y:%H:%M:%S +0000"
	default:
		return "", fmt.Errorf("date %s is not supported", alias)
	}
	return "strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '" + format + "')", nil
}

// duckList prints captured headers. The only block of a line, which is
// neither side's for certain, stands where that of the request would.
func duckList(first int, alias string, quoted bool, behind string) string {
	block := func(prefix, open, sep, end string) string {
		var cols []string
		for i := range slots {
			cols = append(cols, fmt.Sprintf("t.%sheader_%d", prefix, i+1))
		}
		return fmt.Sprintf("WHEN t.%sheader_1 IS NOT NULL THEN %s || concat_ws(%s, %s) || %s",
			prefix, quoteSQL(open), quoteSQL(sep), strings.Join(cols, ", "), quoteSQL(end+behind))
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
			cases += "\n        " + block("", open, sep, end)
		}
	} else {
		cases = block("res_", open, sep, end)
	}
	return "CASE " + cases + "\n        ELSE '' END"
}
