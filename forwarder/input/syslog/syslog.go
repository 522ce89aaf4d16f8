// Package syslog listens where HAProxy sends its lines: datagrams over UDP or a
// socket in the file system, streams over TCP, with or without TLS, or such a
// socket. What comes is not looked into: headers of any format go through
// untouched, and the archive takes them off.
//
// A datagram is a record, and so is a frame of a stream, with one LF at its
// end. Datagrams are read in batches with recvmmsg. Losses are declared in the
// stream where they happened: what the kernel had no room for, and what the
// spool had none for.
package syslog

import (
	"log/slog"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/ledger"
)

// Deps is what a listener is given, all of it required.
type Deps struct {
	Spool   input.Spool
	Account *ledger.Account // of the listener's URL
	Logger  *slog.Logger
}

// New opens the socket. Run must be called after it, or the socket stays open.
func New(cfg Config, deps Deps) (input.Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a, err := parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	if a.stream() {
		return newStream(cfg, a, deps)
	}
	return newDatagram(cfg, a, deps)
}
