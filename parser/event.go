package parser

import "bytes"

// Event is what ParseEvent reads out of a line in which HAProxy tells of a server, of a proxy or of itself.
// The slices alias the line.
type Event struct {
	// Proxy and Server are nil if the line names none.
	Proxy, Server []byte
	// State is what the server or the proxy is from then on: UP, DOWN, DRAIN, MAINT, READY or STOPPING of a server,
	// UP, DOWN, PAUSED, STOPPING or STOPPED of a proxy, UP or DOWN of a server when a check has come to that.
	// It is empty where the line tells none.
	State string
	// Reason is why, in HAProxy's words, nil if the line does not say.
	Reason []byte
}

// ParseEvent reads line, without its LF, into e and reports whether it is an event: free text that HAProxy writes by
// itself into the stream of the requests' lines. It does not allocate. e is undefined when it is false.
//
// Texts that a configuration or an operator makes up (`core.log` of Lua, `debug dev log`) cannot be known.
func ParseEvent(line []byte, e *Event) bool {
	for i := range events {
		if row := &events[i]; matchEvent(row.pattern, line, e) {
			if row.state != "" {
				e.State = row.state
			}
			return true
		}
	}
	return false
}

// events are the texts of send_log() in the sources of HAProxy 1.8 to 3.4, grouped as the files there (server.c, check.c,
// proxy.c and so on). Adding an event is adding a row. In a pattern
//
//	%b %s  are names of a proxy and of a server
//	%S     is a state that HAProxy prints
//	%k     is a kind of proxy
//	%d     is a number, %q a text without quotes
//	%[x]   is x or nothing
//	%*     is any text, as long as what follows it allows
//	%.     is the rest of the line, if a word has ended
//
// The state is that of the row unless the pattern has %S.
var events = [...]struct{ pattern, state string }{ //nolint:gochecknoglobals // a constant table
	{"%[Backup ]Server %b/%s is %S%.", ""},
	{"%[Backup ]Server %b/%s is stopping%.", "STOPPING"},
	{"%[Backup ]Server %b/%s was DOWN and now enters maintenance%.", "MAINT"},
	{"%[Backup ]Server %b/%s is going DOWN for maintenance%.", "MAINT"},
	{"%[Backup ]Server %b/%s is leaving forced maintenance but remains in maintenance%.", "MAINT"},
	{"%[Backup ]Server %b/%s remains in forced maintenance%.", "MAINT"},
	{"%[Backup ]Server %b/%s enters drain state%.", "DRAIN"},
	{"%[Backup ]Server %b/%s remains in %[forced ]drain mode%.", "DRAIN"},
	{"%[Backup ]Server %b/%s is leaving forced drain but remains in drain mode%.", "DRAIN"},
	{"%[Backup ]Server %b/%s ('%q') is %S%.", ""},
	{"%[Backup ]Server %b/%s ('%q') resolves again but remains in maintenance%.", "MAINT"},
	{"Server %b/%s administratively READY thanks to valid DNS answer%.", "READY"},
	{"%b/%s: IP changed from %*", ""},
	{"%b/%s: port changed from %*", ""},
	{"%b/%s changed its IP from %*", ""},
	{"%b/%s changed its FQDN from %*", ""},
	{"could not update %b/%s FQDN%.", ""},
	{"no need to change the FDQN%.", ""},
	{"invalid fqdn '%q' by '%*", ""},
	{"can't find server '%s' in backend '%b'%.", ""},
	{"backend ID mismatch: from server state file: '%q', from running config '%*", ""},
	{"backend name mismatch: from server state file: '%q', from running config '%b'%.", ""},

	{"Health check for %[backup ]server %b/%s %[conditionally ]succeeded%*, status: %d/%d %S.", ""},
	{"Health check for %[backup ]server %b/%s failed%*, status: %d/%d %S.", ""},
	{"Agent check for %[backup ]server %b/%s %[conditionally ]succeeded%*, status: %d/%d %S.", ""},
	{"Agent check for %[backup ]server %b/%s failed%*, status: %d/%d %S.", ""},
	{"Health check for %[backup ]server %b/%s %[conditionally ]succeeded%.", ""}, // cut before its end
	{"Health check for %[backup ]server %b/%s failed%.", ""},
	{"Agent check for %[backup ]server %b/%s %[conditionally ]succeeded%.", ""},
	{"Agent check for %[backup ]server %b/%s failed%.", ""},

	{"%k %b has no server available!", "DOWN"},
	{"Blocking cacheable cookie in response from instance %b, server %s.", ""},
	{"Connect() failed for backend %b: %*", ""},
	{"Cannot bind to %[tproxy ]source address before connect() for backend %b.%*", ""},
	{"socket(): not enough free sockets%.", ""},
	{"Cannot set client socket to non blocking mode.", ""},
	{"Cannot set CLOEXEC on client socket.", ""},

	{"Proxy %b started.", "UP"},
	{"Proxy %b stopped (%*", "STOPPED"},
	{"Proxy %b hard-stopped (%*", "STOPPED"},
	{"Proxy %b reached system %*", ""},
	{"Proxy %b reached process FD limit %*", ""},
	{"Proxy %b reached the configured maximum connection limit%.", ""},
	{"Proxy %b has insufficient permissions to open server socket.", ""},
	{"Proxy %b cannot create a server socket: %*", ""},
	{"Permission error on QUIC socket binding for proxy %b. %*", ""},
	{"Stopping %k %b in %d ms.", "STOPPING"},
	{"Pausing %k %b.", "PAUSED"},
	{"Paused %k %b.", "PAUSED"},
	{"Enabling %k %b.", "UP"},
	{"Resumed %k %b.", "UP"},
	{"%k %b failed to enter pause mode.", ""},
	{"Port %d busy while trying to enable %k %b.", ""},
	{"Bind on socket %d busy while trying to enable %k %b.", ""},
	{"Some proxies refused to pause, %*", ""},
	{"Some proxies refused to resume, %*", ""},
	{"Some tasks resisted to hard-stop, exiting now.", ""},
	{"soft-stop running for too long, performing a hard-stop.", ""},
	{"Scheduling a soft-stop in %d ms.", ""},
	{"Grace period expired, proceeding with soft-stop now.", ""},
	{"preconnect %b::%s: %*", ""},
	{"cannot disable a reverse-HTTP listener.", ""},

	{"SIGHUP received, dumping servers states for proxy %b.", ""},
	{"SIGHUP: Server %b/%s is %S%.", ""},
	{"SIGHUP: Proxy %b has no servers%.", ""},
	{"SIGHUP: Proxy %b has no server available%.", "DOWN"},
	{"SIGHUP: Proxy %b is running on backup servers%.", "UP"},
	{"SIGHUP: Proxy %b has %d active servers and %d backup servers available%.", "UP"},

	{"DNS : section '%q': can't %*", ""},
	{"can not build the query message for %*, in resolvers %*", ""},
	{"could not generate a query id for %*, in resolvers %*", ""},
	{"SPOE: [%q] %*", ""},
	{"acme: %*: %*", ""},
	{"<OCSP-UPDATE> %* \"%*", ""},
	{"stick table: %*", ""},
	{"Vars: %*", ""},
	{"Internal error: %*yield%*", ""},
	{"Lua applet %[http ]%[tcp ]'%q'%.", ""},
	{"Lua %[sample-fetch]%[converter]%[function]%[filter]%[action]%[cli] '%q'%.", ""},
	{"Lua task: %*", ""},
	{"Lua event_hdl: %*", ""},
	{"Lua applet HTTP: %*", ""},
	{"Lua: internal error while execute action.", ""},
	{"Applet '%q' is based on a deprecated API. %*", ""},
	{"A bogus %* is spinning at %d calls per second and refuses to die, %*", ""},
	{"haproxy: openssl returns too many async fds. %*", ""},
}

// reason finds the cause of a change of state in the text after it: `, reason: Layer4 timeout, …`, `, changed from CLI`
// or `(leaving forced maintenance)`, see srv_append_op_chg_cause, srv_append_adm_chg_cause and check_append_info.
func reason(rest []byte) []byte {
	switch {
	case bytes.HasPrefix(rest, []byte(checked)):
		rest = rest[len(checked):]
		return rest[:indexAny(rest, ",.")]
	case bytes.HasPrefix(rest, []byte(", ")):
		rest = rest[len(", "):]
		return rest[:indexAny(rest, ",.")]
	default:
		open := indexAny(rest, "(.")
		if open == len(rest) || rest[open] != '(' {
			return nil
		}
		rest = rest[open+1:]
		return bytes.TrimRight(rest[:indexAny(rest, ")")], " ")
	}
}

// checked is what the result of a check begins with.
const checked = ", reason: "

// indexAny is bytes.IndexAny, but the length of s if there is none.
func indexAny(s []byte, chars string) int {
	if i := bytes.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}
