package parser

import (
	"bytes"
	"strings"
	"testing"
)

// TestEvents has one line for each text of send_log, as the sources of HAProxy print it. want is proxy, server, state
// and reason.
func TestEvents(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		// src/server.c
		{`Server be/s is DOWN, reason: Layer4 timeout, check duration: 2001ms. 1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.`, "be s DOWN Layer4 timeout"},
		{`Server be/s is DOWN, reason: Layer7 wrong status, code: 500, info: "a, b (c) "" d", check duration: 2ms. 1 active and 0 backup servers left.`, "be s DOWN Layer7 wrong status"},
		{`Backup Server be.1:x/s-1_2 is DOWN via be/s. 1 active and 0 backup servers left.`, "be.1:x s-1_2 DOWN "},
		{`Server be/s is DOWN, changed from CLI. 0 active and 1 backup servers left. Running on backup.`, "be s DOWN changed from CLI"},
		{`Server be/s is UP, reason: Layer7 check passed, code: 200, info: "OK", check duration: 1ms. 2 active and 1 backup servers online.`, "be s UP Layer7 check passed"},
		{`Server be/s is stopping, changed from Web interface. 0 active`, "be s STOPPING changed from Web interface"},
		{`Server be/s was DOWN and now enters maintenance (DNS NX status).`, "be s MAINT DNS NX status"},
		{`Server be/s is going DOWN for maintenance (No IP for server ). 0 active`, "be s MAINT No IP for server"},
		{`Server be/s is going DOWN for maintenance. 0 active and 1 backup servers left.`, "be s MAINT "},
		{`Server be/s is UP/READY (leaving forced maintenance).`, "be s UP leaving forced maintenance"},
		{`Server be/s ('a.example') is DOWN/READY (resolves again).`, "be s DOWN resolves again"},
		{`Backup Server be/s is UP/DRAIN (leaving maintenance).`, "be s UP leaving maintenance"},
		{`Server be/s is leaving forced maintenance but remains in maintenance via be/a.`, "be s MAINT "},
		{`Server be/s ('a.example') resolves again but remains in maintenance.`, "be s MAINT "},
		{`Server be/s remains in forced maintenance.`, "be s MAINT "},
		{`Server be/s enters drain state ('stop' on stats page) via be/a. 1 active`, "be s DRAIN 'stop' on stats page"},
		{`Server be/s is UP (leaving forced drain).`, "be s UP leaving forced drain"},
		{`Server be/s is DOWN (leaving drain) via be/a.`, "be s DOWN leaving drain"},
		{`Server be/s remains in drain mode via be/a.`, "be s DRAIN "},
		{`Server be/s remains in forced drain mode.`, "be s DRAIN "},
		{`Server be/s is leaving forced drain but remains in drain mode via be/a.`, "be s DRAIN "},
		{`Server be/s administratively READY thanks to valid DNS answer.`, "be s READY "},
		{`be/s: IP changed from '10.0.0.1' to '10.0.0.2', port changed from '80' to '81' by 'DNS cache'.`, "be s  "},
		{`be/s: port changed from '80' to '81' by 'stats socket command'.`, "be s  "},
		{`be/s changed its IP from (none) to 10.0.0.2 by res/dns1.`, "be s  "},
		{`be/s changed its FQDN from a to b by 'SRV record'`, "be s  "},
		{`could not update be/s FQDN by 'SRV record'`, "be s  "},
		{`no need to change the FDQN by 'SRV record'`, "   "},
		{`invalid fqdn 'a_' by 'SRV record'`, "   "},
		// src/server_state.c
		{`can't find server 's' in backend 'be'`, "be s  "},
		{`backend ID mismatch: from server state file: '3', from running config '4'`, "   "},
		{`backend name mismatch: from server state file: 'a', from running config 'be'`, "be   "},
		// src/check.c
		{`Health check for server be/s failed, reason: Layer4 connection problem, info: "x, status: 1/2 UP.", check duration: 0ms, status: 0/1 DOWN.`, "be s DOWN Layer4 connection problem"},
		{`Health check for backup server be/s conditionally succeeded, reason: Layer7 check conditionally passed, code: 404, check duration: 1ms, status: 1/1 DRAIN.`, "be s DRAIN Layer7 check conditionally passed"},
		{`Agent check for server be/s succeeded, reason: Layer7 check passed, code: 0, info: "via agent : up", check duration: 0ms, status: 1/1 UP.`, "be s UP Layer7 check passed"},
		{`Agent check for server be/s failed, reason: Layer7 wrong status, code: 0, info: "via agent : d`, "be s  Layer7 wrong status"},
		{`Health check for server be/s failed`, "be s  "},
		// src/backend.c, http_ana.c, proto_tcp.c, proto_uxst.c, sock.c
		{`backend be has no server available!`, "be  DOWN "},
		{`proxy be has no server available!`, "be  DOWN "},
		{`Blocking cacheable cookie in response from instance be, server s.`, "be s  "},
		{`Connect() failed for backend be: no free ports.`, "be   "},
		{`Cannot bind to tproxy source address before connect() for backend be.`, "be   "},
		{`Cannot bind to source address before connect() for backend be. Aborting.`, "be   "},
		{`socket(): not enough free sockets. Raise -n argument. Giving up.`, "   "},
		{`Proxy fe reached system FD limit (maxsock=4). Please check system tunables.`, "fe   "},
		{`Proxy fe reached process FD limit (maxsock=4). Please check 'ulimit-n' and restart.`, "fe   "},
		{`Proxy fe reached the configured maximum connection limit. Please check the global 'maxconn' value.`, "fe   "},
		{`Proxy fe cannot create a server socket: Permission denied`, "fe   "},
		// src/proxy.c, listener.c, haproxy.c
		{`Proxy fe started.`, "fe  UP "},
		{`Proxy fe stopped (cumulated conns: FE: 33, BE: 0).`, "fe  STOPPED "},
		{`Proxy fe stopped (FE: 33 conns, BE: 0 conns).`, "fe  STOPPED "},
		{`Proxy fe.x: hard-stopped (3 remaining conns will be closed).`, "fe.x:  STOPPED "},
		{`Stopping frontend fe in 0 ms.`, "fe  STOPPING "},
		{`Pausing proxy fe.`, "fe  PAUSED "},
		{`Paused frontend fe...`, "fe..  PAUSED "},
		{`Enabling frontend fe.`, "fe  UP "},
		{`Resumed frontend fe.`, "fe  UP "},
		{`frontend fe failed to enter pause mode.`, "fe   "},
		{`Port 80 busy while trying to enable frontend fe.`, "fe   "},
		{`Some tasks resisted to hard-stop, exiting now.`, "   "},
		{`soft-stop running for too long, performing a hard-stop.`, "   "},
		{`Scheduling a soft-stop in 100 ms.`, "   "},
		{`SIGHUP: Proxy be is running on backup servers ! Conn: act(FE+BE): 0+0`, "be  UP "},
		{`SIGHUP: Proxy be has 2 active servers and 1 backup servers available. Conn: act(FE+BE): 0+0`, "be  UP "},
		// the rest
		{`preconnect fe::be/s: Initiating.`, "refused"}, // not a name
		{`preconnect fe::s: Running with nbconn 1 reached.`, "fe s  "},
		{`DNS : section 'a': can't create socket for nameserver 'b'.`, "   "},
		{`can not build the query message for a.example, in resolvers r.`, "   "},
		{`SPOE: [agent] <EVENT:on-client-session> sid=1 st=0 1 0/1`, "   "},
		{`<OCSP-UPDATE> /etc/a.pem 1 "Update successful" 0 1`, "   "},
		{`acme: site.pem: Starting update of the certificate.`, "   "},
		{`Lua function 'f': runtime error: a`, "   "},

		{`Server be/s is DOWNED.`, "refused"},
		{`Server be/s is LOST.`, "refused"},
		{`Server be is DOWN.`, "refused"},
		{`Server be/s`, "refused"},
		{` Server be/s is DOWN.`, "refused"},
		{`Proxy fe started. x`, "refused"},
		{`Proxy fe  started.`, "refused"},
		{`Proxy`, "refused"},
		{`frontend fe has no server available! x`, "refused"},
		{`Paused listener fe.`, "refused"},
		{``, "refused"},
	} {
		var e Event
		got := "refused"
		if ParseEvent([]byte(tc.line), &e) {
			got = string(e.Proxy) + " " + string(e.Server) + " " + e.State + " " + string(e.Reason)
		}
		if got != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.line, got, tc.want)
		}
	}
}

// TestEventRows fails when a row of the table can never be reached or is written wrongly: each must match what it says
// with its elements filled in, before any other row does.
func TestEventRows(t *testing.T) {
	fill := strings.NewReplacer("%[backup ]", "", "%[Backup ]", "Backup ", "%[forced ]", "", "%[conditionally ]", "", "%[tproxy ]", "", "%[http ]", "http ",
		"%[tcp ]", "", "%[sample-fetch]%[converter]%[function]%[filter]%[action]%[cli]", "action",
		"%b", "be", "%s", "srv", "%S", "UP", "%k", "frontend", "%d", "12", "%q", "text", "%*", ", any", "%.", ".")
	for i, row := range events {
		line := fill.Replace(row.pattern)
		var e Event
		if !matchEvent(row.pattern, []byte(line), &e) {
			t.Errorf("%s does not match %s", row.pattern, line)
		}
		for _, earlier := range events[:i] {
			if matchEvent(earlier.pattern, []byte(line), &e) {
				t.Errorf("%s: %s comes first", line, earlier.pattern)
			}
		}
	}
}

// TestCorpusEvents: every event is one, nothing else is.
func TestCorpusEvents(t *testing.T) {
	path := corpusDir + "/events/raw.log"
	file, all := readLines(t, path, ""), readTruth(t, truthFile(path))
	f, http := mustCompile(t, EventFormat), mustCompile(t, "httplog")
	set := NewSet(http, f)
	var r Record
	count := 0
	for i, line := range file.lines {
		isEvent := all[i]["_kind"] == "event"
		if got := set.Parse(line, &r) == 1; got != isEvent {
			t.Errorf("%d: event is %v: %q", i+1, got, line)
		}
		if isEvent {
			count++
			if got := f.Append(nil, &r); !bytes.Equal(got, line) || string(r.Values[3].Text) != string(line) || r.Exact() {
				t.Errorf("%d: got %q back", i+1, got)
			}
		} else if http.Parse(line, &r); string(http.Append(nil, &r)) != string(line) {
			t.Errorf("%d: not httplog: %q", i+1, line)
		}
	}
	if count != 84 {
		t.Errorf("%d events", count)
	}
}

// TestCorpusTrafficIsNoEvent takes all lines of the corpus: those that are none of a request by HAProxy's own account
// are events or connection errors, and no others are events.
func TestCorpusTrafficIsNoEvent(t *testing.T) {
	files := corpusFiles(t, true)
	for _, name := range []string{"default/default.log", "v26-errors/local.log"} {
		files = append(files, readLines(t, corpusDir+"/"+name, ""))
	}
	failed := NewSet(mustCompile(t, "error"))
	lines, count := 0, 0
	var r Record
	for _, file := range files {
		for i, line := range file.lines {
			want := file.truth != nil && file.truth[i]["_kind"] == "event"
			var e Event
			got := ParseEvent(line, &e)
			if got && !want || !got && want && failed.Parse(line, &r) < 0 {
				t.Errorf("%s:%d: event is %v: %q", file.name, i+1, got, line)
			}
			lines++
			if got {
				count++
			}
		}
	}
	if lines < 10000 || count < 100 {
		t.Errorf("%d lines, %d events", lines, count)
	}
}

// TestOtherTexts has what HAProxy writes in place of "default" and "error".
func TestOtherTexts(t *testing.T) {
	for _, tc := range []struct{ spec, line, want string }{
		{"default", "Connect to unix:3 (sock.et/HTTP)", "ci=unix cp=3 f=sock.et mode=HTTP"},
		{"default", "Connect from unknown source to listener 3 (fe/TCP)", "cp=3 f=fe mode=TCP"},
		{"default", "Connect from ::1:9 to undetermined address:0 (fe/TCP)", "ci=::1 cp=9 fp=0 f=fe mode=TCP"},
		{"default", "Connect from 1.2.3.4:9 to 1.2.3.5:80 (fe/TCP)", "ci=1.2.3.4 cp=9 fi=1.2.3.5 fp=80 f=fe mode=TCP"},
		{"default", "Connect to tcp:3 (sock.et/HTTP)", "refused"},
		{"error", "unknown [22/Nov/2026:16:08:47.980] fe/1: Connection closed: x", "t=22/Nov/2026:16:08:47.980 f=fe bind=1 message=Connection closed: x"},
		{"error", "unix:2 [22/Nov/2026:16:08:47.980] fe/x: SSL handshake failure", "ci=unix cp=2 t=22/Nov/2026:16:08:47.980 f=fe bind=x message=SSL handshake failure"},
		{"event", "Server be/s is UP.", "proxy=be server=s state=UP message=Server be/s is UP."},
		{"event", "soft-stop running for too long, performing a hard-stop.", "message=soft-stop running for too long, performing a hard-stop."},
		{"event", "be s UP x", "refused"},
	} {
		f := mustCompile(t, tc.spec)
		var r Record
		for range 2 { // a record that is used again
			got := "refused"
			if f.Parse([]byte(tc.line), &r) {
				got = describe(f, &r)
				if back := f.Append(nil, &r); string(back) != tc.line {
					t.Errorf("%q: got %q back", tc.line, back)
				}
			}
			if got != tc.want {
				t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
			}
		}
	}
}

// TestEventsDoNotAllocate covers the formats that are no programs.
func TestEventsDoNotAllocate(t *testing.T) {
	set := NewSet(mustCompile(t, "default"), mustCompile(t, "error"), mustCompile(t, EventFormat))
	lines := [][]byte{
		[]byte("Connect to unix:3 (sock.et/HTTP)"), []byte("Connect from 1.2.3.4:9 to 1.2.3.5:80 (fe/TCP)"),
		[]byte("unknown [22/Nov/2026:16:08:47.980] fe/1: Connection closed"), []byte("Server be/s is DOWN, changed from CLI."), []byte("none"),
	}
	var r Record
	if n := testing.AllocsPerRun(100, func() {
		for _, line := range lines {
			set.Parse(line, &r)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, row := range events {
		f.Add([]byte(row.pattern))
	}
	f.Add([]byte(`Health check for server be/s failed, reason: x, status: 0/1 DOWN.`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var e Event
		if !ParseEvent(line, &e) {
			return
		}
		for _, part := range [][]byte{e.Proxy, e.Server, e.Reason} {
			if !bytes.Contains(line, part) {
				t.Errorf("%q is not in %q", part, line)
			}
		}
	})
}
