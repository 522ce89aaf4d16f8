package archive

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is wrapped by every error that means "these bytes are not an
	// object as Encode made it".
	ErrCorrupt = errors.New("corrupt object")
	// ErrUnverified is wrapped by the error of Encode when an object does not
	// give back what went into it. The batches are unharmed and must not be
	// acknowledged.
	ErrUnverified = errors.New("object failed its verification")
	// ErrVersion means that the object was written by a newer version of this
	// program.
	ErrVersion = errors.New("object has an unknown version")
)

// CorruptError says where an object is broken. It matches ErrCorrupt.
type CorruptError struct {
	// Check names the check that failed, as docs/formats/archive.md lists
	// them.
	Check string
	// Column is the column concerned, if it is one.
	Column string
	// Row is the row concerned, or -1.
	Row int
	// Offset is the position in the object, or -1.
	Offset int64
	// Err says what is wrong.
	Err error
}

// Error names the check and the place.
func (e *CorruptError) Error() string {
	s := "corrupt object: " + e.Check
	if e.Column != "" {
		s += ", column " + e.Column
	}
	if e.Row >= 0 {
		s += fmt.Sprintf(", row %d", e.Row)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(", byte %d", e.Offset)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap gives ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Err} }

func corrupt(check, column string, row int, format string, args ...any) error {
	return &CorruptError{Check: check, Column: column, Row: row, Offset: -1, Err: fmt.Errorf(format, args...)}
}
