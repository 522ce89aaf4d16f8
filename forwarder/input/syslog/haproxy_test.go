package syslog

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// target is one way in which a real HAProxy logs to a listener.
type target struct {
	format string // of HAProxy
	kind   wrapper.Kind
	ring   string // its log-proto, or "" without a ring
	w      *world
}

func (x *target) name(i int) string { return fmt.Sprintf("t%d-%s-%s", i, x.format, x.ring) }

// address is the listener's as HAProxy writes it.
func (x *target) address() string {
	_, addr, _ := strings.Cut(x.w.in.Name(), "://")
	if strings.HasPrefix(addr, "/") {
		return "unix@" + addr
	}
	return addr
}

// TestRealHAProxy logs every request to every kind of listener, in each of
// HAProxy's header formats: behind the headers stands, line by line, what
// HAProxy wrote to its standard output.
func TestRealHAProxy(t *testing.T) {
	dir := t.TempDir()
	var targets []*target
	listening := func(url, format string, kind wrapper.Kind, ring string) {
		targets = append(targets, &target{format, kind, ring, listen(t, config(url), &inputtest.Spool{})})
	}
	for format, kind := range map[string]wrapper.Kind{
		"rfc3164": wrapper.RFC3164, "rfc5424": wrapper.RFC5424, "local": wrapper.Local, "short": wrapper.Short,
		"priority": wrapper.Priority, "timed": wrapper.Timed, "iso": wrapper.ISO, "raw": wrapper.None,
	} {
		listening(udpURL(t, "127.0.0.1"), format, kind, "")
		listening("unix://"+filepath.Join(dir, format+".sock"), format, kind, "")
		listening(tcpURL(t), format, kind, "octet-count")
		listening(tcpURL(t), format, kind, "legacy")
	}
	compare(t, dir, targets)
}

// TestRealHAProxyOverUNIXStreams has rings with servers in the file system,
// which HAProxy from 3.3 on refuses, as docs/inputs.md says.
func TestRealHAProxyOverUNIXStreams(t *testing.T) {
	dir := t.TempDir()
	probe := filepath.Join(dir, "probe.cfg")
	if err := os.WriteFile(probe, []byte("ring r\n  server s unix@/x log-proto legacy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/usr/sbin/haproxy", "-c", "-f", probe).CombinedOutput(); bytes.Contains(out, []byte("[ALERT]")) {
		if !bytes.Contains(out, []byte("address family not supported")) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	compare(t, dir, []*target{
		{"raw", wrapper.None, "octet-count", listen(t, config("unix-stream://"+filepath.Join(dir, "octets.sock")), &inputtest.Spool{})},
		{"raw", wrapper.None, "legacy", listen(t, config("unix-stream://"+filepath.Join(dir, "lines.sock")), &inputtest.Spool{})},
	})
}

// TestRealHAProxyOverIPv6 has a HAProxy of its own: one process has one socket
// for all its UDP targets, of the family of the first.
func TestRealHAProxyOverIPv6(t *testing.T) {
	x := &target{"rfc5424", wrapper.RFC5424, "", listen(t, config(udpURL(t, "::1")), &inputtest.Spool{})}
	compare(t, t.TempDir(), []*target{x})
}

func compare(t *testing.T, dir string, targets []*target) {
	t.Helper()
	const requests = 200
	truth := runHAProxy(t, dir, targets, requests)
	if len(truth) < requests {
		t.Fatalf("%d lines of %d requests", len(truth), requests)
	}
	for i, x := range targets {
		x.w.eventually(x.name(i)+" has every line", func() bool { n, _ := x.w.spool.Records(); return n >= len(truth) })
		got := x.w.records(len(truth))
		x.w.stop()
		if len(got) != len(truth) {
			t.Errorf("%s: %d records, HAProxy wrote %d lines", x.name(i), len(got), len(truth))
			continue
		}
		f, err := parser.Compile("httplog")
		if err != nil {
			t.Fatal(err)
		}
		p := wrapper.NewParser(parser.NewSet(f), x.kind, nil)
		var r parser.Record
		var h wrapper.Header
		for n, line := range got {
			if message, _ := p.Parse([]byte(line), &r, &h); string(message) != truth[n] || h.Kind != x.kind {
				t.Errorf("%s: record %d is\n%q, HAProxy wrote\n%q", x.name(i), n, line, truth[n])
				break
			}
		}
		if st := x.w.in.Stats(); st.Malformed.Load()+st.Cut.Load()+st.KernelDrops.Load() != 0 {
			t.Errorf("%s: %d malformed, %d cut, %d dropped", x.name(i), st.Malformed.Load(), st.Cut.Load(), st.KernelDrops.Load())
		}
	}
}

// runHAProxy gives what HAProxy wrote to its standard output.
func runHAProxy(t *testing.T, dir string, targets []*target, requests int) []string {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(origin.Close)
	var rings, logs strings.Builder
	for i, x := range targets {
		to := x.address()
		if x.ring != "" {
			fmt.Fprintf(&rings, "ring %s\n  format %s\n  maxlen 9000\n  size 4194304\n  timeout connect 5s\n  timeout server 30s\n  server s %s log-proto %s\n",
				x.name(i), x.format, to, x.ring)
			to = "ring@" + x.name(i)
		} else if path, ok := strings.CutPrefix(to, "unix@"); ok {
			to = path
		}
		fmt.Fprintf(&logs, "  log %s len 8192 format %s local0\n", to, x.format)
	}
	port := testenv.FreePort(t)
	h := testenv.HAProxyFrom(t, dir, port, fmt.Sprintf(`global
  nbthread 1
  maxconn 500
  log-send-hostname lb1
%sdefaults
  mode http
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  log stdout len 8192 format raw local0
%sfrontend web
  bind 127.0.0.1:%d
  capture request header User-Agent len 512
  default_backend app
backend app
  server origin %s
`, rings.String(), logs.String(), port, origin.Listener.Addr()), filepath.Join(dir, "stdout.log"))
	for i := range requests {
		if i%5 == 0 { // a UNIX datagram socket has a queue of ten, and HAProxy does not wait
			keepUp(targets, i)
		}
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/%d/%s", h.URL, i, strings.Repeat("p", i*7)), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", fmt.Sprintf("12 <34> %d \"quoted\" é\xff\t%%", i))
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:errcheck,forcetypeassert // it is one
	var lines []string
	testenv.Eventually(t, limit, "HAProxy wrote every line", func() bool {
		b, err := os.ReadFile(h.LogFile)
		if err != nil {
			t.Fatal(err)
		}
		lines = lines[:0]
		for line := range bytes.Lines(b) {
			lines = append(lines, strings.TrimSuffix(string(line), "\n"))
		}
		return bytes.Count(b, []byte(`"GET /`)) == requests
	})
	return lines
}

// keepUp waits until all that is sent in datagrams has been received, of which
// the given number of requests is the least.
func keepUp(targets []*target, requests int) {
	for i, x := range targets {
		if x.ring == "" {
			x.w.eventually(x.name(i)+" keeps up", func() bool { n, _ := x.w.spool.Records(); return n >= requests })
		}
	}
}

// TestHAProxyReconnects ends the listener of a ring and starts another one.
// HAProxy keeps lines in the ring meanwhile.
func TestHAProxyReconnects(t *testing.T) {
	dir := t.TempDir()
	cfg := config("tcp://127.0.0.1:" + fmt.Sprint(testenv.FreePort(t)))
	spool := &inputtest.Spool{}
	x := &target{"raw", wrapper.None, "octet-count", listen(t, cfg, spool)}
	truth := runHAProxy(t, dir, []*target{x}, 20)
	x.w.records(len(truth))
	x.w.stop()

	// HAProxy goes on and logs to the ring while nobody listens.
	stdout := filepath.Join(dir, "stdout.log")
	before := len(truth)
	conf, err := os.ReadFile(filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	url := "http://127.0.0.1:" + strings.Fields(string(conf[bytes.Index(conf, []byte("bind 127.0.0.1:"))+len("bind 127.0.0.1:"):]))[0]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range 30 {
		resp, err := client.Get(fmt.Sprintf("%s/away/%d", url, i))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	testenv.Eventually(t, limit, "HAProxy wrote every line", func() bool {
		b, err := os.ReadFile(stdout)
		return err == nil && bytes.Count(b, []byte("/away/")) == 30
	})
	again := listen(t, cfg, spool)
	// HAProxy may notice that its connection is gone only when it has written
	// a line or two into it.
	var kept []string
	testenv.Eventually(t, limit, "HAProxy comes back with what it kept", func() bool {
		kept = kept[:0]
		for line := range bytes.Lines(spool.Data()) {
			if bytes.Contains(line, []byte("/away/")) {
				kept = append(kept, string(line))
			}
		}
		return len(kept) > 0 && strings.Contains(kept[len(kept)-1], "/away/29 ")
	})
	if n, _ := spool.Records(); n != before+len(kept) || len(kept) < 25 {
		t.Errorf("%d records, %d of them were kept in the ring", n, len(kept))
	}
	for i, line := range kept {
		if want := fmt.Sprintf("/away/%d ", 30-len(kept)+i); !strings.Contains(line, want) {
			t.Errorf("%q is not %s", line, want)
		}
	}
	again.stop()
}
