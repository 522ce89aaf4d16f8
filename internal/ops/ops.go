// Package ops is the small HTTP server of every daemon: /metrics for
// Prometheus, /healthz and /readyz for whatever restarts it or sends it work.
package ops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
)

const (
	// drainTime bounds how long a stopping server waits for running requests.
	drainTime = 2 * time.Second
	// requestTime bounds a request, from its first byte to the last of the answer.
	requestTime = 10 * time.Second
	// maxConnections bounds those that are answered at a time; more wait.
	maxConnections = 16
)

// Server serves one daemon's state. Make it with Listen, then call Run once.
type Server struct {
	listener net.Listener
	pages    pages
}

// CheckAddress finds what is wrong with an address for Listen, without opening
// it; "" serves nothing and is right.
func CheckAddress(addr string) error {
	if addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port)
	}
	if err != nil {
		return badAddress(addr, err)
	}
	return nil
}

func badAddress(addr string, err error) error {
	return fmt.Errorf("serve HTTP on %q: want an address such as 127.0.0.1:8080 or :8080: %w", addr, err)
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
		return nil, badAddress(addr, err)
	}
	return &Server{listener: l, pages: pages{reg: reg, ready: ready}}, nil
}

// Addr is the address that is served, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then finishes running requests and returns nil.
func (s *Server) Run(ctx context.Context) error {
	// What runs is cut when it has not ended some time after ctx.
	cut, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		_ = s.listener.Close() // ends Accept
		time.AfterFunc(drainTime, end)
	})
	defer stop()
	var requests sync.WaitGroup
	defer requests.Wait()
	room := make(chan struct{}, maxConnections)
	for {
		room <- struct{}{}
		conn, err := s.listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			<-room
			select { // it passes
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
		}
		requests.Go(func() {
			defer func() { <-room }()
			stop := context.AfterFunc(cut, func() { _ = conn.Close() })
			defer stop()
			s.pages.serve(conn)
		})
	}
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
