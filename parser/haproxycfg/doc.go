// Package haproxycfg reads from HAProxy's configuration files what the log lines of each frontend look like: their
// formats, the headers they capture, and what surrounds them. Load reads files and directories as `haproxy -f` does,
// Parse reads text; Config.Candidates gives the compiled formats in the order in which a line is tried on them.
//
// It is not a checker of configurations: keywords that do not matter to a log line are passed over. What does matter
// is read as HAProxy 3.4 reads it, so that the last of several settings counts where it does there. The package does
// no I/O of its own; System brings files and environment in.
//
// Where to look, in the order in which a file becomes formats (sections are those of HAProxy's configuration manual):
//
//	load.go       which files are read, and in which order
//	words.go      a line → words: quoting, escapes, environment variables (2.2, 2.3)
//	env.go        the environment as the configuration sees it (2.3, setenv and so on in 3.1)
//	cond.go       .if and its condition (2.4); a condition that nobody here can answer is read both ways
//	read.go       lines → sections
//	proxy.go      the keywords of defaults, frontend, listen and backend (4.2)
//	capture.go    captured headers and cookies (8.7, 8.8)
//	profile.go    log targets, log profiles and log steps (8.3.5)
//	format.go     sections → Format, one for each way in which a proxy writes a line (8.2)
//	candidates.go Format → parser.Format
//
// HAProxy has no line continuation: a backslash at the end of a line is a backslash.
package haproxycfg
