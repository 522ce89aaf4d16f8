package kibana

import (
	"fmt"
	"strings"
)

// Filter is a condition on a line, as a tree that can be written in Kibana's query
// language. The zero value holds for every line.
type Filter struct {
	// Op is one of the operators below, "" for the zero value.
	Op string
	// Field and Values are those of a leaf: any of the Values will do. AtLeast and
	// Below have one, which is a number; those of Prefix are letters.
	Field  string
	Values []any
	// Of are the operands of Not, All and Any.
	Of []Filter
}

// Operators.
const (
	OpIs      = "is"
	OpExists  = "exists"
	OpPrefix  = "prefix"
	OpAtLeast = ">="
	OpBelow   = "<"
	OpNot     = "not"
	OpAll     = "and"
	OpAny     = "or"
)

func is(field string, values ...any) Filter { return Filter{Op: OpIs, Field: field, Values: values} }

func atLeast(field string, n int) Filter {
	return Filter{Op: OpAtLeast, Field: field, Values: []any{n}}
}

func below(field string, n int) Filter { return Filter{Op: OpBelow, Field: field, Values: []any{n}} }
func exists(field string) Filter       { return Filter{Op: OpExists, Field: field} }
func not(f Filter) Filter              { return Filter{Op: OpNot, Of: []Filter{f}} }
func all(f ...Filter) Filter           { return Filter{Op: OpAll, Of: f} }
func within(field string, from, to int) Filter {
	return all(atLeast(field, from), below(field, to))
}

func prefix(field string, values ...string) Filter {
	f := Filter{Op: OpPrefix, Field: field}
	for _, v := range values {
		f.Values = append(f.Values, v)
	}
	return f
}

// KQL writes the filter in Kibana's query language.
func (f Filter) KQL() string {
	switch f.Op {
	case OpIs, OpPrefix:
		var values []string
		for _, v := range f.Values {
			switch text, ok := v.(string); {
			case f.Op == OpPrefix:
				values = append(values, fmt.Sprint(v, "*"))
			case ok:
				values = append(values, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)+`"`)
			default:
				values = append(values, fmt.Sprint(v))
			}
		}
		if len(values) == 1 {
			return f.Field + " : " + values[0]
		}
		return f.Field + " : (" + strings.Join(values, " or ") + ")"
	case OpExists:
		return f.Field + " : *"
	case OpAtLeast, OpBelow:
		return fmt.Sprintf("%s %s %v", f.Field, f.Op, f.Values[0])
	case OpNot:
		return "not " + f.Of[0].operand()
	case OpAll, OpAny:
		var parts []string
		for _, o := range f.Of {
			parts = append(parts, o.operand())
		}
		return strings.Join(parts, " "+f.Op+" ")
	}
	return ""
}

// operand is KQL in parentheses if it has an operator between its parts.
func (f Filter) operand() string {
	if len(f.Of) > 1 {
		return "(" + f.KQL() + ")"
	}
	return f.KQL()
}
