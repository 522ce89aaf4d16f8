package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/config"
)

// write makes a file with the given content and gives its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func example(t *testing.T, kind string) string {
	t.Helper()
	code, out, errs := call(t, "config", "example", kind)
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	return out
}

func TestExamplesAreValid(t *testing.T) {
	for _, kind := range kinds() {
		path := write(t, kind+".yaml", example(t, kind))
		code, out, errs := call(t, "config", "check", path)
		if code != 0 || errs != "" || out != path+": a valid "+kind+" configuration\n" {
			t.Errorf("%s: exit code %d, %q, %q", kind, code, out, errs)
		}
	}
}

// What an example shows in a comment must load, too. The files that it names
// do not exist here, and of two ways to log in only one may be chosen.
func TestCommentedKeysOfExamplesLoad(t *testing.T) {
	commented := regexp.MustCompile(`(?m)^( *)# ([a-z_]+: .*)$`)
	for _, kind := range kinds() {
		if !commented.MatchString(example(t, kind)) {
			t.Errorf("%s: nothing found", kind)
		}
		text := commented.ReplaceAllString(example(t, kind), "$1$2")
		path := write(t, kind+".yaml", text)
		_, err := checkConfig(path, []byte(text), kind)
		for line := range strings.SplitSeq(errorText(err), "\n") {
			if line != "" && !strings.Contains(line, "no such file") && !strings.Contains(line, "keep one") {
				t.Errorf("%s: %s", kind, line)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An example that shows a default shows the real one.
func TestExamplesShowTheDefaults(t *testing.T) {
	a, want := defaultAggregatorFile(), defaultAggregatorFile()
	if err := config.Load(write(t, "a.yaml", example(t, "aggregator")), &a); err != nil {
		t.Fatal(err)
	}
	// What has no default, or one of this machine.
	want.Aggregator.Name, want.Archive.URL = a.Aggregator.Name, a.Archive.URL
	want.Aggregator.Formats, want.HTTP = a.Aggregator.Formats, a.HTTP
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("aggregator (-default +example)\n%s", diff)
	}
	f, wantF := forwarder.DefaultConfig(), forwarder.DefaultConfig()
	if err := config.Load(write(t, "f.yaml", example(t, "forwarder")), &f); err != nil {
		t.Fatal(err)
	}
	wantF.Node, wantF.Inputs, wantF.HTTP = f.Node, f.Inputs, f.HTTP
	if diff := cmp.Diff(wantF, f); diff != "" {
		t.Errorf("forwarder (-default +example)\n%s", diff)
	}
}

func TestConfigCheckReportsEverything(t *testing.T) {
	path := write(t, "a.yaml", "archive:\n  url: ftp://x\nwindow:\n  age: 10\n  lins: 5\nbroker:\n  servers: [\"http://x\"]\n")
	code, out, errs := call(t, "config", "check", path)
	want := path + ":4: window.age: got \"10\", want a duration such as 500ms, 1s or 2m\n" +
		path + ":5: unknown key \"lins\" in window, did you mean \"lines\"?\n"
	if code != exitUsage || out != "" || errs != want {
		t.Errorf("exit code %d, %q\n%s", code, out, cmp.Diff(want, errs))
	}
	path = write(t, "b.yaml", "archive:\n  url: ftp://x\nbroker:\n  servers: [\"http://x\"]\nhttp: \"\"\n")
	code, _, errs = call(t, "config", "check", path)
	for _, want := range []string{path + ":2: archive.url: ", path + ":4: broker.servers[0]: "} {
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, errs)
		}
	}
	formats := write(t, "c.yaml", "archive: {url: \"file:///x\"}\nformats:\n- httplog\n- httplogg\n- \"%ci %nosuch\"\n- nothing\n")
	_, _, errs = call(t, "config", "check", formats)
	for _, want := range []string{formats + `:4: formats[1]: there is no format "httplogg", did you mean "httplog"?`, formats + ":5: formats[2]: ", formats + `:6: formats[3]: there is no format "nothing"; want httplog, `} {
		if !strings.Contains(errs, want) || strings.Count(errs, "\n") != 3 {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	code, out, _ = call(t, "config", "check", "--output", "json", path)
	var report checkReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitUsage {
		t.Fatalf("exit code %d, %v, %s", code, err, out)
	}
	if report.Kind != "aggregator" || len(report.Problems) != 2 || report.Problems[0].Line != 2 {
		t.Errorf("%+v", report)
	}
}

// TestConfigIsReadOnce looks into pipes, as a shell makes them of <(…).
func TestConfigIsReadOnce(t *testing.T) {
	pipe := func(text string) string {
		t.Helper()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return fmt.Sprintf("/dev/fd/%d", r.Fd())
	}
	for _, kind := range kinds() {
		path := pipe(example(t, kind))
		if code, out, errs := call(t, "config", "check", path); code != exitDone || out != path+": a valid "+kind+" configuration\n" {
			t.Errorf("%s: exit code %d, %q, %q", kind, code, out, errs)
		}
	}
	file := pipe("broker: {servers: ['nats://broker:4222'], shards: 3}\narchive: {url: 'file:///x'}\n")
	if f, err := loadBrokerFile(file); err != nil || f.Broker.Shards != 3 {
		t.Errorf("%+v, %v", f.Broker, err)
	}
}

// TestConfigCheckFindsWhatEndsTheDaemon names addresses and files with which an
// aggregator does not start.
func TestConfigCheckFindsWhatEndsTheDaemon(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.mmdb")
	path := write(t, "a.yaml", "archive: {url: \"file:///x\"}\nindex:\n  url: http://localhost:9200\n  geoip: {asn: "+none+"}\nhttp: localhost\n")
	code, _, errs := call(t, "config", "check", path)
	for _, want := range []string{
		path + ":4: index.geoip.asn: read the database: open " + none + ": no such file or directory\n",
		path + `:5: http: serve HTTP on "localhost": want an address such as 127.0.0.1:8080 or :8080`,
	} {
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, errs)
		}
	}
}

// Mistakes in rules of the index have their line, and a suggestion.
func TestConfigCheckReportsRules(t *testing.T) {
	path := write(t, "a.yaml", `archive: {url: "file:///x"}
index:
  mode: logdb
  retention: 30
  rules:
  - name: errors
    when: stauts>=500
    sample: 100%
  - name: few
    sample: 200%
  - name: private
    drop: [ci, clientip]
    mask:
      HQ: truncate
`)
	code, _, errs := call(t, "config", "check", path)
	if want := path + `:10: index.rules[1].sample: "200%" is no share such as 10% or 0.5%, above 0% and up to 100%`; code != exitUsage || !strings.Contains(errs, want) {
		t.Errorf("exit code %d, no %q in\n%s", code, want, errs)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = write(t, "b.yaml", strings.ReplaceAll(string(raw), "200%", "20%"))
	_, _, errs = call(t, "config", "check", path)
	for _, want := range []string{
		`:3: index.mode: "logdb" is none of auto, standard and logsdb; did you mean "logsdb"?`,
		`:4: index.retention: "30": want a number of days, hours or minutes such as 30d or 36h, or forever`,
		`:7: index.rules[0].when: filter, column 1: there is no field "stauts"; did you mean status?`,
		`:12: index.rules[2].drop[1]: filter, column 1: there is no field "clientip"; did you mean client_ip?`,
		`:14: index.rules[2].mask.HQ: HQ: truncate is for addresses`,
	} {
		if !strings.Contains(errs, path+want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	path = write(t, "c.yaml", "archive: {url: \"file:///x\"}\nformats: [tcplog]\nindex: {rules: [{name: a, when: ST=200, skip: true}]}\n")
	if code, _, errs = call(t, "config", "check", path); code != exitDone || !strings.Contains(errs, "no format has what a rule asks for: rule a: ST") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestConfigCheckWarns(t *testing.T) {
	t.Setenv("LOGHAUL_NATS_PASSWORD", "x")
	t.Setenv("LOGHAUL_NATS_USER", "x")
	path := write(t, "a.yaml", `archive: {url: "file:///x"}
index: {url: "http://elastic:9200"}
streams: {ack_wait: 30s, replicas: 2}
window: {age: 1m}
broker: {servers: ["nats://broker:4222", "nats://localhost:4222", "tls://broker:4222"]}
`)
	code, out, errs := call(t, "config", "check", path)
	if code != exitDone || !strings.Contains(out, "valid aggregator") {
		t.Errorf("exit code %d, %s", code, out)
	}
	for _, want := range []string{"archive.url is a folder", "index.url is not encrypted", "streams.ack_wait (30s)", "streams.replicas is 2", "broker.servers[0] is not encrypted"} {
		if !strings.Contains(errs, path+": warning: "+want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	if n := strings.Count(errs, "\n"); n != 5 {
		t.Errorf("%d warnings, want 5:\n%s", n, errs)
	}
}

func TestConfigCheckWrongUse(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	for _, args := range [][]string{
		{"config", "check"},
		{"config", "check", missing},
		{"config", "check", missing, "--kind", "broker"},
		{"config", "example"},
		{"config", "example", "broker"},
		{"aggregate"},
		{"aggregate", "--config", missing},
		{"forward", "--config", missing},
		{"broker", "setup", "--config", missing},
		{"broker", "status"},
	} {
		code, out, errs := call(t, args...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
		if len(args) > 2 && args[len(args)-1] == missing && !strings.Contains(errs, missing) {
			t.Errorf("%v: the message does not name the file: %s", args, errs)
		}
	}
}
