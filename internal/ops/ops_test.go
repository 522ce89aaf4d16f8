package ops_test

import (
	"context"
	"errors"
	"io"
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
