// Package source is what the forwarder's inputs and its shipper agree on: a
// byte stream that batches are cut from, whatever lies behind it.
//
// A stream is a run of records, each ending with LF, in which every byte has
// an offset that never changes. Stretches of it may be lost: then the stream
// says so, in its order, and the offsets go on behind them.
package source

import (
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// Source is one byte stream: a generation of a file, a spool, a counter of
// lines that somebody else lost. It is used by one goroutine.
type Source interface {
	// Name is the identity that travels with each batch. Reading may add to it.
	Name() wire.Source
	// Labels are static fields that travel with each batch.
	Labels() wire.Labels
	// Read reads the next batch into sink, whole records from the read
	// position on, at most limit bytes unless the first record alone is
	// longer. buf is scratch space and bounds the size of a run of bytes. An
	// empty Run means that there is nothing; the read position moves to its
	// end otherwise. A Run with Lost set has put nothing into sink.
	Read(buf []byte, limit int64, sink Sink) (Run, error)
	// Confirm says that every byte before to is durably stored, or declared
	// lost where nobody forgets it. Called in order, with the ends of Runs.
	Confirm(to int64)
}

// Run is one stretch of a stream.
type Run struct {
	// From and To are its range [From, To).
	From, To int64
	// Continued means that the first record is the rest of a line that was
	// cut before it, for being longer than the bound.
	Continued bool
	// Lost, if not empty, is the reason (of package ledger) for which these
	// bytes are not to be had; LostLines how many lines they were, 0 if nobody
	// knows.
	Lost      string
	LostLines int64
}

// Empty says that there was nothing to read.
func (r Run) Empty() bool { return r.To <= r.From }

// Sink takes the bytes of one batch. ship's packer is one.
type Sink interface {
	// Room is how many raw bytes are sure to fit still, whatever they are.
	Room() int
	// Add takes a run of bytes, at most Room, and says how many LFs are in it.
	// It copies what it keeps.
	Add(run []byte) (lines int)
}

// Feed offers sources that have a batch due. One goroutine calls it.
type Feed interface {
	// Step does the housekeeping that is due.
	Step(now time.Time)
	// Next gives a source that has a batch due, in turns, or nil.
	Next(now time.Time) Source
	// NextStep says when to call Step or Next again at the latest. When the
	// broker takes nothing (blocked) only housekeeping counts.
	NextStep(blocked bool) time.Time
	// Flush makes everything that is there now due at once.
	Flush(now time.Time)
	// Dirty says whether positions changed since it was last asked.
	Dirty() bool
	// Report gives what there is to say about each source.
	Report() []Status
}

// Status is what can be said about a source at one moment.
type Status struct {
	// Source is its identity; ID is empty while it is not known yet.
	Source wire.Source
	// Input is the pattern or URL that it comes from.
	Input string
	// State is one word or two: live, rotated, missing, …
	State string
	// Read and Acked are positions in the stream, Size is its end as seen last.
	Read, Acked, Size int64
	// Since is when the oldest byte that is not acked was seen, zero if there
	// is none.
	Since time.Time
	// Problem is what is wrong, "" if nothing is.
	Problem string
}
