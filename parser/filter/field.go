package filter

import (
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// Type says how the values of a field are compared.
type Type uint8

// The types of fields.
const (
	Text     Type = iota // bytes
	Number               // a whole number
	Duration             // a whole number of milliseconds
	Size                 // a whole number of bytes
	Address              // a text that is an IPv4 or IPv6 address, or "unix"
	Bool                 // 0 or 1
)

// String gives the name of the type as errors have it.
func (t Type) String() string {
	return [...]string{"text", "number", "duration", "size", "address", "true or false"}[t]
}

// Place says where a field is.
type Place uint8

// The places of fields.
const (
	// InColumn is the core column Field.Column of the archive.
	InColumn Place = iota
	// InFlags is the bit Field.Flag of the column flags; the field is a Bool, and never absent.
	InFlags
	// InHeader is a captured header by its name, Field.Key in lower case. Its column is that of a slot, which depends on
	// what the format captures: see Field.Slots.
	InHeader
	// InFormat is a field of the format that has no core column: an expression by its text or its name, or an alias. Which
	// one it is of a format says Field.Find; the archive has it in a dynamic column.
	InFormat
	// InLabel is the member Field.Key of the column labels: see Label.
	InLabel
	// InLine is the whole line: what HAProxy wrote, as `loghaul audit cat` prints it.
	InLine

	inSeveral // a combined field; none is in a tree
)

// Field is something that can be asked of a line. Fields are compared by value: two tests of one Field want the same
// values.
type Field struct {
	// Name is how the language names it: HAProxy's alias, or else the archive's column.
	Name string
	// Column is the core column of the archive that holds it, "" unless the Place is InColumn, InFlags or InLabel.
	Column string
	Type   Type
	Place  Place
	// Flag is the bit of InFlags.
	Flag int32
	// Key is the name of a header in lower case, of a label, or what Find looks for.
	Key string
	// Response tells captured headers of the response from those of the request.
	Response bool
	// By says what Key is of a field InFormat.
	By By
	// Cut is how many bytes of a value of the column count: 2 of %ts, 0 for all. Test takes care of it.
	Cut int
}

// By is how a field of a format is looked up.
type By uint8

// The ways to look a field up.
const (
	ByExpression By = iota // parser.Field.Expr is Key
	ByName                 // an expression whose `%(name)` is Key
	ByAlias                // parser.Field.Alias is Key
)

// Header reports whether the values of f are captured headers, by name or by slot. HAProxy prints "" or "-" for one
// that was not there; both count as absent, see Test.MatchText.
func (f *Field) Header() bool {
	return f.Place == InHeader || f.Place == InColumn && strings.Contains(f.Column, "header_")
}

// Slots gives the slots, from 0 on, of the captured headers that f names in lines of the format: column req_header_N or
// res_header_N has slot N-1. There is none if the format does not know what is captured, or captures no such header;
// then f is absent. Of several slots any may pass a test; a test with Not all have to. Place is InHeader.
func (f *Field) Slots(format *parser.Format) (slots []int) {
	c := format.Captures()
	if c == nil {
		return nil
	}
	names := c.Request
	if f.Response {
		names = c.Response
	}
	for i, name := range names {
		if i < maxSlots && strings.EqualFold(name, f.Key) {
			slots = append(slots, i)
		}
	}
	return slots
}

// maxSlots is how many headers of a side the archive has columns for.
const maxSlots = 8

// Find gives the index in format.Fields of the field that f is in lines of the format, or -1: then f is absent. Place
// is InFormat.
func (f *Field) Find(format *parser.Format) int {
	for i, field := range format.Fields() {
		found := false
		switch f.By {
		case ByExpression:
			found = field.Alias == "" && field.Expr == f.Key
		case ByName:
			found = field.Alias == "" && field.Name == f.Key && field.Name != field.Expr
		case ByAlias:
			found = field.Alias == f.Key
		}
		if found {
			return i
		}
	}
	return -1
}
