package kibana

const state = "haproxy.termination_state"

// endings are the beginnings of the termination states that HAProxy's manual
// explains (section 8.5, Session state at disconnection): who or what ended the
// session first, and what was going on then. The last one is whatever is left.
func endings() []Named {
	var named []Named
	var known []string
	for _, e := range [][2]string{
		{"--", "ended as it should"},
		{"CR", "the client went away before its request was complete"},
		{"cR", "the client did not send its request in time (timeout http-request)"},
		{"CQ", "the client gave up while it waited in the queue"},
		{"CC", "the client gave up before the server was connected"},
		{"CH", "the client gave up before the server answered"},
		{"cH", "the client did not send the body of its request in time (timeout client)"},
		{"CD", "the client went away in the middle of the data"},
		{"cD", "the client took no data, or sent none, in time (timeout client)"},
		{"CL", "the client went away while it got the last data"},
		{"cL", "the client did not take the last data in time (timeout client)"},
		{"CT", "the client went away while it was held in the tarpit"},
		{"sQ", "no server was free in time (timeout queue)"},
		{"SC", "the server refused the connection, or none was up"},
		{"sC", "the server was not connected in time (timeout connect)"},
		{"SH", "the server closed before its response headers were complete"},
		{"sH", "the server did not answer in time (timeout server)"},
		{"SD", "the server went away in the middle of the data"},
		{"sD", "the server sent no data, or took none, in time (timeout server)"},
		{"LR", "HAProxy answered by itself: a redirect, statistics, a rule"},
		{"LH", "HAProxy answered by itself in place of the server's response"},
		{"PR", "HAProxy refused the request: invalid, or denied by a rule"},
		{"PT", "HAProxy held the client in the tarpit, then refused"},
		{"PC", "HAProxy refused the connection: a limit, or no memory for it"},
		{"PH", "HAProxy blocked the response: invalid, or denied by a rule"},
		{"PD", "HAProxy found the data of the message invalid"},
		{"R", "HAProxy ran out of a resource: sockets, ports, memory"},
		{"I", "HAProxy found an error of its own"},
		{"D", "HAProxy cut it, for the server went down (on-marked-down)"},
		{"U", "HAProxy cut it, for a better server came up (on-marked-up)"},
		{"K", "an administrator cut it on HAProxy's command line"},
	} {
		named = append(named, Named{Label: e[0] + "  " + e[1], Filter: prefix(state, e[0])})
		known = append(known, e[0])
	}
	return append(named, Named{Label: "any other state", Filter: all(exists(state), not(prefix(state, known...)))})
}

// letters is a legend for the states themselves.
const letters = `**A termination state** is what HAProxy prints as ` + "`%ts`" + ` or ` + "`%tsc`" + `: two letters, and with cookies two more.

| first: what ended it | second: what was going on |
|---|---|
| **C** the client went away | **R** the request was being read |
| **c** the client was too slow | **Q** it waited in a queue |
| **S** the server went away or refused | **C** the server was being connected |
| **s** the server was too slow | **H** the response headers were awaited |
| **P** HAProxy refused or aborted it | **D** data went through |
| **L** HAProxy answered by itself | **L** the last data went to the client |
| **R** a resource ran out in HAProxy | **T** it was held in the tarpit |
| **I** an error inside HAProxy | **-** it was over |
| **D** the server went down, **U** a better one came up | |
| **K** an administrator cut it | |
| **-** nothing: it ended as it should | |`
