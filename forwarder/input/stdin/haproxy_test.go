package stdin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/internal/testenv"
)

// TestHAProxyInAPipe is `haproxy | loghaul-forwarder --stdin`: what HAProxy
// writes to its standard output is compared with what it sends over UDP, and
// its end is the end of the input.
func TestHAProxyInAPipe(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	var want strings.Builder
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		buf := make([]byte, 64<<10)
		for {
			n, _, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			want.Write(buf[:n])
		}
	}()
	origin := httptest.NewServer(http.NotFoundHandler())
	defer origin.Close()
	dir, port := t.TempDir(), testenv.FreePort(t)
	conf := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, `global
  nbthread 1
  maxconn 500
  log stdout len 8192 format raw local0
  log %s len 8192 format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind 127.0.0.1:%d
  default_backend app
backend app
  server origin %s
`, udp.LocalAddr(), port, origin.Listener.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newWorld(t, &inputtest.Spool{})
	cmd := exec.Command("/usr/sbin/haproxy", "-db", "-f", conf)
	cmd.Stdout = x.w
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x.w.Close() // HAProxy has the only end left
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	testenv.Eventually(t, limit, "HAProxy listens", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		return err == nil && c.Close() == nil
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range 300 {
		r, err := client.Get(fmt.Sprintf("%s/%d/%s", url, i, strings.Repeat("p", i)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	x.ended()

	_ = udp.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // all of it has been sent
	<-heard
	got := string(x.spool.Data())
	if got != want.String() || strings.Count(got, `"GET /`) != 300 {
		t.Errorf("%d lines on standard output, %d over UDP", strings.Count(got, "\n"), strings.Count(want.String(), "\n"))
	}
}
