package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/loghaul/loghaul/parser"
)

func formatCommand() command {
	return command{
		name:  "format explain",
		args:  "F [--output table|json]",
		short: "Show the fields of a log format, with type and meaning",
		long: `
F is a well-known name or a log-format string as HAProxy sees it, after its own quoting. If F is wrong
it is shown with the place and what was expected there.
`,
		examples: `
			loghaul format explain httplog
			loghaul format explain '%ci:%cp [%t] %ft %(agent)[capture.req.hdr(0)] %{+Q}r'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			output := fs.String("output", "table", "`FORMAT`: table or json")
			return func(_ context.Context, s streams, operands []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				if len(operands) != 1 {
					return usagef("format explain: want one format, got %d arguments; put a log-format string in quotes", len(operands))
				}
				f, err := parser.Compile(operands[0])
				if err != nil {
					return formatError("format explain", err)
				}
				return explain(s.out, f, *output)
			}
		},
	}
}

// explainedField is a field in the JSON that explain prints.
type explainedField struct {
	Name  string `json:"name"`
	Alias string `json:"alias,omitempty"`
	Expr  string `json:"expression,omitempty"`
	Type  string `json:"type"`
	Doc   string `json:"meaning"`
}

func explain(w io.Writer, f *parser.Format, output string) error {
	if output == "json" {
		fields := make([]explainedField, 0, len(f.Fields()))
		for _, field := range f.Fields() {
			fields = append(fields, explainedField{field.Name, field.Alias, field.Expr, field.Kind.String(), field.Doc})
		}
		return json.NewEncoder(w).Encode(map[string]any{"name": f.Name(), "log-format": f.Spec(), "fields": fields})
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", f.Spec()); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FIELD\tTYPE\tMEANING") //nolint:errcheck // Flush reports it
	for _, field := range f.Fields() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", field.Name, field.Kind, field.Doc) //nolint:errcheck // Flush reports it
	}
	return t.Flush()
}
