// Package parser reads and writes the lines that HAProxy logs. Compile turns a log-format string into a Format, whose
// Parse splits a line into typed fields and whose Append gives the exact bytes back.
//
// The package does no I/O and knows no clock. What must hold: Parse is true only if Append gives the line back; a
// value is never silently wrong: where a line can be read in more than one way, the fields concerned are Unsure.
//
// The grammar follows HAProxy's own lf_expr_compile and sess_build_logline (src/log.c of HAProxy 3.4).
package parser
