// Package embedded runs a JetStream server inside the process, for `loghaul
// up` and for tests: no port, every message fsynced before it is acknowledged.
// The forwarder must not link it.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// MaxPayload is the largest message the server takes, headers included.
const MaxPayload = 4 << 20

// startTimeout bounds the wait for a server that recovers its streams; they
// take about 0.3 s per GB of backlog from a warm page cache.
const startTimeout = 2 * time.Minute

// Options for Start. The zero value is usable.
type Options struct {
	// MaxStore bounds the bytes of all streams; the sum of the streams'
	// MaxBytes must fit. Zero means 16 GiB.
	MaxStore int64
	// Logger gets the server's warnings and errors. Nil means none.
	Logger *slog.Logger
	// Configure changes the server's options before it starts: tests use it
	// for a port, TLS or users.
	Configure func(*server.Options)
}

// Server is a running server.
type Server struct {
	srv  *server.Server
	stop sync.Once
}

// Start runs a server that keeps its streams below dir, which is made if it
// does not exist. Only one server may use dir at a time.
func Start(dir string, o Options) (*Server, error) {
	if o.MaxStore == 0 {
		o.MaxStore = 16 << 30
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the broker's folder: %w", err)
	}
	opts := &server.Options{
		ServerName: "loghaul",
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   dir,
		// Without it an acknowledged message may take two minutes to
		// reach the disk.
		SyncAlways:         true,
		JetStreamMaxStore:  o.MaxStore,
		JetStreamMaxMemory: 64 << 20,
		MaxPayload:         MaxPayload,
	}
	if o.Configure != nil {
		o.Configure(opts)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure the embedded broker: %w", err)
	}
	last := &lastError{log: o.Logger}
	srv.SetLoggerV2(last, false, false, false)
	go srv.Start()
	if err := ready(srv, last); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("start the embedded broker in %s: %w", dir, err)
	}
	return &Server{srv: srv}, nil
}

// ready waits until the server works, or has logged why it never will.
func ready(srv *server.Server, last *lastError) error {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); {
		if srv.ReadyForConnections(100 * time.Millisecond) {
			if srv.JetStreamEnabled() {
				return nil
			}
			return errors.New("JetStream did not start: " + last.text())
		}
		if text := last.text(); text != "" {
			return errors.New(text)
		}
	}
	return fmt.Errorf("not ready after %v", startTimeout)
}

// Option makes a connection go to this server, without a socket.
func (s *Server) Option() nats.Option { return nats.InProcessServer(s) }

// InProcessConn implements nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) {
	if !s.srv.Running() {
		return nil, errors.New("the embedded broker is stopped")
	}
	return s.srv.InProcessConn()
}

// ClientURL is the server's address if Options.Configure gave it a port.
func (s *Server) ClientURL() string { return s.srv.ClientURL() }

// Addr is its host and port.
func (s *Server) Addr() string { return s.srv.Addr().String() }

// Stop closes all connections and the streams and waits until the server is
// down. Calling it again does nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
	})
}

// lastError hands the server's warnings on and remembers the last fatal one,
// because Start reports failures only by logging.
type lastError struct {
	log *slog.Logger
	mu  sync.Mutex
	msg string
}

func (l *lastError) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.msg
}

func (l *lastError) error(msg string) {
	if l.log != nil {
		l.log.Error("embedded broker", "message", msg)
	}
}

func (l *lastError) Noticef(string, ...any) {}
func (l *lastError) Debugf(string, ...any)  {}
func (l *lastError) Tracef(string, ...any)  {}

func (l *lastError) Warnf(format string, v ...any) {
	if l.log != nil {
		l.log.Warn("embedded broker", "message", fmt.Sprintf(format, v...))
	}
}

func (l *lastError) Errorf(format string, v ...any) { l.error(fmt.Sprintf(format, v...)) }

func (l *lastError) Fatalf(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
	l.mu.Lock()
	l.msg = msg
	l.mu.Unlock()
	l.error(msg)
}
