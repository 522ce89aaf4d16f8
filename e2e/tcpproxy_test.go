package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// pace is how a tcpProxy passes on what clients send.
type pace int

const (
	freely pace = iota // at once
	crawl              // a byte a second for each connection
	held               // nothing; connections are accepted and stay open
)

// tcpProxy is the network before a server: it can be slow, stand still, or be
// gone. What the server answers always goes through.
type tcpProxy struct {
	// Addr is host:port, the same for its whole life.
	Addr string

	t      *testing.T
	target string
	all    sync.WaitGroup

	mu       sync.Mutex
	pace     pace
	changed  chan struct{} // closed when pace changes
	listener net.Listener  // nil while cut
	conns    map[net.Conn]bool
}

// newTCPProxy stands before target, host:port, until the test ends.
func newTCPProxy(t *testing.T, target string) *tcpProxy {
	t.Helper()
	p := &tcpProxy{t: t, target: target, Addr: fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)), changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.Mend()
	t.Cleanup(func() {
		p.Cut()
		p.all.Wait()
	})
	return p
}

// Mend lets clients connect, again after a Cut.
func (p *tcpProxy) Mend() {
	p.t.Helper()
	// Small buffers: a client notices soon that nothing moves.
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	l, err := c.Listen(context.Background(), "tcp", p.Addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = l
	p.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(conn) })
		}
	})
}

// Cut ends all connections, and refuses new ones.
func (p *tcpProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
	p.set(freely) // nobody waits any more
}

// Set changes the pace, also of what is connected already.
func (p *tcpProxy) Set(to pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(to)
}

func (p *tcpProxy) set(to pace) {
	p.pace = to
	close(p.changed)
	p.changed = make(chan struct{})
}

// keep notes connections for Cut. It reports false, and closes them, when the
// network was cut meanwhile.
func (p *tcpProxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.listener == nil {
			_ = c.Close()
		}
		p.conns[c] = true
	}
	return p.listener != nil
}

func (p *tcpProxy) serve(client net.Conn) {
	defer p.end(client)
	if !p.keep(client) {
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer p.end(server)
	if !p.keep(server) {
		return
	}
	p.all.Go(func() {
		p.copy(client, server, func() pace { return freely })
		p.end(client)
	})
	p.copy(server, client, p.wait)
}

func (p *tcpProxy) end(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

// copy passes on what comes, as fast as gate lets it.
func (*tcpProxy) copy(dst, src net.Conn, gate func() pace) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			part := rest
			if gate() == crawl {
				part = rest[:1]
			}
			if _, err := dst.Write(part); err != nil {
				return
			}
			rest = rest[len(part):]
		}
		if err != nil {
			return
		}
	}
}

// wait returns when something may pass.
func (p *tcpProxy) wait() pace {
	for {
		p.mu.Lock()
		now, changed := p.pace, p.changed
		p.mu.Unlock()
		switch now {
		case freely:
			return now
		case crawl:
			select {
			case <-changed:
			case <-time.After(time.Second):
				return now
			}
		case held:
			<-changed
		}
	}
}
