package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const haproxyStartLimit = 20 * time.Second

// HAProxyServer is a real HAProxy in front of one origin server. It logs with
// `log stdout format raw` and its standard output is appended to LogFile: what
// stands there is byte for byte what HAProxy wrote.
type HAProxyServer struct {
	// URL is where it takes requests: http://127.0.0.1:PORT.
	URL string
	// LogFile is what its standard output is appended to.
	LogFile string

	t    testing.TB
	cmd  *exec.Cmd
	done chan error
}

// HAProxy starts an HAProxy whose lines have the format of `option httplog`
// with two captured headers and go to logFile. Its configuration is kept in
// dir. origin is host:port. It ends with the test.
func HAProxy(t testing.TB, dir, origin, logFile string) *HAProxyServer {
	t.Helper()
	port := FreePort(t)
	return HAProxyFrom(t, dir, port, fmt.Sprintf(`global
  log stdout format raw local0
  # Of two threads that log to one descriptor at the same moment HAProxy lets
  # one drop its line (DroppedLogs in "show info"). Tests count lines.
  nbthread 1
  maxconn 500
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  # The accept queue of a busy machine must not turn requests into errors.
  retries 3
frontend web
  bind 127.0.0.1:%d
  capture request header Host len 64
  capture request header User-Agent len 128
  capture response header Content-Type len 32
  default_backend app
backend app
  server origin %s
`, port, origin), logFile)
}

// HAProxyFrom starts an HAProxy with a configuration of the test's own, which is kept in haproxy.cfg in dir. It must
// listen on port, and log to standard output with format raw. It ends with the test.
func HAProxyFrom(t testing.TB, dir string, port int, config, logFile string) *HAProxyServer {
	t.Helper()
	bin := "/usr/sbin/haproxy" // not in the PATH of everybody
	if _, err := os.Stat(bin); err != nil {
		bin = Tool(t, "haproxy")
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &HAProxyServer{
		URL: fmt.Sprintf("http://127.0.0.1:%d", port), LogFile: logFile, t: t,
		cmd:  exec.Command(bin, "-db", "-f", path), //nolint:noctx // ended by Stop
		done: make(chan error, 1),
	}
	s.start(dir, port)
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

func (s *HAProxyServer) start(dir string, port int) {
	s.t.Helper()
	out, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // the child has its own descriptor
	warnings, err := os.Create(filepath.Join(dir, "haproxy.stderr"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer warnings.Close() //nolint:errcheck // the child has its own descriptor
	s.cmd.Stdout, s.cmd.Stderr = out, warnings
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting HAProxy: %v", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if !poll(haproxyStartLimit, func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second) //nolint:noctx // bounded by its timeout
		return err == nil && c.Close() == nil
	}) {
		said, _ := os.ReadFile(warnings.Name())
		s.t.Fatalf("HAProxy does not listen on %s after %v:\n%s", addr, haproxyStartLimit, said)
	}
}

// Stop lets HAProxy finish what it has and end, so that its last line is in
// LogFile when Stop returns.
func (s *HAProxyServer) Stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatalf("stopping HAProxy: %v", err)
	}
	select {
	case err := <-s.done:
		// HAProxy ends a soft stop with the code of SIGUSR1's handler, 0.
		if err != nil {
			s.t.Fatalf("HAProxy ended with %v", err)
		}
	case <-time.After(stopLimit):
		s.t.Fatalf("HAProxy did not end within %v of SIGUSR1", stopLimit)
	}
}
