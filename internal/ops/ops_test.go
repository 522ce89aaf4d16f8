package ops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/ops"
)

func TestServer(t *testing.T) {
	reg := metrics.New(metrics.Desc{Name: "loghaul_lines_total", Kind: metrics.KindCounter, Help: "Lines."})
	reg.Counter("loghaul_lines_total").Add(3)
	var reason error
	s, err := ops.Listen(t.Context(), "127.0.0.1:0", reg, func() error { return reason })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "\nloghaul_lines_total 3\n") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, body := get("/readyz"); code != 200 || body != "ok\n" {
		t.Errorf("/readyz: %d %s", code, body)
	}
	reason = errors.New("stream RAW-00 is missing")
	if code, body := get("/readyz"); code != 503 || body != "not ready: stream RAW-00 is missing\n" {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := get("/elsewhere"); code != 404 {
		t.Errorf("/elsewhere: %d", code)
	}

	_, err = ops.Listen(t.Context(), s.Addr(), reg, nil)
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("a second server on the same port: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestBadAddress(t *testing.T) {
	for _, addr := range []string{"nonsense", "127.0.0.1:http-no", "256.0.0.1:80"} {
		if _, err := ops.Listen(t.Context(), addr, nil, nil); err == nil || !strings.Contains(err.Error(), "such as 127.0.0.1:8080") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestServeWithoutAddressWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ops.Serve(ctx, "", nil, nil); err != nil {
		t.Error(err)
	}
}

// TestOddRequests: whatever comes is answered or closed, soon, and the server
// goes on.
func TestOddRequests(t *testing.T) {
	reg := metrics.New(metrics.Desc{Name: "loghaul_lines_total", Kind: metrics.KindCounter, Help: "Lines."})
	s, err := ops.Listen(t.Context(), "127.0.0.1:0", reg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for _, test := range []struct{ request, want string }{
		{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"GET /healthz?verbose HTTP/1.0\n\n", "ok\n"},
		{"HEAD /healthz HTTP/1.1\r\n\r\n", "Content-Length: 3\r\nConnection: close\r\n\r\n"},
		{"POST /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
		{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
		{"GET http://x/healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		{"GET /healthz\r\n\r\n", "HTTP/1.1 400 "},
		{"\x16\x03\x01\x02\x00\n", "HTTP/1.1 400 "},
		{"GET /healthz HTTP/1.1\r\nX: " + strings.Repeat("y", 20_000), "HTTP/1.1 400 "},
		{"GET /", "HTTP/1.1 400 "},
		{"", ""},
	} {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, test.request) // the server may have hung up
		_ = conn.(*net.TCPConn).CloseWrite()      //nolint:errcheck // as dialed
		got, _ := io.ReadAll(conn)                // a reset ends it, too
		_ = conn.Close()
		if !strings.Contains(string(got), test.want) || test.want == "" && len(got) > 0 {
			t.Errorf("%.40q: got %q, want %q", test.request, got, test.want)
		}
	}
	// One that says nothing does not hold up the end.
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}
