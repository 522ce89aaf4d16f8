// Package ops is the small HTTP server of every daemon: /metrics for
// Prometheus, /healthz and /readyz for whatever restarts it or sends it work.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
)

// drainTime bounds how long a stopping server waits for running requests.
const drainTime = 2 * time.Second

// Server serves one daemon's state. Make it with Listen, then call Run once.
type Server struct {
	listener net.Listener
	handler  http.Handler
}

// Listen opens addr ("127.0.0.1:8080", ":8080"; port 0 takes a free one). ready
// gives nil when the daemon does its work, else the reason why not; it is
// called for each request, possibly concurrently, and must return at once. A
// nil ready is always ready.
func Listen(ctx context.Context, addr string, reg *metrics.Registry, ready func() error) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("serve HTTP on %s: the port is taken by another program; choose another address or stop it: %w", addr, err)
	case err != nil:
		return nil, fmt.Errorf("serve HTTP on %q: want an address such as 127.0.0.1:8080 or :8080: %w", addr, err)
	}
	return &Server{listener: l, handler: Handler(reg, ready)}, nil
}

// Addr is the address that is served, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then finishes running requests and returns nil.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		_ = srv.Close() // requests that do not end are cut
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
	}
	return nil
}

// Serve is Listen and Run. An empty addr serves nothing and waits for ctx.
func Serve(ctx context.Context, addr string, reg *metrics.Registry, ready func() error) error {
	if addr == "" {
		<-ctx.Done()
		return nil
	}
	s, err := Listen(ctx, addr, reg, ready)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Handler is the three pages without a server.
func Handler(reg *metrics.Registry, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = reg.WritePrometheus(w) // the client is gone; nobody is left to tell
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready == nil {
			answer(w, nil)
			return
		}
		answer(w, ready())
	})
	return mux
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok\n"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = "not ready: " + err.Error() + "\n"
	}
	_, _ = io.WriteString(w, text)
}
