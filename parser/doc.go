// Package parser reads and writes the lines that HAProxy logs. Compile turns a log-format string into a Format, whose
// Parse splits a line into typed fields and whose Append gives the exact bytes back.
//
// The package does no I/O and knows no clock. What must hold:
//
//   - Parse is true only if the whole line is what HAProxy prints for the format, so that Append gives it back.
//   - A value is never silently wrong. What a line leaves open is Unsure, and named so.
//   - Parse allocates nothing, and its time grows with the length of the line only.
//
// Where to look, in the order in which a format string becomes a parsed line:
//
//	alias.go     the table of aliases and of the well-known formats; adding an alias is adding a row
//	scan.go      string → items, with the errors that name a position
//	compile.go   items → nodes, the grammar of the line: what can be printed at each place (node.go, class.go); fetch.go:
//	             what expressions print; encoded.go: values of +json and +cbor (json.go, cbor.go)
//	assemble.go  nodes → program: the steps in which a line is read from the left while each is forced (tight.go)
//	program.go   Parse: the loop that runs the program
//	solve.go     the solver: every way in which the nodes can have printed a line (ends.go), and what all of them
//	             agree on (collect.go). It is the authority; the program is only faster, and is tested against it
//	modes.go     what several fields tell together; captured.go: a captured header that is printed twice
//	cut.go       lines that lack their end
//	decode.go    the text of one field → Value (number.go, date.go, addr.go, text.go)
//	render.go    Append: Values → line
//	event.go     the table of events, the lines that are no requests (eventmatch.go); special.go: formats of several texts
//	record.go    what callers see of a line; set.go, request.go: several formats, requests
//	ambiguity.go what the lines of a format leave open, found by lines made for it (sample.go); suggest.go: how to change
//	             that; overlap.go: lines of several formats
//	eventtime.go the time of a line; zone.go, fold.go: clocks without an offset, and those that were set back
//
// The grammar follows HAProxy's lf_expr_compile and sess_build_logline (src/log.c of HAProxy 3.4). In 2.x an alias that
// printed nothing because of -M still let the next separator print; such lines do not match.
package parser
