package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// socket lets commands of the same user speak to the broker inside a `loghaul
// up`. It lies in a folder that nobody else may enter: who can open it could
// read the data folder as well.
type socket struct {
	folder   *os.File
	listener net.Listener
	connect  func() (net.Conn, error)
	log      *slog.Logger

	mu    sync.Mutex
	ended bool
	conns map[net.Conn]struct{}
	all   sync.WaitGroup
}

// socketFolder is where the socket of a data folder lies.
func socketFolder(data string) string { return filepath.Join(data, "run") }

const socketName = "broker.sock"

// inFolder gives a path to the socket that is short however deep the folder
// lies: the address of a socket has at most 107 bytes (unix(7)).
func inFolder(folder *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), socketName)
}

// listenSocket makes the socket. The caller holds the lock on data. connect
// gives a connection to the broker for each that is accepted.
func listenSocket(data string, connect func() (net.Conn, error), log *slog.Logger) (_ *socket, err error) {
	dir := socketFolder(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the socket: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder that only its owner enters
		return nil, fmt.Errorf("close the folder of the socket to others: %w", err)
	}
	s := &socket{connect: connect, log: log, conns: map[net.Conn]struct{}{}}
	if s.folder, err = os.Open(dir); err != nil {
		return nil, fmt.Errorf("open the folder of the socket: %w", err)
	}
	path := inFolder(s.folder)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of one that was killed
		return nil, errors.Join(fmt.Errorf("remove the old socket: %w", err), s.folder.Close())
	}
	if s.listener, err = net.Listen("unix", path); err != nil { //nolint:noctx // it returns at once
		return nil, errors.Join(fmt.Errorf("listen in %s: %w", dir, err), s.folder.Close())
	}
	s.all.Go(s.accept)
	return s, nil
}

func (s *socket) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.log.Warn("loghaul tail --data cannot be used any more; nothing else is affected", "error", err)
			}
			return
		}
		broker, err := s.connect()
		if err != nil || !s.keep(conn, broker) {
			_ = conn.Close() // the other end sees that
			continue
		}
		s.all.Go(func() { s.copy(broker, conn) })
		s.all.Go(func() { s.copy(conn, broker) })
	}
}

// keep notes connections that have to end with the socket. It is false if that
// has ended.
func (s *socket) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		if s.ended {
			_ = c.Close() // nothing was said yet
			continue
		}
		s.conns[c] = struct{}{}
	}
	return !s.ended
}

// copy passes on what one end says, and ends both when it says no more.
func (s *socket) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from) // an end like any other
	for _, c := range []net.Conn{to, from} {
		_ = c.Close() // both ends know what they have got
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}
}

// close ends all connections and removes the socket.
func (s *socket) close() {
	_ = s.listener.Close() // it removes the file
	s.mu.Lock()
	s.ended = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	_ = s.folder.Close() // only read
}

// socketTo is the way to the broker of a data folder.
type socketTo string

// InProcessConn implements nats.InProcessConnProvider.
func (data socketTo) InProcessConn() (net.Conn, error) {
	folder, err := os.Open(socketFolder(string(data)))
	if err != nil {
		return nil, fmt.Errorf("no loghaul up runs with --data %s, or not as this user: %w", string(data), err)
	}
	defer folder.Close()                            //nolint:errcheck // only read
	conn, err := net.Dial("unix", inFolder(folder)) //nolint:noctx // it answers at once or not at all
	if err != nil {
		return nil, fmt.Errorf("no loghaul up runs with --data %s, or not as this user: %w", string(data), err)
	}
	return conn, nil
}
