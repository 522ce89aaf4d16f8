package archive

import (
	"errors"
	"io"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

// Reader reads one object.
type Reader struct{ meta Meta }

// Row is one line of an object. It and everything it refers to are valid only
// during the call that it is passed to.
type Row struct {
	// Index is the row in the object.
	Index  int
	Source wire.Source
	// Offset is where the line starts in its source.
	Offset int64
	// Raw is the record without its LF, byte for byte as HAProxy wrote it.
	// NoLF says that the source ended without one.
	Raw  []byte
	NoLF bool
	// Time is the event's time in Unix milliseconds, UTCOffset the offset of
	// the clock that HAProxy printed, in seconds. TimeOK is false without.
	Time      int64
	UTCOffset int32
	TimeOK    bool
	// ReadAt is when the forwarder read the line, in Unix milliseconds.
	ReadAt int64
	// Format is the name of the format, "" for a line that none matched.
	Format string
	// Record is the parsed line, nil for a line that no format matched.
	Record *parser.Record
}

// Open reads and checks the footer of an object of size bytes. Pages are read
// by Rows. Corrupt input gives an error that matches ErrCorrupt; errors of r
// are passed on.
func Open(r io.ReaderAt, size int64) (*Reader, error) { return nil, errors.New("not yet") }

// Meta gives what the footer says about the object.
func (r *Reader) Meta() *Meta { return &r.meta }

// Rows calls fn for each line in the order of the rows until fn returns an
// error, which it then returns as it is.
func (r *Reader) Rows(fn func(*Row) error) error { return errors.New("not yet") }
