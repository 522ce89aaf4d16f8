// Package wrapper takes off what a syslog daemon, a container runtime or HAProxy's own log target put in front of a log
// line, or around it: a Splitter finds the Header and the message, a Parser also reads the message with a parser.Set.
//
// The package does no I/O and knows no clock. What must hold:
//
//   - Except for Docker's JSON and journal entries the message is the end of the line: line = prefix + message.
//   - A grammar is strict, and a line is only taken for a wrapped one if a format matches the message, or if no format
//     matches the line as it stands. See Parser.
//   - Nothing is guessed. A date without a year gets one from the time the line was received, or none.
//   - Nothing is allocated per line, and the time grows with the length of the line only.
//
// Where to look:
//
//	header.go    Kind and Header: what callers see
//	splitter.go  Splitter: which grammars are tried, and what of them goes into the Header
//	syslog.go    PRI, host, tag and process id of RFC 3164, of HAProxy's formats and of files; rfc5424.go
//	cri.go, docker.go, journal.go
//	time.go      dates, with or without year and zone
//	parser.go    Parser: line → Header and parser.Record
//
// Grammars are listed in docs/formats/wrappers.md.
package wrapper
