package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input"
)

const (
	// tlsBuffer is what a connection with TLS keeps of its own: one record of
	// TLS, which can't be waited for without memory to put it in.
	tlsBuffer = 16 << 10
	// excerpt is how much of a broken frame is logged.
	excerpt = 80
)

// conn is one connection. It belongs to its goroutine.
type conn struct {
	s      *stream
	peer   string
	raw    syscall.RawConn // of a connection without TLS
	tls    *tls.Conn       // or else nil
	own    []byte          // with TLS
	framer input.Framer
	rest   []byte // the beginning of a record whose end has not come; no memory if there is none
	pace   *input.Pace
	cut    int64 // what is counted of framer's numbers
	empty  int64

	// Of the current read:
	try func(fd uintptr) bool
	buf *[]byte
	n   int
	err error
}

// serve reads a connection until it ends or its deadline comes.
func (s *stream) serve(ctx context.Context, nc net.Conn) {
	c := &conn{s: s, peer: peer(nc), pace: input.NewPace(streamRest)}
	c.framer = input.Framer{Framing: s.framing, Max: s.cfg.MaxLine, Broken: c.broken}
	if s.tls != nil {
		c.tls, c.own = tls.Server(nc, s.tls), make([]byte, tlsBuffer)
		limited, cancel := context.WithTimeout(ctx, handshake)
		err := c.tls.HandshakeContext(limited)
		cancel()
		if err != nil {
			s.stats.Refused.Add(1)
			if s.said.New("tls "+c.peer, sayEvery) {
				s.deps.Logger.Error("a TLS handshake failed", "url", s.cfg.URL, "peer", c.peer, "why", err)
			}
			return
		}
	} else {
		sc, ok := nc.(syscall.Conn)
		if !ok {
			return // all of the net package's are
		}
		raw, err := sc.SyscallConn()
		if err != nil {
			return
		}
		c.raw = raw
	}
	c.try = c.tryRead
	for {
		err := c.read()
		if c.buf != nil {
			p := (*c.buf)[:len(c.rest)+c.n]
			copy(p, c.rest)
			c.take(ctx, p, err != nil)
			s.done(c.buf)
			c.buf = nil
		}
		if err != nil {
			c.ended(err)
			return
		}
		if c.tls == nil { // which reads a record of TLS at a time
			c.pace.Filled(int64(c.n), s.window)
			c.pace.Rest(ctx)
		}
	}
}

// read waits for bytes and puts them, behind room for the rest, into a buffer.
// With an error there is a buffer only if a rest has to be dealt with.
func (c *conn) read() error {
	if c.tls != nil {
		n, err := c.tls.Read(c.own)
		if n > 0 || len(c.rest) > 0 {
			c.buf = c.s.buffer()
			c.n = copy((*c.buf)[len(c.rest):], c.own[:n])
		}
		return err
	}
	err := c.raw.Read(c.try)
	if err == nil {
		err = c.err
	}
	if err != nil {
		c.n = 0
		if c.buf == nil && len(c.rest) > 0 {
			c.buf = c.s.buffer()
		}
	}
	return err
}

// tryRead reads once without waiting. It says false if there is nothing: then
// the buffer is free for others.
func (c *conn) tryRead(fd uintptr) bool {
	c.buf = c.s.buffer()
	for {
		c.n, c.err = unix.Read(int(fd), (*c.buf)[len(c.rest):])
		switch {
		case errors.Is(c.err, unix.EINTR):
			continue
		case errors.Is(c.err, unix.EAGAIN):
			c.s.done(c.buf)
			c.buf, c.n, c.err = nil, 0, nil
			return false
		case c.err == nil && c.n == 0:
			c.err = io.EOF
		}
		return true
	}
}

// take cuts p, which begins with the rest, into records and stores them. At
// the end an unfinished one is a record too.
func (c *conn) take(ctx context.Context, p []byte, end bool) {
	for {
		records, n, used := c.framer.Cut(p, end)
		input.Put(ctx, c.s.deps.Spool, &c.s.stats, records, n)
		if p = p[used:]; used == 0 || len(p) == 0 {
			break
		}
	}
	if len(p) == 0 {
		c.rest = nil
	} else {
		c.rest = bytes.Clone(p)
	}
	if d := c.framer.CutLines - c.cut; d > 0 {
		c.cut += d
		c.s.stats.Cut.Add(d)
		c.s.deps.Account.CutLines.Add(d)
	}
	if d := c.framer.Empty - c.empty; d > 0 {
		c.empty += d
		c.s.stats.Empty.Add(d)
	}
}

// broken is called with bytes that should be a frame and are not.
func (c *conn) broken(p []byte) {
	c.s.stats.Malformed.Add(1)
	if c.s.said.New("broken "+c.peer, 0) {
		c.s.deps.Logger.Warn("a frame does not begin with its length, or ends before it; it is kept as a line", "url", c.s.cfg.URL,
			"peer", c.peer, "begins_with", string(p[:min(len(p), excerpt)]))
	}
}

// ended logs why a connection ended, if that is no business as usual.
func (c *conn) ended(err error) {
	usual := errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
	if !usual && c.s.said.New("ended "+c.peer, sayEvery) {
		c.s.deps.Logger.Warn("a connection ended", "url", c.s.cfg.URL, "peer", c.peer, "why", err)
	}
}
