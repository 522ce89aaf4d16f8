package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/internal/backoff"
)

const (
	// readers bounds how many connections are read at the same moment, each
	// into one buffer. The others wait their turn.
	readers = 4
	// readBuffer is the least size of a buffer.
	readBuffer = 256 << 10
	// streamRest is how long lines are left with the kernel: short enough that
	// what a connection's receive buffer holds never makes HAProxy wait, whose
	// own ring is small.
	streamRest = 4 * time.Millisecond
	// tcpWindow and unixWindow are what a sender surely may have under way. Over
	// a socket in the file system its own buffer bounds that: 208 KiB, overhead
	// included.
	tcpWindow, unixWindow = 256 << 10, 48 << 10
	// lastWords is how long connections are read on at the end, and taken that
	// had come before it: a sender may have said all and be gone.
	lastWords = 100 * time.Millisecond
	// handshake bounds a TLS handshake.
	handshake = 10 * time.Second
)

// stream is a listener for connections. Each has a goroutine of its own, and no
// buffer while nothing comes.
type stream struct {
	cfg      Config
	deps     Deps
	listener net.Listener
	file     *socketFile // for a socket in the file system
	tls      *tls.Config // nil: none
	framing  input.Framing
	window   int64
	turns    chan struct{} // one for each buffer in use
	buffers  sync.Pool
	stats    input.Stats
	said     input.Said
	input.Trouble

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newStream(cfg Config, a address, deps Deps) (_ input.Input, err error) {
	s := &stream{cfg: cfg, deps: deps, turns: make(chan struct{}, readers), conns: map[net.Conn]struct{}{}}
	s.buffers.New = func() any { b := make([]byte, max(readBuffer, 2*cfg.MaxLine)); return &b }
	if s.framing, err = framing(cfg.Framing); err != nil {
		return nil, err
	}
	if s.tls, err = cfg.TLS.load(); err != nil {
		return nil, err
	}
	if err := s.open(a); err != nil {
		return nil, err
	}
	return s, nil
}

// open listens. Connections inherit the receive buffer.
func (s *stream) open(a address) (err error) {
	network, addr := "tcp", a.hostPort()
	s.window = tcpWindow
	if a.path != "" {
		network, addr, s.window = "unix", a.path, unixWindow
		if err := clearPath(a.path); err != nil {
			return err
		}
	}
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if a.path != "" {
			return nil // the senders' buffers count
		}
		asked := min(s.cfg.ReceiveBuffer, 1<<20) // for each connection
		errControl := c.Control(func(fd uintptr) {
			var got int
			got, err = setReceiveBuffer(int(fd), asked)
			s.stats.BufferAsked.Store(2 * int64(asked))
			s.stats.BufferGot.Store(int64(got))
		})
		return errors.Join(errControl, err)
	}}
	if s.listener, err = l.Listen(context.Background(), network, addr); err != nil {
		return explain(a, err)
	}
	if u, ok := s.listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // we look whose it is
		if s.file, err = madeSocket(&s.cfg, a.path); err != nil {
			return errors.Join(err, s.listener.Close())
		}
	}
	return nil
}

// Name gives the URL.
func (s *stream) Name() string { return s.cfg.URL }

// Stats gives the counters.
func (s *stream) Stats() *input.Stats { return &s.stats }

// Run takes connections until ctx ends, and then what they have sent.
func (s *stream) Run(ctx context.Context) error {
	var all sync.WaitGroup
	var removed error
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		removed = s.file.remove()
		s.deadline(time.Now().Add(lastWords))
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.SetReadDeadline(time.Now().Add(lastWords))
		}
	})
	defer stop()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			s.failed(ctx, err)
			continue
		}
		s.accepted()
		if !s.add(ctx, c) {
			_ = c.Close()
			continue
		}
		all.Go(func() {
			defer s.remove(c)
			s.serve(ctx, c)
		})
	}
	<-ended
	err := errors.Join(s.listener.Close(), removed)
	all.Wait()
	return err
}

// deadline ends Accept at t.
func (s *stream) deadline(t time.Time) {
	if l, ok := s.listener.(interface{ SetDeadline(t time.Time) error }); ok { // TCP and UNIX
		_ = l.SetDeadline(t)
	}
}

// add counts a connection, unless there are enough.
func (s *stream) add(ctx context.Context, c net.Conn) bool {
	s.stats.Accepted.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.cfg.MaxConnections {
		s.stats.Refused.Add(1)
		if s.said.New("refused", sayEvery) {
			s.deps.Logger.Error("there are too many connections: more are refused", "url", s.cfg.URL,
				"max_connections", s.cfg.MaxConnections, "peer", peer(c))
		}
		return false
	}
	s.conns[c] = struct{}{}
	s.stats.Connections.Store(int64(len(s.conns)))
	if ctx.Err() != nil { // the deadlines were set before
		_ = c.SetReadDeadline(time.Now().Add(lastWords))
	}
	return true
}

func (s *stream) remove(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.stats.Connections.Store(int64(len(s.conns)))
}

// failed takes an error of Accept. Most often there are too many open files.
func (s *stream) failed(ctx context.Context, err error) {
	if errors.Is(err, syscall.ECONNABORTED) {
		return
	}
	if errors.Is(err, syscall.EMFILE) {
		err = fmt.Errorf("%w: raise the limit of open files (systemd: LimitNOFILE=)", err)
	}
	err = fmt.Errorf("%s: %w", s.cfg.URL, err)
	if s.Begins(err) {
		s.deps.Logger.Error("can't accept connections", "url", s.cfg.URL, "why", err)
	}
	_ = backoff.Sleep(ctx, troubled) // the caller sees the end
}

func (s *stream) accepted() {
	if s.Ends() {
		s.deps.Logger.Info("connections are accepted again", "url", s.cfg.URL)
	}
}

// buffer waits for a buffer; done gives it back.
func (s *stream) buffer() *[]byte {
	s.turns <- struct{}{}
	return s.buffers.Get().(*[]byte) //nolint:errcheck,forcetypeassert // nothing else is in there
}

func (s *stream) done(b *[]byte) {
	s.buffers.Put(b)
	<-s.turns
}

// peer names who is at the other end, without a port: it is new each time.
func peer(c net.Conn) string {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return "local"
}

// load reads the files. They are not read again later.
func (t *TLS) load() (*tls.Config, error) {
	if *t == (TLS{}) {
		return nil, nil //nolint:nilnil // none is wanted
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: reading %s and %s: %w", t.Cert, t.Key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls: client_ca: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls: client_ca: %s has no certificate in PEM format", t.ClientCA)
	}
	return c, nil
}
