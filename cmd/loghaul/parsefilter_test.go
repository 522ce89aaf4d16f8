package main

import (
	"strings"
	"testing"
)

// TestParseFilter selects lines, whatever they are wrapped in; the others keep their numbers.
func TestParseFilter(t *testing.T) {
	const httplog = `10.2.3.4:38629 [22/Nov/2026:16:17:55.910] web~ app/app2 0/0/0/1/2500 503 431 - - ---- 17/13/12/6/1 0/0 {shop.example.com} {} "GET /login HTTP/1.1"`
	const other = `10.9.3.4:38629 [22/Nov/2026:16:17:55.910] web app/app1 0/0/0/1/12 200 431 - - ---- 17/13/12/6/1 0/0 {other} {} "GET / HTTP/1.1"`
	input := strings.Join([]string{
		other,
		httplog,
		"nothing known",
		"",
		"<134>Nov 22 16:17:55 lb-1 haproxy[123]: " + httplog,
		`2026-11-22T16:17:55.857123456Z stderr F ` + other,
		`{"log":"` + strings.ReplaceAll(httplog, `"`, `\"`) + `\n","stream":"stdout","time":"2026-11-22T16:17:55.857123456Z"}`,
		"Server be/s1 is DOWN, reason: Layer4 timeout",
	}, "\n") + "\n"
	file := write(t, "a.log", input)
	for _, tc := range []struct{ filter, lines string }{
		{"ST>=500", "2 5 7"},
		{"not ST>=500", "1 3 4 6 8"},
		{"ST=* ST<500", "1 6"},
		{"ci=10.2.0.0/16 ST=5xx HU~/login b=app Ta>2s f=web req.1^=shop", "2 5 7"},
		{`r~"GET /login"`, "2 5 7"},
		{`raw="nothing known"`, "3"},
		{`raw=""`, "4"},
		{`raw~'"GET /login'`, "2 5 7"}, // what HAProxy wrote, not what Docker made of it
		{`raw^="<134>"`, "5"},
		{"syslog_host=lb-1", "5"},
		{"stream=stderr or wrapper=docker", "6 7"},
		{"format!=*", "3 4"},
		{"format=event b=be state=DOWN", "8"},
		{"path$=/a.log", "1 2 3 4 5 6 7 8"},
	} {
		code, out, errs := callWith(t, "", "parse", "--format", "httplog", "--filter", tc.filter, file)
		var got []string
		for line := range strings.Lines(out) {
			number, _, _ := strings.Cut(strings.TrimPrefix(line, `{"line":`), ",")
			got = append(got, number)
		}
		if strings.Join(got, " ") != tc.lines || code != exitDone || errs != "" {
			t.Errorf("%s: lines %v, want %s; exit code %d, %s", tc.filter, got, tc.lines, code, errs)
		}
	}
}

// TestParseFilterJournal selects entries of the journal.
func TestParseFilterJournal(t *testing.T) {
	entries := "MESSAGE=5\nSYSLOG_IDENTIFIER=haproxy\n\nMESSAGE=6\n\nX=y\n\n"
	for filter, want := range map[string]string{"ST>5": `"line":2,`, "syslog_tag=haproxy": `"line":1,`, "raw~X=y": `"line":3,`} {
		code, out, errs := callWith(t, entries, "parse", "--format", "%ST", "--wrapper", "journald", "--filter", filter)
		if code != exitDone || strings.Count(out, "\n") != 1 || !strings.Contains(out, want) || errs != "" {
			t.Errorf("%s: exit code %d\n%s%s", filter, code, out, errs)
		}
	}
}

// TestParseFilterKeepsClocks: lines that are left out still tell what the clock was.
func TestParseFilterKeepsClocks(t *testing.T) {
	input := "03/Nov/2024:00:59:00.000 1\n03/Nov/2024:01:00:10.000 2\n"
	args := []string{"parse", "--format", "%t %ST", "--tz", "America/New_York"}
	_, all, _ := callWith(t, input, args...)
	_, one, _ := callWith(t, input, append(args, "--filter", "ST=2")...)
	if _, second, _ := strings.Cut(all, "\n"); one == "" || one != second || strings.Contains(one, "unsure") {
		t.Errorf("got %swant the second line of\n%s", one, all)
	}
}

func TestParseFilterErrors(t *testing.T) {
	for _, tc := range []struct{ filter, errs string }{
		{"stauts>=500", "--filter, column 1: there is no field \"stauts\"; did you mean status?\nstauts>=500\n^\n"},
		{"ST>=500 é st=5", "--filter, column 9: \"é\" begins no test; want FIELD OPERATOR VALUE, as ST>=500\nST>=500 é st=5\n        ^\n"},
		{"\tb=é st=5", "did you mean ST?\n b=é st=5\n     ^\n"},
		{"b='\xff\xff\xff' st=5", "did you mean ST?\nb='\uFFFD\uFFFD\uFFFD' st=5\n        ^\n"},
		{"zzzzzzz=1", "a name that a format gives is written %(zzzzzzz): see docs/filter.md\nzzzzzzz=1\n^\n"},
		{"ST>=", "a value is missing behind >="},
		{strings.Repeat("ST=1 ", 100) + "ST=x" + strings.Repeat(" ST=1", 100), "column 504: ST: \"x\""},
		{" ", "the filter is empty"},
		{"", "the filter is empty"},
	} {
		code, out, errs := callWith(t, "", "parse", "--filter", tc.filter)
		if code != exitUsage || out != "" || !strings.Contains(errs, tc.errs) {
			t.Errorf("%q: exit code %d, %s%s", tc.filter, code, out, errs)
		}
		for line := range strings.Lines(errs) {
			if len(line) > 200 {
				t.Errorf("%.20q: a line of %d bytes", tc.filter, len(line))
			}
		}
	}
	code, out, errs := callWith(t, "5\n", "parse", "--format", "%ST", "--filter", "req.host=x or ST=5")
	if want := "loghaul: --filter: no format has req.host; --haproxy-config tells which headers are captured\n"; code != exitDone || errs != want || out == "" {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}
