package parser

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHTTPLog200k recomputes what an independent channel of HAProxy counted over 199,706 lines.
func TestHTTPLog200k(t *testing.T) {
	type summary struct {
		TaSum         int64          `json:"Ta_sum"`
		TrSum         int64          `json:"Tr_sum_nonneg"`
		BackendServer map[string]int `json:"backend_server"`
		Bytes         int64          `json:"bytes_sum"`
		Digest        string         `json:"digest_sha256"`
		Clients       int            `json:"distinct_client_ips"`
		URIs          int            `json:"distinct_uris"`
		Frontend      map[string]int `json:"frontend"`
		Lines         int            `json:"lines"`
		Method        map[string]int `json:"method"`
		Status        map[string]int `json:"status"`
		Termination   map[string]int `json:"termination"`
		Traffic       int            `json:"traffic_lines"`
	}
	var want summary
	text, err := os.ReadFile(corpusDir + "/httplog-200k.summary.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got := summary{
		BackendServer: map[string]int{}, Frontend: map[string]int{}, Method: map[string]int{}, Status: map[string]int{}, Termination: map[string]int{},
	}
	f := mustCompile(t, "httplog")
	index := make(map[string]int)
	for i, field := range f.Fields() {
		index[field.Name] = i
	}
	clients, uris := make(map[string]bool), make(map[string]bool)
	digest := sha256.New()
	lines, _ := httplog200k(t)
	var r Record
	var out []byte
	for _, line := range lines {
		got.Lines++
		if !f.Parse(line, &r) {
			t.Fatalf("no match: %q", line)
		}
		if out = f.Append(out[:0], &r); !bytes.Equal(out, line) || !r.Exact() {
			t.Fatalf("rendered %q, want\n%q", out, line)
		}
		got.Traffic++
		text := func(name string) string { return string(r.Values[index[name]].Text) }
		number := func(name string) int64 { return r.Values[index[name]].Int }
		method, uri := "<BADREQ>", "<BADREQ>"
		if m, path, query, _, hasQuery, ok := SplitRequest(r.Values[index["r"]].Text); ok {
			method, uri = string(m), string(path)
			if hasQuery {
				uri += "?" + string(query)
			}
		}
		frontend := string(bytes.TrimSuffix(r.Values[index["ft"]].Text, []byte("~")))
		got.Frontend[frontend]++
		got.BackendServer[text("b")+"/"+text("s")]++
		got.Method[method]++
		got.Status[fmt.Sprint(number("ST"))]++
		got.Termination[text("tsc")]++
		got.TaSum += number("Ta")
		got.TrSum += max(0, number("Tr"))
		got.Bytes += number("B")
		clients[text("ci")], uris[uri] = true, true
		fmt.Fprintf(digest, "%s\x1f%s\x1f%s\x1f%s\x1f%d\x1f%d\x1f%d\x1f%d\x1f%s\x1f%s\x1f%s\n", text("ci"), frontend, text("b"), text("s"),
			number("Tr"), number("Ta"), number("ST"), number("B"), text("tsc"), method, uri)
	}
	got.Clients, got.URIs, got.Digest = len(clients), len(uris), hex.EncodeToString(digest.Sum(nil))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aggregates (-want +got):\n%s", diff)
	}
}

// TestParseDoesNotAllocate covers each way through Parse: the program, the solver, and a refusal.
func TestParseDoesNotAllocate(t *testing.T) {
	formats := map[string]*Format{
		"httplog":  mustCompile(t, "httplog"),
		"httpslog": mustCompile(t, "httpslog"),
		"clf":      mustCompile(t, "clf"),
	}
	const head = `[22/Nov/2026:16:17:55.910] fe_web be_app/app2 0/0/0/0/+0 404 +431 `
	for _, tc := range []struct {
		name, format, line string
		match              bool
	}{
		{"plain", "httplog", `127.0.0.1:38629 ` + head + `- - ---- 17/13/12/6/0 0/0 {a|b} {c||} "GET / HTTP/1.1"`, true},
		{"one block", "httplog", `127.0.0.1:38629 ` + head + `- - ---- 17/13/12/6/0 0/0 {a|b} "GET / HTTP/1.1"`, true},
		{"IPv6", "httplog", `2001:db8::1:38629 ` + head + `- - ---- 17/13/12/6/0 0/0 "GET / HTTP/1.1"`, true},
		{"cookies", "httplog", `127.0.0.1:38629 ` + head + `SID=a SID=b ---- 17/13/12/6/+1 0/0 "GET / HTTP/1.1"`, true},
		{"cookies with spaces", "httplog", `127.0.0.1:38629 ` + head + `SID=a b SID=b c d ---- 17/13/12/6/+1 0/0 "GET / HTTP/1.1"`, true},
		{"expressions", "httpslog", `127.0.0.1:38629 ` + head + `- - ---- 17/13/12/6/0 0/0 "GET / HTTP/1.1" 0/-/-/-/0 -/-/-`, true},
		{"lists", "clf", `127.0.0.1 - - [22/Nov/2026:16:17:55 +0000] "GET / HTTP/1.1" 404 431 "" "" 38629 910 "fe" "be" "s" 0 0 0 0 0 ---- 17 13 12 6 0 0 0 "" "" "a" "b c"`, true},
		{"cut", "httplog", `127.0.0.1:38629 ` + head + `- - ---- 17/13/12/6/0 0/0 {a|b} {c||} "GET / HT`, false},
	} {
		f, line := formats[tc.format], []byte(tc.line)
		var r Record
		if f.Parse(line, &r) != tc.match {
			t.Errorf("%s: match is not %v", tc.name, tc.match)
		}
		if n := testing.AllocsPerRun(100, func() { f.Parse(line, &r) }); n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}

func TestSetTakesTheFirstInOrder(t *testing.T) {
	tcp, all, http := mustCompile(t, "tcplog"), mustCompile(t, "%(all)[x]"), mustCompile(t, "httplog")
	httpLine := []byte(`127.0.0.1:38629 [22/Nov/2026:16:17:55.910] fe be/s 0/0/0/0/0 404 431 - - ---- 17/13/12/6/0 0/0 "GET / HTTP/1.1"`)
	tcpLine := []byte(`127.0.0.1:42164 [22/Nov/2026:16:17:04.820] tcp_in tcp_in/<NOSRV> -1/-1/3 0 PR 16/10/0/0/0 0/0`)
	for _, tc := range []struct {
		set       *Set
		http, tcp int
	}{
		{NewSet(tcp, http), 1, 0},
		{NewSet(http, tcp), 0, 1},
		{NewSet(http, all, tcp), 0, 1},
		{NewSet(all, http), 0, 0},
		{NewSet(tcp), -1, 0},
		{NewSet(), -1, -1},
	} {
		var r Record
		for range 2 { // whatever matched before
			if got := tc.set.Parse(httpLine, &r); got != tc.http {
				t.Errorf("http line: got %d, want %d", got, tc.http)
			}
			if got := tc.set.Parse(tcpLine, &r); got != tc.tcp {
				t.Errorf("tcp line: got %d, want %d", got, tc.tcp)
			}
		}
	}
}

// TestSolverGivesUp bounds time and memory on lines made to be expensive.
func TestSolverGivesUp(t *testing.T) {
	f := mustCompile(t, `%[a] %{+Q,+E}[b] %[c]`)
	var r Record
	if line := bytes.Repeat([]byte(` "\"`), maxSolve/8); f.Parse(line, &r) {
		t.Error("a line that has no end matches")
	}
	if line := bytes.Repeat([]byte("a"), maxSolve+1); f.Parse(line, &r) {
		t.Error("a line longer than the bound matches")
	}
	if n := cap(r.solver.rows); n > 8*(maxSolve+1) {
		t.Errorf("the record holds %d bytes", n)
	}
}

func TestSplitRequest(t *testing.T) {
	for _, tc := range []struct {
		text, method, path, query, version string
		hasQuery, ok                       bool
	}{
		{"GET /a?b=c HTTP/1.1", "GET", "/a", "b=c", "HTTP/1.1", true, true},
		{"GET /a? HTTP/1.1", "GET", "/a", "", "HTTP/1.1", true, true},
		{"GET /a?b?c HTTP/2.0", "GET", "/a", "b?c", "HTTP/2.0", true, true},
		{"GET /cut", "GET", "/cut", "", "", false, true},
		{"GET ", "GET", "", "", "", false, true},
		{"GET", "", "", "", "", false, false},
		{" /", "", "", "", "", false, false},
		{"<BADREQ>", "", "", "", "", false, false},
		{"GET / HTTP/1.1 x", "", "", "", "", false, false},
		{"", "", "", "", "", false, false},
	} {
		method, path, query, version, hasQuery, ok := SplitRequest([]byte(tc.text))
		if string(method) != tc.method || string(path) != tc.path || string(query) != tc.query || string(version) != tc.version ||
			hasQuery != tc.hasQuery || ok != tc.ok {
			t.Errorf("%q: got %q %q %q %q %v %v", tc.text, method, path, query, version, hasQuery, ok)
		}
	}
}

func TestTime(t *testing.T) {
	for _, tc := range []struct{ zone, spec, line, want string }{
		{"UTC", "%t %tr", "22/Nov/2026:16:17:55.857 22/Nov/2026:16:17:56.001", "2026-11-22T16:17:56.001Z"},
		{"Europe/Paris", "%tr", "22/Nov/2026:16:17:55.857", "2026-11-22T16:17:55.857+01:00"},
		{"Europe/Paris", "%tr", "29/Mar/2026:03:00:00.000", "2026-03-29T03:00:00.000+02:00"},
		{"Asia/Kolkata", "%t", "29/Feb/2024:00:00:00.000", "2024-02-29T00:00:00.000+05:30"},
		{"America/New_York", "%tr", "01/Nov/2026:00:59:59.999", "2026-11-01T00:59:59.999-04:00"},
		{"America/New_York", "%tr", "01/Nov/2026:02:00:00.000", "2026-11-01T02:00:00.000-05:00"},
		{"Europe/Paris", "%trg", "22/Nov/2026:16:17:55 +0000", "2026-11-22T16:17:55.000Z"},
		{"UTC", "%Tl", "22/Nov/2026:16:17:55 -0330", "2026-11-22T16:17:55.000-03:30"},
		{"Europe/Paris", "%Ts.%ms", "1795364298.532", "2026-11-22T17:18:18.532+01:00"},
		{"UTC", "%ST", "200", "none"},
	} {
		loc, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		var r Record
		if !mustCompile(t, tc.spec).Parse([]byte(tc.line), &r) {
			t.Fatalf("%s: %q does not match", tc.spec, tc.line)
		}
		got := "none"
		if ms, offset, ok := r.Time(NewZone(loc)); ok {
			got = time.UnixMilli(ms).In(time.FixedZone("", int(offset))).Format("2006-01-02T15:04:05.000Z07:00")
		}
		if got != tc.want {
			t.Errorf("%s %q in %s: got %s, want %s", tc.spec, tc.line, tc.zone, got, tc.want)
		}
	}
}
