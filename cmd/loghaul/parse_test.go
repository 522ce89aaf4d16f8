package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// callWith is call with something on stdin.
func callWith(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

func TestParsePrintsJSON(t *testing.T) {
	const line = `127.0.0.1:38629 [22/Nov/2026:16:17:55.910] web~ app/app2 0/0/0/1/+12 404 +431 `
	const rest = ` ---- 17/13/12/6/+1 0/0 `
	for _, tc := range []struct {
		name, input, want string
		args              []string
	}{
		{
			"httplog", line + "SID=a -" + rest + `{a|} {b} "GET /\x HTTP/1.1"` + "\n",
			`{"line":1,"format":"httplog","time":"2026-11-22T17:17:55.910+01:00","fields":{"ci":"127.0.0.1","cp":38629,"tr":"22/Nov/2026:16:17:55.910",` +
				`"ft":"web~","b":"app","s":"app2","TR":0,"Tw":0,"Tc":0,"Tr":1,"Ta":12,"asap":true,"ST":404,"B":431,"CC":"SID=a","tsc":"----",` +
				`"ac":17,"fc":13,"bc":12,"sc":6,"rc":1,"redisp":true,"sq":0,"bq":0,"hr":["a",""],"hs":["b"],"r":"GET /\\x HTTP/1.1"}}`,
			nil,
		},
		{
			"no LF, not UTF-8, unsure", "x\xff \"y\"",
			`{"line":1,"format":"%[a] %(q){+Q}[b]","fields":{"a":{"hex":"78FF"},"q":"y"}}`,
			[]string{"--format", "%[a] %(q){+Q}[b]"},
		},
		{
			"unsure", "a b c\n",
			`{"line":1,"format":"%[a] %[b]","fields":{},"unsure":["a","b"]}`,
			[]string{"--format", "%[a] %[b]"},
		},
		{
			"no match", "Proxy x stopped\t\n\n",
			`{"line":1,"format":null,"raw":"Proxy x stopped\u0009","why":"no format matches"}` + "\n" +
				`{"line":2,"format":null,"raw":"","why":"empty line"}`,
			nil,
		},
		{
			"a date that happened twice", "03/Nov/2024:00:59:00.000\n03/Nov/2024:01:40:00.000\n",
			`{"line":1,"format":"%t","time":"2024-11-03T00:59:00.000-04:00","fields":{"t":"03/Nov/2024:00:59:00.000"}}` + "\n" +
				`{"line":2,"format":"%t","time":"2024-11-03T01:40:00.000-04:00","time_unsure":true,"fields":{"t":"03/Nov/2024:01:40:00.000"}}`,
			[]string{"--format", "%t", "--tz", "America/New_York"},
		},
		{
			"event", "Backup Server be/s is DOWN, changed from CLI. 1 active\n",
			`{"line":1,"format":"event","fields":{"proxy":"be","server":"s","state":"DOWN","message":"Backup Server be/s is DOWN, changed from CLI. 1 active"}}`,
			[]string{"--format", "%t"},
		},
		{
			"hexadecimal and repeated", "7F000001 00FF 00FF\n",
			`{"line":1,"format":"%{+X}o %ci %pid %pid","fields":{"ci":"127.0.0.1","pid":255}}`,
			[]string{"--format", "%{+X}o %ci %pid %pid"},
		},
	} {
		args := tc.args
		if tc.name == "httplog" { // Paris is an hour ahead: the line is of 16:17 there
			args = append(args, "--tz", "Europe/Paris")
			tc.want = strings.Replace(tc.want, "T17:17", "T16:17", 1)
		}
		code, out, errs := callWith(t, tc.input, append([]string{"parse"}, args...)...)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit code %d, %s", tc.name, code, errs)
		}
		if diff := cmp.Diff(tc.want+"\n", out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for l := range strings.Lines(out) {
			if !json.Valid([]byte(l)) {
				t.Errorf("%s: not JSON: %s", tc.name, l)
			}
		}
	}
}

// TestParseLongLine keeps to its bound, and goes on behind the line.
func TestParseLongLine(t *testing.T) {
	code, out, _ := callWith(t, strings.Repeat("x", maxParseLine+maxParseLine/2)+"\nshort\n", "parse", "--format", "%[all]")
	lines := strings.Split(out, "\n")
	if code != exitDone || len(lines) != 3 || !strings.Contains(lines[0], "longer than 1048576 bytes") || len(lines[0]) > maxParseLine+200 {
		t.Fatalf("exit code %d, %d lines, the first of %d bytes", code, len(lines), len(lines[0]))
	}
	if want := `{"line":2,"format":"%[all]","fields":{"all":"short"}}`; lines[1] != want {
		t.Errorf("got %s, want %s", lines[1], want)
	}
}

func TestParseFiles(t *testing.T) {
	a, b := write(t, "a.log", "x 2\n"), write(t, "b.log", "3\n")
	code, out, _ := callWith(t, "4\n", "parse", "--format", "%ST", a, b, "-")
	want := `{"file":"` + a + `","line":1,"format":null,"raw":"x 2","why":"no format matches"}` + "\n" +
		`{"file":"` + b + `","line":1,"format":"%ST","fields":{"ST":3}}` + "\n" +
		`{"file":"-","line":1,"format":"%ST","fields":{"ST":4}}` + "\n"
	if diff := cmp.Diff(want, out); diff != "" || code != exitDone {
		t.Errorf("exit code %d (-want +got):\n%s", code, diff)
	}
}

// TestParseGoesOnBehindAFile that cannot be read.
func TestParseGoesOnBehindAFile(t *testing.T) {
	a, zipped, b := write(t, "a.log", "1\n"), write(t, "b.log.gz", "\x1f\x8b\x08\x00junk\nmore\n"), write(t, "c.log", "3\n")
	code, out, errs := callWith(t, "", "parse", "--format", "%ST", a, "/nonexistent/x.log", zipped, b)
	if code != exitFailed || !strings.Contains(out, `"fields":{"ST":1}`) || !strings.Contains(out, `"fields":{"ST":3}`) ||
		strings.Count(out, "\n") != 2 || !strings.Contains(errs, "no such file") ||
		!strings.Contains(errs, "b.log.gz: it is compressed by gzip: zcat FILE | loghaul parse") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	for begin, want := range map[string]string{"\x28\xb5\x2f\xfd": "zstd", "\xfd7zXZ\x00": "xz", "BZh91AY&SY": "bzip2"} {
		if code, out, errs := callWith(t, begin+"junk\n", "parse"); code != exitFailed || out != "" || !strings.Contains(errs, "stdin: it is compressed by "+want) {
			t.Errorf("%s: exit code %d, %q, %q", want, code, out, errs)
		}
	}
}

// full is a stdout without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestParseIntoAFullDisk(t *testing.T) {
	a, b := write(t, "a.log", "1\n"), write(t, "b.log", "2\n")
	var errs bytes.Buffer
	code := run(t.Context(), []string{"parse", a, b}, streams{in: strings.NewReader(""), out: full{}, err: &errs})
	if want := "loghaul: writing to stdout: no space left on device\n"; code != exitFailed || errs.String() != want {
		t.Errorf("exit code %d, %q, want %q", code, errs.String(), want)
	}
}

func TestParseAndFormatErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		errs string
	}{
		{[]string{"parse", "/nonexistent/haproxy.log"}, exitFailed, "no such file"},
		{[]string{"parse", "--tz", "Europe/Pari"}, exitUsage, "no zone \"Europe/Pari\""},
		{[]string{"parse", "--haproxy-config", "/nonexistent/haproxy.cfg"}, exitUsage, "/nonexistent/haproxy.cfg: cannot read it: no such file or directory; give"},
		{[]string{"parse", "--format", "%ci %foo"}, exitUsage, "there is no alias 'foo': did you mean %f?\n%ci %foo\n    ^\n"},
		{[]string{"format", "explain", "\t%{+json}o %(a)xx"}, exitUsage, "\n\t%{+json}o %(a)xx\n\t          ^\n"},
		{[]string{"parse", "--format", "httplgo"}, exitUsage, `--format: there is no format "httplgo", did you mean "httplog"?`},
		{[]string{"format", "explain", "tcplog", "htplog"}, exitUsage, `there is no format "htplog", did you mean "httplog"?`},
		{[]string{"format", "explain"}, exitUsage, "want a format"},
		{[]string{"format", "explain", "httplog", "--output", "xml"}, exitUsage, "--output"},
	} {
		code, out, errs := callWith(t, "", tc.args...)
		if code != tc.code || out != "" || !strings.Contains(errs, tc.errs) {
			t.Errorf("%q: exit code %d, %q, %q", tc.args, code, out, errs)
		}
	}
}
