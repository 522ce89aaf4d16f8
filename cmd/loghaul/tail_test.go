package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// attacks are what clients can have in lines that steers a terminal. HAProxy escapes
// control characters below the blank in a request by itself; whoever sends lines of
// his own need not, and those of UTF-8 it leaves.
const attacks = "10.0.0.9:1 [22/Nov/2026:10:11:12.123] fe be/s 0/0/1/2/3 503 7 - - SC-- 1/1/0/0/0 0/0 \"GET /evil\u009b31m\u202e HTTP/1.1\"\n" +
	"10.0.0.9:1 \x1b[2J evil \x1b]0;title\x07 \x9b\n"

// serves waits until the aggregator has answered a reader.
func (p *process) serves() {
	p.t.Helper()
	until(p.t, upLimit, "an aggregator shows its lines", func() bool { return strings.Contains(p.errs.String(), "1 aggregator shows its lines: ") })
}

// TestTailOfUp: readers of a loghaul up see the lines that pass their filters
// as loghaul parse --filter prints them, and byte for byte as they were written; on a
// terminal nothing of them steers it.
func TestTailOfUp(t *testing.T) {
	const filter = "ST>=400 or HU~/login"
	text, err := os.ReadFile("../../testdata/corpus/http-asap/httplog.log")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, attacks...)
	data, dir := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "haproxy.log")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	up := startProcess(t, nil, "up", "--tail", file, "--data", data)
	until(t, upLimit, "a socket", func() bool { _, err := os.Stat(filepath.Join(data, "run", socketName)); return err == nil })
	if info, err := os.Stat(filepath.Join(data, "run")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may enter the socket's folder: %v %v", info.Mode(), err)
	}
	t.Setenv("TERM", "xterm")
	master, tty := openTerminal(t)
	var seen buffer
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			_, _ = seen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	objects := startProcess(t, nil, "tail", "--data", data, "--output", "json", filter)
	raw := startProcess(t, nil, "tail", "--data", data)
	few := startProcess(t, nil, "tail", "--data", data, "--limit", "3", "--node", "nowhere or raw~''")
	shown := startProcess(t, tty, "tail", "--data", data, "raw~evil")
	t.Setenv("NO_COLOR", "1")
	limited := startProcess(t, nil, "tail", "--data", data, "--limit", "3", "--raw", "ST=200")
	for _, p := range []*process{objects, raw, few, shown, limited} {
		p.serves()
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	parsed := filepath.Join(dir, "parsed.log")
	if err := os.WriteFile(parsed, text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, want, _ := call(t, "parse", "--filter", filter, parsed)
	if code != 0 || strings.Count(want, "\n") < 20 {
		t.Fatalf("parse: exit code %d\n%s", code, want)
	}
	until(t, upLimit, "all lines", func() bool { return len(raw.out.String()) >= len(text) })
	until(t, upLimit, "all objects", func() bool { return strings.Count(objects.out.String(), "\n") >= strings.Count(want, "\n") })
	if raw.out.String() != string(text) {
		t.Error("the lines are not those of the file")
	}
	want = regexp.MustCompile(`(?m)^\{"line":\d+,`).ReplaceAllString(want, "{")
	got := regexp.MustCompile(`(?m)^\{"node":"[^"]*","source":"[0-9a-f]{24}","offset":\d+,`).ReplaceAllString(objects.out.String(), "{")
	if got != want {
		t.Errorf("%d objects, parse has %d, or they differ:\n%.1000s\nparse:\n%.1000s", strings.Count(got, "\n"), strings.Count(want, "\n"), got, want)
	}
	if code := limited.wait(upLimit); code != 0 || strings.Count(limited.out.String(), "\n") != 3 || strings.Contains(limited.out.String(), " 503 ") {
		t.Errorf("--limit 3: exit code %d\n%s", code, limited.out)
	}
	until(t, upLimit, "the terminal shows the attack", func() bool { return strings.Contains(seen.String(), `title`) })
	for _, want := range []string{`"GET /evil\u{9b}31m\u{202e} HTTP/1.1"` + "\x1b[0m", `10.0.0.9:1 \x1b[2J evil \x1b]0;title\x07 \x9b` + "\x1b[0m"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("the terminal shows %q, want %q", seen.String(), want)
		}
	}
	for _, p := range []*process{objects, raw, few} { // a terminal sends it by itself
		p.signal(os.Interrupt)
		if code := p.wait(upLimit); code != 0 {
			t.Errorf("after Ctrl-C exit code %d", code)
		}
		if s := p.errs.String(); strings.Contains(s, "not shown") || strings.Contains(s, "connection") {
			t.Error(s)
		}
	}
	if few.out.String() != "" {
		t.Errorf("lines of another node: %s", few.out)
	}
	up.signal(os.Interrupt)
	if code := up.wait(upLimit); code != 0 {
		t.Errorf("up: exit code %d", code)
	}
	if code := shown.wait(upLimit); code != 1 || !strings.Contains(shown.errs.String(), "loghaul up has ended") {
		t.Errorf("after up has ended: exit code %d\n%s", code, shown.errs)
	}
	same(t, data, file)
	if _, err := os.Stat(filepath.Join(data, "run", socketName)); err == nil {
		t.Error("the socket is still there")
	}
}

// view prints lines as a terminal shows them.
func view(t *testing.T, colours bool, raw []byte) string {
	t.Helper()
	var formats []*parser.Format
	for _, name := range parser.WellKnown() {
		f, err := parser.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	s, err := archive.NewScanner(archive.Options{Formats: formats, Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	b := archive.Batch{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("a", 24), Node: "web-1"}, To: int64(len(raw)), ReadAt: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC),
	}}
	v, p := &tailView{colours: colours}, newRowPrinter()
	var out []byte
	if err := s.Scan(&b, func(r *archive.Row) error {
		out = append(v.append(out, &live.Line{JSON: p.append(nil, r), Raw: append(bytes.Clone(r.Message), '\n')}), '\n')
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestTailView: lines of all sorts in short.
func TestTailView(t *testing.T) {
	var raw []byte
	for _, file := range []string{"http-asap/httplog.log", "http-asap/clf.log", "tcp/tcplog.log", "errors-format/error.log", "events/raw.log"} {
		text, err := os.ReadFile("../../testdata/corpus/" + file)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, bytes.Join(bytes.SplitAfterN(text, []byte("\n"), 9)[:8], nil)...)
	}
	raw = append(raw, attacks...)
	raw = append(raw, "no line \x1b[1m of HAProxy\n"...)
	golden(t, "tail.txt", view(t, false, raw))
	coloured := view(t, true, raw)
	if got := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured, ""); got != view(t, false, raw) || strings.Count(coloured, "\x1b[0m") < 20 {
		t.Errorf("coloured:\n%q", coloured)
	}
	object := `{"node":"n\u009b","time":"2026-11-22T10:11:12.123Z","format":"f","fields":{"ST":"5\u202e","HM":"G\u001b[2J","HU":"/\u0007","b":"\u0085","Ta":"\u009b","tsc":"\u007f","ci":"\u200b"}}`
	if got, want := string((&tailView{}).append(nil, &live.Line{JSON: []byte(object)})), `10:11:12.123 n\u{9b} 5\u{202e} G\x1b[2J /\x07 \u{85} \u{9b}ms \x7f \u{200b}`; got != want {
		t.Errorf("fields that steer a terminal:\n%s\nwant\n%s", got, want)
	}
	for _, text := range []string{"\x1b[31m503\x1b[0m", "\x1b[32m200\x1b[0m"} {
		if !strings.Contains(coloured, text) {
			t.Errorf("no %q", text)
		}
	}
}

// TestSafe: what steers a terminal is escaped, and JSON stays what it means.
func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 漢 \t\\\n":       "plain é 漢 \t\\",
		"\x1b[2J\x07\r":          `\x1b[2J\x07\x0d`,
		"\x9b31m\xff":            `\x9b31m\xff`,
		"\u009b\u202e\u2066":     `\u{9b}\u{202e}\u{2066}`,
		"a\nb\n":                 `a\x0ab`,
		"\u00a0\u200b\U000e0001": `\u{a0}\u{200b}\u{e0001}`,
		"\x7f":                   `\x7f`,
	} {
		if got := string(appendSafe(nil, []byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	in := "{\"a\":\"\u009b31m \u202e\U000e0001 é\x7f\"}"
	out := appendSafeJSON(nil, []byte(in+"\n"))
	var a, b map[string]string
	if err := errors.Join(json.Unmarshal([]byte(in), &a), json.Unmarshal(out, &b)); err != nil || a["a"] != b["a"] || string(out) != `{"a":"\u009b31m \u202e\udb40\udc01 é\u007f"}` {
		t.Errorf("%s: %v", out, err)
	}
}

func TestTailWrongUse(t *testing.T) {
	t.Chdir(t.TempDir())
	for want, args := range map[string][]string{
		"say where lines come from":               {"tail"},
		"keep one of --config, --nats and --data": {"tail", "--data", "x", "--nats", "nats://x"},
		"--raw and --output json exclude":         {"tail", "--raw", "--output", "json"},
		"did you mean Tt?":                        {"tail", "--data", "x", "STT=1"},
		"want something positive":                 {"tail", "--limit", "-1"},
		"is not a NATS URL":                       {"tail", "--nats", "http://x"},
		"holds a login":                           {"tail", "--nats", "nats://u:p@x"},
		"FILTER, column 4":                        {"tail", "--data", "x", "ST>", "and"},
		`did you mean --output?`:                  {"tail", "--outputs", "json"},
		"open nowhere.yaml: no such file":         {"tail", "--config", "nowhere.yaml"},
	} {
		if code, out, errs := call(t, args...); code != 2 || !strings.Contains(errs, want) || out != "" {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
	for want, args := range map[string][]string{
		"no loghaul up runs with --data x": {"tail", "--data", "x"},
		"connect to the broker":            {"tail", "--nats", "nats://127.0.0.1:1"},
	} {
		if code, _, errs := call(t, args...); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}

// TestTailOfABroker: login, rights, and nobody there.
func TestTailOfABroker(t *testing.T) {
	user := func(name string, publish, subscribe string) *server.User {
		return &server.User{Username: name, Password: "pw", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{publish}}, Subscribe: &server.SubjectPermission{Allow: []string{subscribe}},
		}}
	}
	s, err := embedded.Start(t.TempDir(), embedded.Options{Configure: func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", -1
		o.Users = []*server.User{user("reader", "tail.ask.>", "tail.lines.*"), user("deaf", "tail.ask.>", "x"), user("mute", "x", "tail.lines.*")}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	file := filepath.Join(t.TempDir(), "broker.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "broker: {servers: [%q]}\n", s.ClientURL()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGHAUL_NATS_PASSWORD", "pw")
	for name, want := range map[string]string{"deaf": "let this user publish to tail.ask.> and subscribe to tail.lines.*", "mute": "let this user publish", "wrong": "the login was refused"} {
		t.Setenv("LOGHAUL_NATS_USER", name)
		if code, _, errs := call(t, "tail", "--nats", s.ClientURL()); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s", name, code, errs)
		}
	}
	t.Setenv("LOGHAUL_NATS_USER", "reader")
	if code, out, errs := call(t, "tail", "--config", file, "--for", "100ms"); code != 0 || out+errs != "" {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

// TestTailNotes: each change is said once.
func TestTailNotes(t *testing.T) {
	var b bytes.Buffer
	n := newTailNotes(&b)
	at := n.since
	for _, r := range []live.Report{
		{},
		{Serving: []string{"a"}},
		{Serving: []string{"a"}},
		{Serving: []string{"a", "b\x1b"}, Refused: map[string]string{"c": "full"}, Missing: []string{"req.x"}},
		{Serving: []string{"a", "b\x1b"}, Refused: map[string]string{"c": "full"}, Missing: []string{"req.x"}, Skipped: 1, Unread: 7, Lost: 2},
		{Serving: []string{"a", "b\x1b"}, Skipped: 1, Unread: 7, Lost: 2},
		{Skipped: 1, Unread: 7, Lost: 2, Trouble: errors.New("broken")},
		{Skipped: 1, Unread: 7, Lost: 2, Trouble: errors.New("broken")},
		{Skipped: 1, Unread: 7, Lost: 2},
	} {
		n.report(r, at)
		at = at.Add(3 * time.Second)
	}
	n.leftOut(live.Report{Skipped: 3, Unread: 7, Lost: 2})
	const want = `loghaul: 1 aggregator shows its lines: a
loghaul: 2 aggregators show their lines: a, b?
loghaul: aggregator c does not show its lines: full
loghaul: FILTER: no format has req.x; aggregators know captured headers by haproxy_config; req.1 is the first one in any case
loghaul: not shown so far: 1 line that match and are more than is read here; 7 lines that no aggregator had the time to look at; 2 lines lost on the way. The archive has them: loghaul audit find
loghaul: a message is left out: broken
loghaul: no aggregator answers; still waiting. Check that aggregators run and are connected to this broker (their /readyz), that they are of this version with tail.readers above 0, and that their user may subscribe to tail.ask.> and publish to tail.lines.*
loghaul: not shown so far: 3 lines that match and are more than is read here. The archive has them: loghaul audit find
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}
