package haproxycfg_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

// load reads the configuration of a running HAProxy.
func load(t *testing.T, dir string) *haproxycfg.Config {
	t.Helper()
	sys := osSystem()
	sys.LookupEnv = os.LookupEnv
	c, err := haproxycfg.Load(sys, filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// logged gives the lines that HAProxy wrote.
func logged(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

func TestRealHAProxyWritesWhatWasRead(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-test")
		_, _ = io.WriteString(w, "hello")
	}))
	defer origin.Close()
	dir := t.TempDir()
	h := testenv.HAProxy(t, dir, strings.TrimPrefix(origin.URL, "http://"), filepath.Join(dir, "haproxy.log"))
	for range 3 {
		resp, err := http.Get(h.URL + "/x?y=z")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	h.Stop()
	c := load(t, dir)
	f := c.Candidates()[0]
	if diff := cmp.Diff(&parser.Captures{Request: []string{"Host", "User-Agent"}, Response: []string{"Content-Type"}}, f.Captures()); diff != "" || f.Name() != "httplog" {
		t.Errorf("%s (-want +got)\n%s", f.Name(), diff)
	}
	n := 0
	for _, line := range logged(t, h.LogFile) {
		var r parser.Record
		if bytes.HasPrefix(line, []byte("Proxy ")) || bytes.Contains(line, []byte("<BADREQ>")) {
			continue // HAProxy ends; what asked whether it listens
		}
		if !f.Parse(line, &r) {
			t.Errorf("does not match: %s", line)
			continue
		}
		n++
		for i, field := range f.Fields() {
			if field.Alias == "hr" && r.Values[i].Int != int64(len(f.Captures().Request)) || field.Alias == "hs" && string(r.Values[i].Text) != "text/x-test" {
				t.Errorf("%s: %s of %s", field.Alias, r.Values[i].Text, line)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d lines", n)
	}
}

// frontends are read by HAProxy and by us: what the lines hold shows whether both read the same. @ is a port.
const frontends = `
defaults base
  mode http
  log stdout len 4096 format raw local0
  timeout client 5s
  log-format "base %ci %ST" # "inherited"
defaults
  log stdout format raw local0
  mode tcp
  timeout client 5s
frontend escaped from base
  bind 127.0.0.1:@
  log-format escaped\ %ST\ \"%HM\"\ \'\#\\\1
  http-request return status 204
frontend quoted from base
  bind 127.0.0.1:@
  log-format "quoted \"%HM\" '%ST' # \$HOME \x41\\"' $HOME %HV '\ "end"
  http-request return status 204
frontend environment from base
  bind 127.0.0.1:@
  log-format "environment $LOGHAUL_TEST_A ${LOGHAUL_TEST_B} ${LOGHAUL_TEST_NONE-a default} ${LOGHAUL_TEST_A-unused}"
  capture request header Host len 20
  http-request capture req.hdr(User-Agent) len 4
  declare capture response len 4
  http-request return status 204
frontend inherited from base
  bind 127.0.0.1:@
  http-request return status 204
frontend last from base
  bind 127.0.0.1:@
  option tcplog
  option httplog clf
  log-format "overridden %ci"
  option httplog
  http-request return status 204
frontend turned
  bind 127.0.0.1:@
  option httplog
  tcp-request content reject
frontend nothing
  bind 127.0.0.1:@
  tcp-request content reject
frontend failing
  bind 127.0.0.1:@ accept-proxy name b1
  option tcplog
frontend failing-own
  bind 127.0.0.1:@ accept-proxy
  error-log-format "failing-own %ci %[fc_err]"
.if defined(LOGHAUL_TEST_NONE)
frontend absent
.elif streq("$LOGHAUL_TEST_A","one two") && !0
frontend conditional from base
  bind 127.0.0.1:@
  log-format 'conditional %ci'\
  http-request return status 204
.else
frontend absent
.endif
`

// TestRealHAProxyReadsTheSame sends each frontend one connection.
func TestRealHAProxyReadsTheSame(t *testing.T) {
	t.Setenv("LOGHAUL_TEST_A", "one two")
	config := "global\n  nbthread 1\n  setenv LOGHAUL_TEST_B set\n  unsetenv LOGHAUL_TEST_NONE\n" + frontends
	var ports []int
	for strings.Contains(config, ":@") {
		ports = append(ports, testenv.FreePort(t))
		config = strings.Replace(config, ":@", ":"+strconv.Itoa(ports[len(ports)-1]), 1)
	}
	dir := t.TempDir()
	logFile := filepath.Join(dir, "haproxy.log")
	// The last frontend listens last. What asks whether it does is a connection, too.
	h := testenv.HAProxyFrom(t, dir, ports[len(ports)-1], config, logFile)
	for _, port := range ports {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /x HTTP/1.0\r\nHost: h\r\nUser-Agent: test\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	h.Stop()
	c := load(t, dir)
	lines := logged(t, logFile)
	matched := map[string]int{}
	for _, line := range lines {
		for _, f := range c.Candidates() {
			var r parser.Record
			if f.Parse(line, &r) {
				matched[f.Name()]++
				break
			}
		}
	}
	for _, f := range c.Formats {
		// The two that fail write nothing else.
		if !f.Logs || f.Proxy == "absent" || matched[f.Spec] == 0 && !strings.HasPrefix(f.Proxy, "failing") {
			t.Errorf("%s: no line has the format %q", f.Proxy, f.Spec)
		}
	}
	if matched["error"] != 1 || matched["failing-own %ci %[fc_err]"] != 1 {
		t.Error("no line about a connection that failed")
	}
	for _, f := range c.Formats {
		delete(matched, f.Spec)
	}
	delete(matched, "error")
	if len(matched) > 0 {
		t.Errorf("lines of other formats: %v", matched)
	}
	if t.Failed() {
		t.Logf("HAProxy wrote\n%s", bytes.Join(lines, []byte("\n")))
	}
}
