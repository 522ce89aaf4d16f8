package archive

import "github.com/loghaul/loghaul/parser"

// ColumnsOf gives the columns that each field of a format goes to, in the
// order of its fields, in objects of no other format.
func ColumnsOf(f *parser.Format) [][]string {
	all, defs := plans([]*parser.Format{f})
	names := make([][]string, len(f.Fields()))
	for i := range all[0].ops {
		o := &all[0].ops[i]
		for _, c := range o.columns() {
			names[o.field] = append(names[o.field], defs[c].Name)
		}
		if o.kind == opList {
			names[o.field] = []string{names[o.field][0], "…", names[o.field][slots-1]}
		}
	}
	return names
}
