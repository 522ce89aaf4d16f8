package broker

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Socket is the TCP connection below a *nats.Conn, also under TLS: for reading
// what the kernel knows of it, and for cutting it. Neither waits for the locks
// of nats.go, which are held while a write blocks. It is safe for concurrent
// use. One Socket belongs to one Connect.
type Socket struct {
	// LocalAddr, if set, is where connections come from. Linux gives out half
	// of its ports to one address quickly, 14,000, and the others slowly.
	LocalAddr *net.TCPAddr

	timeout time.Duration // of a dial; set by Connect

	mu     sync.Mutex
	conn   *net.TCPConn
	cancel context.CancelFunc // ends the dial that is under way
	closed bool
}

// Dial is nats.CustomDialer. TCP keep-alive stays off: PING finds a vanished
// host sooner, and a large fleet's probes are not free.
func (s *Socket) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, net.ErrClosed
	}
	s.cancel = cancel
	s.mu.Unlock()

	d := net.Dialer{KeepAlive: -1}
	if s.LocalAddr != nil {
		d.LocalAddr = s.LocalAddr
	}
	nc, err := d.DialContext(ctx, network, address)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = nil
	if err != nil {
		return nil, err
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc, nil
	}
	if s.closed {
		_ = tcp.Close() // the error that counts is the next one
		return nil, net.ErrClosed
	}
	s.conn = tcp
	return &cutting{TCPConn: tcp}, nil
}

// Cut closes the connection; nats.go then connects again after its delay.
// What was not answered counts as not sent. Without a connection it does
// nothing.
func (s *Socket) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close() // closed twice at worst
		s.conn = nil
	}
}

// Close cuts the connection for good: no other is made, and a dial under way
// ends. It makes (*nats.Conn).Close return at once even if the broker has
// stopped reading.
func (s *Socket) Close() {
	s.mu.Lock()
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	s.Cut()
}

// Info asks the kernel; false when there is no TCP connection.
func (s *Socket) Info() (TCPInfo, bool) {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c == nil {
		return TCPInfo{}, false
	}
	return tcpInfo(c)
}

// cutting closes a connection whose write has failed. nats.go would go on with
// it if nothing of the write got out, but under TLS every write after one that
// timed out fails, and only the pings would find out, a minute later.
type cutting struct {
	*net.TCPConn
	failed atomic.Pointer[error]
}

func (c *cutting) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	if err != nil {
		c.failed.CompareAndSwap(nil, &err)
		_ = c.Close() // err says what happened
	}
	return n, err
}

// Read reports the failed write. Without one, net.ErrClosed means that we have
// cut the connection.
func (c *cutting) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if err != nil {
		if failed := c.failed.Load(); failed != nil {
			err = *failed
		}
	}
	return n, err
}
