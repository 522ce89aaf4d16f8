package main

import (
	"context"
	"encoding/json"
	"flag"
	"slices"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks/elastic"
)

func formatCommand() command {
	return command{
		name:  "format explain",
		args:  "F... [--output table|json]",
		short: "Show the fields of a log format, what its lines leave open, and how to change that",
		long: `
F is a well-known name or a log-format string as HAProxy sees it, after its own quoting. If F is wrong
it is shown with the place and what was expected there.

For each field: its type and meaning, the archive's columns and the Elasticsearch fields it goes to.
Then what a line can leave open, because a text may hold what ends it, with an example, and a
log-format string that leaves nothing open. Of several F, in the order in which they are tried, it
shows which can take the lines of others. Both are searches by lines made from the formats: what they
find is so, but there may be more.
`,
		examples: `
			loghaul format explain httplog
			loghaul format explain httplog tcplog error
			loghaul format explain '%ci:%cp [%t] %ft %(agent)[capture.req.hdr(0)] %{+Q}r'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			output := fs.String("output", "table", "`FORMAT`: table or json")
			return func(_ context.Context, s streams, operands []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				if len(operands) == 0 {
					return usagef("format explain: want a format: a name, or a log-format string in quotes")
				}
				formats := make([]*parser.Format, len(operands))
				for i, spec := range operands {
					if err := checkFormat(spec); err != nil {
						return formatError("format explain", err)
					}
					f, err := parser.Compile(spec)
					if err != nil {
						return formatError("format explain", err)
					}
					formats[i] = f
				}
				e, err := explain(formats)
				switch {
				case err != nil:
					return err
				case *output == "table":
					return e.print(s.out)
				case len(formats) == 1:
					one := struct {
						explainedFormat
						Overlaps []explainedOverlap `json:"overlaps"`
					}{e.Formats[0], e.Overlaps}
					return json.NewEncoder(s.out).Encode(one)
				default:
					return json.NewEncoder(s.out).Encode(e)
				}
			}
		},
	}
}

// explanation is what explain prints, as JSON or as text.
type explanation struct {
	Formats  []explainedFormat  `json:"formats"`
	Overlaps []explainedOverlap `json:"overlaps"`
}

type explainedFormat struct {
	Name        string               `json:"name"`
	Spec        string               `json:"log-format"`
	Fields      []explainedField     `json:"fields"`
	Ambiguities []explainedAmbiguity `json:"ambiguities"`
	// Suggestion leaves nothing open; JSON neither.
	Suggestion string   `json:"suggestion,omitempty"`
	JSON       string   `json:"json_suggestion,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

type explainedField struct {
	Name    string   `json:"name"`
	Alias   string   `json:"alias,omitempty"`
	Expr    string   `json:"expression,omitempty"`
	Type    string   `json:"type"`
	Doc     string   `json:"meaning"`
	Columns []string `json:"columns,omitempty"`
	Elastic []string `json:"elasticsearch,omitempty"`
}

type explainedAmbiguity struct {
	Fields   []string `json:"fields"`
	Position int      `json:"position"`
	Why      string   `json:"why"`
	Fix      string   `json:"fix"`
	Example  string   `json:"example"`
}

// explainedOverlap says that Winner takes Example, a line of Loser, too.
type explainedOverlap struct {
	Winner  string `json:"winner"`
	Loser   string `json:"loser"`
	Example string `json:"example"`
}

func explain(formats []*parser.Format) (*explanation, error) {
	e := &explanation{Overlaps: []explainedOverlap{}}
	for _, f := range formats {
		e.Formats = append(e.Formats, explainFormat(f))
	}
	events, err := parser.Compile(parser.EventFormat)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clip(formats), events)
	for _, o := range parser.Overlaps(all...) {
		e.Overlaps = append(e.Overlaps, explainedOverlap{all[o.First].Name(), all[o.Second].Name(), o.Example})
	}
	return e, nil
}

func explainFormat(f *parser.Format) explainedFormat {
	e := explainedFormat{Name: f.Name(), Spec: f.Spec(), Ambiguities: []explainedAmbiguity{}, Notes: f.Notes()}
	columns, fields := archive.ColumnsOf(f), elastic.FieldsOf(f)
	for i, field := range f.Fields() {
		e.Fields = append(e.Fields, explainedField{field.Name, field.Alias, field.Expr, field.Kind.String(), field.Doc, columns[i], fields[i]})
	}
	for _, a := range f.Ambiguities() {
		e.Ambiguities = append(e.Ambiguities, explainedAmbiguity{a.Fields, a.Pos, a.Why, a.Fix, a.Example})
	}
	if len(e.Ambiguities) > 0 {
		e.Suggestion, e.JSON = f.Suggest(), f.SuggestJSON()
	}
	return e
}
