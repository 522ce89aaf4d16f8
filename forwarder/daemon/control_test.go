package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder"
)

// sickListener fails some times and then has connections.
type sickListener struct {
	conns  chan net.Conn
	fails  int
	closed chan struct{}
}

func (l *sickListener) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, errors.New("too many open files")
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *sickListener) Close() error   { close(l.closed); return nil }
func (l *sickListener) Addr() net.Addr { return &net.UnixAddr{Name: "control", Net: "unix"} }

// TestStatusIsAnsweredAfterAnErrorOfTheSocket and the end is not held up.
func TestStatusIsAnsweredAfterAnErrorOfTheSocket(t *testing.T) {
	l := &sickListener{conns: make(chan net.Conn), fails: 2, closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	c := control{forwarder: &forwarder.Forwarder{}, log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	go func() { defer close(done); c.accept(ctx, l) }()
	ours, theirs := net.Pipe()
	defer ours.Close()
	select {
	case l.conns <- theirs:
	case <-done:
		t.Error("it gave up")
	}
	cancel() // the request ends with an error, too
	body, err := io.ReadAll(ours)
	if err != nil || !strings.Contains(string(body), context.Canceled.Error()) {
		t.Errorf("answered %q, %v", body, err)
	}
	<-done
}
