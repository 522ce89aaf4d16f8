package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const haproxyCfg = `global
  log /dev/log local0
  setenv NAME web
defaults
  mode http
  log global
  option httplog
frontend "$NAME"
  capture request header Host len 40
  capture response header Server len 20
frontend api
  log-format "%ci:%cp [%tr] %ft %ST"
  error-log-format "ERR %ci %ft"
frontend quiet
  no log
  log-format "quiet %ci"
`

func TestFormatFromConfig(t *testing.T) {
	path := write(t, "haproxy.cfg", haproxyCfg)
	code, out, errs := call(t, "format", "from-config", path)
	want := strings.ReplaceAll(`PROXY  LINES ABOUT  CAPTURES     SETTINGS  WHERE  FORMAT
web    traffic      Host|Server  len=1024  @:7   httplog
api    traffic      -            len=1024  @:12  %ci:%cp [%tr] %ft %ST
api    error        -            len=1024  @:13  ERR %ci %ft
quiet  nothing      -            -         @:16  quiet %ci

A line is tried on these, in this order:
   CAPTURES     FORMAT
1  Host|Server  httplog
2  -            %ci:%cp [%tr] %ft %ST
3  -            ERR %ci %ft
4  not known    error
5  not known    httplog
`, "@", path)
	// The path's length decides on one column.
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if code != exitDone || errs != "" || squeeze(out) != squeeze(want) {
		t.Errorf("exit code %d, %s\n%s", code, errs, cmp.Diff(want, out))
	}

	code, out, errs = call(t, "format", "from-config", "--output", "json", path)
	var got struct {
		Formats    []configFormat
		Candidates []configCandidate
		Notes      []configProblem
		Problems   []configProblem
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDone || errs != "" {
		t.Fatalf("exit code %d, %s, %v", code, errs, err)
	}
	first := configFormat{
		Proxy: "web", Section: "frontend", Mode: "http", Kind: "traffic", Format: "httplog", LogFormat: got.Candidates[0].LogFormat,
		Captures: configCaptures{[]string{"Host"}, []string{"Server"}}, Logs: true, MaxLen: 1024, File: path, Line: 7,
	}
	if diff := cmp.Diff(first, got.Formats[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(got.Formats) != 4 || got.Formats[3].Logs || len(got.Candidates) != 5 || got.Candidates[3].Captures != nil ||
		!strings.HasPrefix(got.Candidates[0].LogFormat, "%ci:%cp [%tr]") || got.Notes == nil || got.Problems == nil {
		t.Errorf("%s", out)
	}
}

// TestFormatFromConfigProblems: what HAProxy would refuse is an error with its
// place; what is not supported or not known here is a note.
func TestFormatFromConfigProblems(t *testing.T) {
	path := write(t, "haproxy.cfg", "frontend f\n log x local0\n log-format \"%ci %foo\"\nfrontend g\n log x local0\n log-format \"%ci\\n\"\n")
	code, out, errs := call(t, "format", "from-config", path)
	want := path + ":6: note: log-format: a log-format string cannot hold a line feed or a NUL\n    %ci \n       ^\n" +
		"lines of this format stay unparsed\n" + path + ":3: log-format: there is no alias 'foo': did you mean %f?\n    %ci %foo\n        ^\n"
	if diff := cmp.Diff(want, errs); diff != "" || code != exitUsage || !strings.Contains(out, "not known  error") {
		t.Errorf("exit code %d, %s\n(-want +got)\n%s", code, out, diff)
	}
	code, out, errs = call(t, "format", "from-config", path, "--output", "json")
	if code != exitUsage || !strings.Contains(out, `"line":3,"message":"log-format: there is no alias`) || !strings.Contains(errs, path+":3: ") {
		t.Errorf("exit code %d, %s, %s", code, out, errs)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"format", "from-config"}, "loghaul: format from-config: name HAProxy's configuration"},
		{[]string{"format", "from-config", "/nonexistent"}, "/nonexistent: cannot read it: no such file or directory; give the haproxy.cfg"},
		{[]string{"format", "from-config", t.TempDir()}, "cannot read it: the folder has no file *.cfg; give"},
		{[]string{"format", "from-config", path, "--output", "xml"}, `--output: got "xml"`},
		{[]string{"parse", "--haproxy-config", path}, path + ":3: log-format: there is no alias 'foo'"},
		{[]string{"up", "--tail", "/x", "--haproxy-config", path}, path + ":3: log-format: there is no alias 'foo'"},
		{[]string{"up", "--tail", "/x", "--haproxy-config", path, "--format", "httplog"}, "keep one of the two"},
	} {
		code, out, errs := call(t, tc.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, tc.want) {
			t.Errorf("%q: exit code %d, %s, %s", tc.args, code, out, errs)
		}
	}
}

func TestFormatFromConfigFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.cfg": "frontend f\n", "a.cfg": "defaults\n log x local0\n log-format %ci\n", ".c.cfg": "frontend hidden\n", "d.conf": "frontend other\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, out, _ := call(t, "format", "from-config", dir)
	if !strings.Contains(out, dir+"/a.cfg:3  %ci\n") || strings.Contains(out, "hidden") || strings.Contains(out, "other") {
		t.Errorf("%s", out)
	}
}

func TestParseWithHAProxyConfig(t *testing.T) {
	path := write(t, "haproxy.cfg", haproxyCfg)
	lines := "1.2.3.4:5 [22/Nov/2026:16:17:55.910] api 200\nERR 1.2.3.4 api\nquiet 1.2.3.4\n"
	code, out, errs := callWith(t, lines, "parse", "--haproxy-config", path, "--tz", "UTC")
	for i, want := range []string{`{"line":1,"format":"%ci:%cp [%tr] %ft %ST","time"`, `{"line":2,"format":"ERR %ci %ft","fields"`, `{"line":3,"format":null,`} {
		if got := strings.Split(out, "\n")[i]; code != exitDone || errs != "" || !strings.HasPrefix(got, want) {
			t.Errorf("exit code %d, %s, %s, want %s", code, errs, got, want)
		}
	}
	_, out, _ = callWith(t, lines, "parse", "--haproxy-config", path, "--format", "%[all]")
	if strings.Count(out, `"format":"%[all]"`) != 3 {
		t.Errorf("--format is not first: %s", out)
	}
}

// TestParseKnowsWhatHAProxyAlwaysWrites: connection errors and events need no format of their own.
func TestParseKnowsWhatHAProxyAlwaysWrites(t *testing.T) {
	lines := "127.0.0.1:7 [22/Nov/2026:16:08:11.825] tls_in/main: SSL handshake failure\nServer be/s is DOWN, reason: Layer4 timeout.\n"
	_, out, _ := callWith(t, lines, "parse", "--format", "%ST %B", "--tz", "UTC")
	for _, want := range []string{`"format":"error",`, `"bind":"main","message":"SSL handshake failure"`, `"format":"event","fields":{"proxy":"be","server":"s","state":"DOWN",`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s, want %s", out, want)
		}
	}
}

// TestParseNamesHeaders: captured headers have their names beside their places.
func TestParseNamesHeaders(t *testing.T) {
	path := write(t, "haproxy.cfg", haproxyCfg)
	line := `1.2.3.4:5 [22/Nov/2026:16:17:55.910] web app/a 0/0/0/1/12 404 431 - - ---- 17/13/12/6/1 0/0 {ex.org} {} "GET / HTTP/1.1"` + "\n"
	_, out, _ := callWith(t, line, "parse", "--haproxy-config", path, "--tz", "UTC")
	if want := `"hr":["ex.org"],"req.Host":"ex.org","hs":[""],"r":"GET / HTTP/1.1"}`; !strings.Contains(out, want) {
		t.Errorf("%s, want %s", out, want)
	}
}

func TestAggregatorTakesHAProxyConfig(t *testing.T) {
	cfg := write(t, "haproxy.cfg", haproxyCfg)
	bad := write(t, "bad.cfg", "frontend f\n log-format %foo\n")
	for name, tc := range map[string]struct{ in, want string }{
		"one":           {"haproxy_config: " + cfg, ": a valid aggregator"},
		"several":       {"haproxy_config: [" + cfg + ", " + cfg + "]", ": a valid aggregator"},
		"both":          {"formats: [httplog]\nhaproxy_config: " + cfg, ":3: haproxy_config: formats is given, too; keep one of the two"},
		"none":          {"haproxy_config: []", ":2: haproxy_config: name at least one file"},
		"not there":     {"haproxy_config:\n- /nonexistent/haproxy.cfg", ":2: haproxy_config: /nonexistent/haproxy.cfg: cannot read it: no such file or directory; give the haproxy.cfg"},
		"wrong":         {"haproxy_config: " + bad, ":2: haproxy_config: " + bad + ":2: log-format: there is no alias 'foo'"},
		"not a list":    {"haproxy_config: {a: b}", ":2: haproxy_config: got a section, want a list"},
		"no formats":    {"formats: []", ":2: formats: name at least one"},
		"not supported": {"haproxy_config: " + write(t, "json.cfg", "frontend f\n log-format \"%ci\\n\"\n"), "warning: haproxy_config: "},
	} {
		path := write(t, "a.yaml", "archive: {url: \"file:///x\"}\n"+tc.in+"\n")
		code, out, errs := call(t, "config", "check", path)
		if !strings.Contains(out+errs, tc.want) || (code == exitDone) != strings.Contains(out, "a valid") {
			t.Errorf("%s: exit code %d, %s%s, want %s", name, code, out, errs, tc.want)
		}
	}
}
