package elastic

import (
	"context"
	"io"
	"net"
)

// conn gives the body of a request to the kernel from where it lies, in one call.
// The HTTP client would copy it to a buffer of its own, 32 KiB for each call. With
// TLS that is how it goes: the connection that the client writes to is then not this
// one.
type conn struct{ *net.TCPConn }

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		return conn{tcp}, nil
	}
	return c, err
}

// ReadFrom is what the HTTP client calls with the rest of a body, when the head of
// the request and the beginning have filled its buffer.
func (c conn) ReadFrom(r io.Reader) (n int64, err error) {
	l, limited := r.(*io.LimitedReader)
	if !limited {
		return c.TCPConn.ReadFrom(r)
	}
	body, ours := l.R.(*usedReader)
	if !ours { // of a question
		return c.TCPConn.ReadFrom(r)
	}
	n, err = body.WriteTo(c.TCPConn) // its length is that of the request
	l.N -= n
	return n, err
}
