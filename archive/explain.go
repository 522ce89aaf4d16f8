package archive

import "github.com/loghaul/loghaul/parser"

// ColumnsOf gives the columns that each field of a format goes to, in the
// order of its fields, in objects of no other format.
func ColumnsOf(f *parser.Format) [][]string {
	all, defs := plans([]*parser.Format{f})
	names := make([][]string, len(f.Fields()))
	add := func(o *op, columns ...int) {
		for _, c := range columns {
			names[o.field] = append(names[o.field], defs[c].Name)
		}
	}
	for i := range all[0].ops {
		switch o := &all[0].ops[i]; o.kind {
		case opFrontend:
			add(o, colFrontend, colFrontendTLS)
		case opRetries:
			add(o, colRetries, colRedispatched)
		case opRequest:
			add(o, colMethod, colHTTPPath, colQuery, colHTTPVersion, colRequest)
		case opURI:
			add(o, colHTTPPath, colQuery)
		case opTime:
			add(o, colTime, colUTCOffset)
		case opWall:
			add(o, o.col, o.col+1)
		case opList:
			names[o.field] = []string{defs[o.col].Name, "…", defs[o.col+slots-1].Name}
		case opText, opInt32, opInt64, opQuery:
			add(o, o.col)
		}
	}
	return names
}
