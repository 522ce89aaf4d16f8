// Package input is what the ways in that are no files have in common: sockets,
// standard input, the journal. Each is in a package of its own below; all of
// them hand records to a Spool at once and know nothing of what follows.
//
// Who can be made to wait is made to wait when the spool is full: streams are
// not read then. Datagrams can't wait; those are declared as lost.
package input

import (
	"context"
	"sync/atomic"
)

// Spool takes records. It is owned by its inputs, which may all use one at the
// same time.
type Spool interface {
	// Append takes n whole records, each ending with LF, all or nothing. It
	// does not keep the memory. Any error means: not taken.
	Append(records []byte, n int) error
	// Lose declares, at this place of the stream, a loss for a reason of
	// package ledger. What is not known is 0.
	Lose(reason string, lines, bytes int64)
	// WaitRoom blocks until Append has a chance again, or ctx ends.
	WaitRoom(ctx context.Context) error
}

// Input is one way in. Its package's New has opened it.
type Input interface {
	// Name is the URL, or what stands for it, under which the input has its
	// account.
	Name() string
	// Run works until ctx ends, takes what has arrived by then, and returns.
	// It returns nil at the end of ctx, and where the input itself ends.
	Run(ctx context.Context) error
	// Stats may be read at any time by anybody.
	Stats() *Stats
	// Problem says why the input does not do its work, or nil. Anybody may
	// call it at any time.
	Problem() error
}

// Stats counts what the ledger does not. What an input can't have stays 0.
type Stats struct {
	// Records and Bytes went to the spool.
	Records, Bytes atomic.Int64
	// Datagrams came, Empty of them with nothing in them.
	Datagrams, Empty atomic.Int64
	// KernelDrops is how many datagrams the kernel had no room for.
	KernelDrops atomic.Int64
	// BufferAsked and BufferGot are the socket's receive buffer, in bytes as
	// the kernel counts them.
	BufferAsked, BufferGot atomic.Int64
	// Connections are open now; Accepted and Refused count them.
	Connections, Accepted, Refused atomic.Int64
	// Malformed counts frames, or entries, that were not what they should be.
	Malformed atomic.Int64
	// Cut counts lines that were longer than the bound.
	Cut atomic.Int64
	// Refusals counts how often the spool had no room.
	Refusals atomic.Int64
	// Restarts counts how often a child process was started again.
	Restarts atomic.Int64
}
