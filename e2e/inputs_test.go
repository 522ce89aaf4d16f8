package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// perWay is how many requests each way of logging gets.
const perWay = 300

// way is one way for HAProxy's lines to reach the forwarder.
type way struct {
	name string
	log  string // the frontend's line in haproxy.cfg
	path string // of its source in the archive
	port int
}

// TestEveryWayHAProxyLogs has a real HAProxy log by a file, a container's
// standard output, UDP, TCP with octet counts, TCP by lines, and UNIX sockets,
// all at once. Its standard error is the second channel that says what it
// wrote. Each line is archived once, byte for byte, under the source of its way.
func TestEveryWayHAProxyLogs(t *testing.T) {
	dir := workDir(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	t.Cleanup(origin.Close)
	pod := filepath.Join(dir, "pods", "ingress_edge-1_0d1c3a52-2c1e-4d55-9df9-2e6f0b7d2a11", "haproxy")
	if err := os.MkdirAll(pod, 0o755); err != nil {
		t.Fatal(err)
	}
	udp, octets, lines := testenv.FreePort(t), testenv.FreePort(t), testenv.FreePort(t)
	datagrams, stats := filepath.Join(dir, "log.sock"), filepath.Join(dir, "stats.sock")
	out := filepath.Join(dir, "haproxy.out")
	ways := []way{
		{name: "file", log: "log stdout format raw local0", path: out},
		{name: "container", log: "log stdout format raw local0", path: filepath.Join(pod, "0.log")},
		{name: "udp", log: fmt.Sprintf("log 127.0.0.1:%d format rfc3164 local0", udp), path: fmt.Sprintf("udp://127.0.0.1:%d", udp)},
		{name: "octets", log: "log ring@octets format rfc5424 local0", path: fmt.Sprintf("tcp://127.0.0.1:%d", octets)},
		{name: "lines", log: "log ring@lines format rfc3164 local0", path: fmt.Sprintf("tcp://127.0.0.1:%d", lines)},
		{name: "unix", log: "log " + datagrams + " format local local0", path: "unix://" + datagrams},
	}
	c := newCluster(t, settings{inputs: fmt.Sprintf(`  - file: %s
  - file: %s/*.log
    labels: {role: pod}
  - syslog: %s
  - syslog: %s
  - syslog: %s
  - syslog: %s
    mode: "0666"
haproxy:
  stats: %s
  every: 1s
`, out, pod, ways[2].path, ways[3].path, ways[4].path, ways[5].path, stats)})
	c.start() // sockets exist before HAProxy logs to them

	proxy := startHAProxy(t, dir, stats, origin.Listener.Addr().String(), octets, lines, ways, out)
	runtime := startContainerRuntime(t, out, filepath.Join(pod, "0.log"), ways[1].mark())
	total := 0
	for i := range ways {
		for k := range perWay {
			get(t, fmt.Sprintf("http://127.0.0.1:%d%s%d?x=%s", ways[i].port, ways[i].mark(), k, strings.Repeat("y", k%700)))
			total++
		}
	}
	// The queue of a socket for datagrams holds ten: while the forwarder does not
	// get the processor HAProxy drops lines for it, and for no other way. They
	// are not archived, and HAProxy's count of them is declared.
	dropped := int(haproxyInfo(t, stats, "DroppedLogs"))
	c.lossy = dropped > 0
	testenv.Eventually(t, testenv.Patience, fmt.Sprintf("%d dropped lines are counted", dropped), func() bool {
		return int(c.forwarder.metric("loghaul_forwarder_lost_lines_total")) == dropped
	})
	proxy.Stop()
	runtime.stop(perWay)

	truth := map[string]map[string]bool{}
	said, err := os.ReadFile(filepath.Join(dir, "haproxy.stderr"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(said) {
		for i := range ways {
			if bytes.Contains(line, []byte(ways[i].mark())) {
				if truth[ways[i].name] == nil {
					truth[ways[i].name] = map[string]bool{}
				}
				truth[ways[i].name][string(line)] = true
			}
		}
	}
	testenv.Eventually(t, arrivalLimit, "every line archived", func() bool {
		n := 0
		c.cat(func([]byte) { n++ })
		return n >= total+perWay-dropped // the container's lines are in the file, too
	})
	c.stop()
	for _, w := range ways {
		lost := 0
		if w.name == "unix" {
			lost = dropped
		}
		c.checkWay(w, truth[w.name], lost)
	}
}

// mark stands in the path of each request of a way.
func (w *way) mark() string { return "/via/" + w.name + "/" }

// checkWay wants every line of truth once in the way's source, whole, behind
// nothing but a header, except for as many as HAProxy says it has dropped.
func (c *cluster) checkWay(w way, truth map[string]bool, dropped int) {
	c.t.Helper()
	if len(truth) != perWay {
		c.t.Errorf("%s: HAProxy wrote %d lines, want %d", w.name, len(truth), perWay)
	}
	list, _ := c.sources()
	seen := map[string]int{}
	bad := 0
	for _, s := range list {
		if s.Path != w.path && !strings.HasPrefix(s.Path, w.path+".") {
			continue
		}
		c.catSource(s.Source, func(line []byte) {
			i := bytes.Index(line, []byte(w.mark()))
			if i < 0 {
				return // the other way in the same file
			}
			// The message begins with the client's address.
			at := bytes.Index(line, []byte("127.0.0.1:"))
			if at < 0 || !truth[string(line[at:])] {
				if bad++; bad <= 3 {
					c.t.Errorf("%s: a line that HAProxy did not write: %q", w.name, line)
				}
				return
			}
			seen[string(line[at:])]++
		})
	}
	lost, twice := 0, 0
	for line := range truth {
		switch {
		case seen[line] == 0:
			lost++
		case seen[line] > 1:
			twice++
		}
	}
	c.t.Logf("%-10s %d sent, %d archived, %d lost (%d declared), %d twice, %d changed", w.name, len(truth), len(seen), lost, dropped, twice, bad)
	if lost != dropped || twice+bad > 0 {
		c.t.Errorf("%s: %d of %d lines lost, %d of them declared; %d twice, %d changed", w.name, lost, len(truth), dropped, twice, bad)
	}
}

// startHAProxy gives each way a frontend of its own.
func startHAProxy(t *testing.T, dir, stats, origin string, octets, lines int, ways []way, out string) *testenv.HAProxyServer {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `global
  nbthread 1
  maxconn 500
  stats socket %s mode 600 level operator
ring octets
  format raw
  maxlen 4096
  size 1048576
  timeout connect 5s
  timeout server 10s
  server s 127.0.0.1:%d log-proto octet-count
ring lines
  format raw
  maxlen 4096
  size 1048576
  timeout connect 5s
  timeout server 10s
  server s 127.0.0.1:%d log-proto legacy
defaults
  mode http
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  retries 3
backend app
  server origin %s
`, stats, octets, lines, origin)
	for i := range ways {
		ways[i].port = testenv.FreePort(t)
		fmt.Fprintf(&b, "frontend %s\n  bind 127.0.0.1:%d\n  %s\n  log stderr format raw local0\n  default_backend app\n",
			ways[i].name, ways[i].port, strings.Replace(ways[i].log, " format", " len 4096 format", 1))
	}
	return testenv.HAProxyFrom(t, dir, ways[len(ways)-1].port, b.String(), out)
}

func get(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
}

// containerRuntime does with a container's standard output what containerd
// does: a header before each line, and long lines in parts. It rotates its file
// as the kubelet does, also in the middle of a line.
type containerRuntime struct {
	t    *testing.T
	quit chan int
	done chan struct{}
}

// partSize is 16 KiB for containerd. Smaller parts are more of them.
const partSize = 200

func startContainerRuntime(t *testing.T, stdout, path, mark string) *containerRuntime {
	t.Helper()
	r := &containerRuntime{t: t, quit: make(chan int, 1), done: make(chan struct{})}
	go r.run(stdout, path, mark)
	t.Cleanup(func() { r.stop(0) })
	return r
}

func (r *containerRuntime) run(stdout, path, mark string) {
	defer close(r.done)
	in, err := os.Open(stdout)
	if err != nil {
		r.t.Error(err)
		return
	}
	defer in.Close()
	w := r.create(path)
	defer func() { _ = w.Close() }()
	reader := bufio.NewReader(in)
	var line []byte
	want, n, parts := -1, 0, 0
	for n != want {
		piece, err := reader.ReadBytes('\n')
		line = append(line, piece...)
		if err != nil { // the end for now
			select {
			case want = <-r.quit:
			case <-time.After(5 * time.Millisecond):
			}
			if want == 0 {
				return
			}
			continue
		}
		if bytes.Contains(line, []byte(mark)) {
			n++
			for rest := bytes.TrimSuffix(line, []byte("\n")); ; {
				part, flag := rest, "F"
				if len(part) > partSize {
					part, flag = rest[:partSize], "P"
				}
				rest = rest[len(part):]
				if _, err := fmt.Fprintf(w, "%s stdout %s %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z07:00"), flag, part); err != nil {
					r.t.Error(err)
					return
				}
				if parts++; parts%250 == 0 {
					_ = w.Close()
					if err := os.Rename(path, fmt.Sprintf("%s.20261126-%06d", path, parts)); err != nil {
						r.t.Error(err)
						return
					}
					w = r.create(path)
				}
				if flag == "F" {
					break
				}
			}
		}
		line = line[:0]
	}
}

func (r *containerRuntime) create(path string) *os.File {
	w, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		r.t.Error(err)
	}
	return w
}

// stop waits until n lines are written; 0 does not wait.
func (r *containerRuntime) stop(n int) {
	select {
	case r.quit <- n:
	default:
	}
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		r.t.Error("the container's runtime does not end")
	}
}

// catSource runs `audit cat` for one source.
func (c *cluster) catSource(id string, line func([]byte)) {
	c.t.Helper()
	stdout, stderr, code := command(c.t, c.s3.Env(), "loghaul", "audit", "cat", "--archive", c.url, "--source", id)
	if code != 0 {
		c.t.Fatalf("audit cat --source %s ended with %d: %s", id, code, stderr)
	}
	for l := range bytes.Lines([]byte(stdout)) {
		line(l)
	}
}

// TestStdin pipes lines into a forwarder: it ends by itself when its input
// does, and everything is archived.
func TestStdin(t *testing.T) {
	c := newCluster(t, settings{})
	for _, a := range c.agg {
		a.Start()
		a.AwaitReady()
	}
	const n = 50_000
	var lines []byte
	for i := range n {
		lines = appendLine(lines, i)
	}
	config := strings.Replace(c.forwarderConfig(c.forwarder.http, settings{}), "inputs:\n  - file: "+c.input+"\n", "", 1)
	c.write("stdin.yaml", config)
	cmd := exec.CommandContext(t.Context(), filepath.Join(binDir, "loghaul-forwarder"), "--stdin", "--config", filepath.Join(c.dir, "stdin.yaml"))
	cmd.Stdin = bytes.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("loghaul-forwarder --stdin: %v\n%s", err, out)
	}
	c.awaitArchived(int64(len(lines)), arrivalLimit)
	for _, a := range c.agg {
		a.Stop()
	}
	c.checkLines(n)
}

// TestKillForwarderWithASpool: whatever it has read from a socket is in the
// spool, and reaches the archive once, however often it is killed.
func TestKillForwarderWithASpool(t *testing.T) {
	random := newChaos(t)
	socket := filepath.Join(workDir(t), "log.sock")
	c := newCluster(t, settings{inputs: "  - syslog: unix-stream://" + socket + "\n"})
	c.start()
	s := &stream{c: c, socket: socket}
	random.times(kills, func() {
		s.send(random.rnd.IntN(2 * fullRate))
		c.forwarder.Kill()
		s.close()
	}, func() {
		c.forwarder.Start()
		c.forwarder.AwaitReady()
	})
	s.send(1000)
	c.awaitArchived(s.bytes, arrivalLimit)
	s.close()
	c.stop()
	c.checkLines(s.lines)
}

// stream sends numbered lines to a socket of UNIX.
type stream struct {
	c      *cluster
	socket string
	conn   net.Conn
	lines  int
	bytes  int64
}

// send sends n lines and waits until the forwarder has read them: what lies in
// a socket dies with its reader, and nobody can help it.
func (s *stream) send(n int) {
	s.c.t.Helper()
	if s.conn == nil {
		var d net.Dialer
		conn, err := d.DialContext(s.c.t.Context(), "unix", s.socket)
		if err != nil {
			s.c.t.Fatal(err)
		}
		s.conn = conn
	}
	var buf []byte
	for range n {
		buf = appendLine(buf, s.lines)
		s.lines++
	}
	s.bytes += int64(len(buf))
	if _, err := s.conn.Write(buf); err != nil {
		s.c.t.Fatal(err)
	}
	testenv.Eventually(s.c.t, 30*time.Second, "the forwarder has read what was sent", func() bool {
		return s.c.forwarder.metric("loghaul_forwarder_input_bytes_total") >= float64(len(buf))
	})
}

func (s *stream) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
