package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes e as text.
func (e *explanation) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	for i := range e.Formats {
		if i > 0 {
			fmt.Fprint(w, "\n\n")
		}
		if err := e.Formats[i].print(w); err != nil {
			return err
		}
	}
	if len(e.Overlaps) > 0 {
		fmt.Fprint(w, "\nLines of more than one format go to the first:\n")
		for _, o := range e.Overlaps {
			fmt.Fprintf(w, "  %s takes lines of %s, such as\n    %s\n", printable(o.Winner), printable(o.Loser), printable(o.Example))
		}
	} else if len(e.Formats) > 1 {
		fmt.Fprint(w, "\nNo line was found that is of more than one of the formats.\n")
	}
	return w.Flush()
}

func (f *explainedFormat) print(w *bufio.Writer) error {
	fmt.Fprintf(w, "%s\n\n", f.Spec)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FIELD\tTYPE\tCOLUMNS\tELASTICSEARCH\tMEANING")
	for i := range f.Fields {
		field := &f.Fields[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", field.Name, field.Type, names(field.Columns), names(field.Elastic), field.Doc)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(f.Ambiguities) == 0 {
		fmt.Fprint(w, "\nA line leaves nothing open.\n")
	} else {
		fmt.Fprint(w, "\nWhat a line can leave open:\n")
	}
	for _, a := range f.Ambiguities {
		fmt.Fprintf(w, "  %s: %s.\n", strings.Join(a.Fields, ", "), a.Why)
		fmt.Fprintf(w, "    For example  %s\n    Instead      %s\n", printable(a.Example), a.Fix)
	}
	if f.Suggestion != "" {
		fmt.Fprintf(w, "\nThis leaves nothing open:\n  %s\n", f.Suggestion)
	}
	if f.JSON != "" {
		fmt.Fprintf(w, "\nNor does this, of HAProxy 3.0 and later:\n  %s\n", f.JSON)
	}
	fmt.Fprint(w, "\nNotes:\n")
	for _, note := range f.Notes {
		fmt.Fprintf(w, "  %s.\n", note)
	}
	return nil
}

// names joins the names of columns; the middle of a row of them is "…". Of many it gives the first.
func names(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	if len(list) > 3 {
		return list[0] + ", …"
	}
	return strings.ReplaceAll(strings.Join(list, ", "), ", …, ", " … ")
}
