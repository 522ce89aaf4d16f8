package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// rows prints a table whose rows come one by one, or each of them as JSON. A table
// without rows has no header either.
type rows struct {
	json   *json.Encoder
	table  *tabwriter.Writer
	header string
}

// newRows makes one for --output; header has tabs between the columns.
func newRows(w io.Writer, output, header string) *rows {
	if output == "json" {
		return &rows{json: json.NewEncoder(w)}
	}
	return &rows{table: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), header: header}
}

// add prints v as JSON, or else cells, with tabs between them.
func (r *rows) add(v any, cells string, args ...any) error {
	if r.json != nil {
		return r.json.Encode(v)
	}
	if r.header != "" {
		fmt.Fprintln(r.table, r.header) //nolint:errcheck // the next line reports it
		r.header = ""
	}
	_, err := fmt.Fprintf(r.table, cells+"\n", args...)
	return err
}

// end prints what the table still holds.
func (r *rows) end() error {
	if r.table == nil {
		return nil
	}
	return r.table.Flush()
}
