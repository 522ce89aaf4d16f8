// Package filter is a small language that selects log lines by their fields: `ci=10.2.0.0/16 ST>=500 HU~/login`.
// docs/filter.md has the language, for people.
//
// Parse gives a Filter. Whoever has lines asks its Matcher; whoever has columns follows its Tree, which asks for nothing
// but single columns of the archive. Both give the same answer for the same line.
//
// The package does no I/O and knows no clock. What must hold:
//
//   - A filter is true or false for each line, never unknown: `not x` selects exactly the lines that x leaves out.
//     A test of a field that a line does not have, or leaves ambiguous, is false, and with != or !~ true.
//   - What a filter asks for is never guessed: what can be meant in two ways is an error that says how to write it.
//   - Parse never panics, and is bounded. Matching allocates nothing per line.
//
// Where to look:
//
//	field.go     Field: what can be asked for, and where the archive has it; names.go: the table of fields
//	tree.go      Node: the normal form that columns are searched by
//	test.go      Test: one question about one column; number.go, text.go, address.go: how values are compared
//	lex.go, parse.go, value.go   text → what was written; print.go: the way back
//	expand.go    what was written → tree: fields that are several columns (%HU, %r, %ft, lists), negations
//	bind.go, match.go            a record's values as the archive's columns have them; Matcher
package filter
