// Package sinks holds the two contracts an aggregator hands archived lines to,
// and what decorates them. The guarantee is in the signature: a Durable that
// returns nil has stored the group; a BestEffort can neither block nor fail
// its caller.
package sinks

import (
	"context"
	"crypto/sha256"
	"errors"
)

// Group is one sealed, encoded and verified object of the archive: the unit
// that both sinks take. It is immutable once made; sinks may keep it.
type Group struct {
	// Key is the object's name below the archive's root, with "/" between
	// folders. It is derived from the content, so writing a group again after
	// a lost answer meets its own object.
	Key string
	// Body is the object's bytes.
	Body []byte
	// SHA256 is the checksum of Body.
	SHA256 [sha256.Size]byte
	// Lines is the number of log lines in the object.
	Lines int
	// RawBytes is how many bytes those lines had, LFs included.
	RawBytes int64
}

// Durable stores groups for good.
type Durable interface {
	// Write stores g under g.Key and returns nil only when it is stored: on
	// stable storage or confirmed by the object store, checksum included. An
	// object is never overwritten: if the key exists with the same content,
	// Write returns nil; with other content, ErrConflict. After any other
	// error the group may or may not be stored, and writing it again is safe.
	// An error that no retry can cure wraps ErrPermanent. Write is safe for
	// concurrent use.
	Write(ctx context.Context, g *Group) error
}

// BestEffort takes groups that are archived already, if it can.
type BestEffort interface {
	// Offer hands g over and reports whether it was taken. It returns at
	// once: when there is no room the group is dropped and counted.
	Offer(g *Group) bool
}

var (
	// ErrConflict means that the key exists with other content.
	ErrConflict = errors.New("an object with other content has this key")
	// ErrPermanent means that trying again without a change by an operator
	// cannot succeed: a missing bucket, a refused credential.
	ErrPermanent = errors.New("needs an operator")
	// ErrCorrupt means that the group itself is damaged: its body does not have
	// its checksum, or its key is not one. Writing it again is pointless; its
	// lines have to be fetched and encoded again.
	ErrCorrupt = errors.New("the group is damaged")
	// ErrNotFound means that no object has the key.
	ErrNotFound = errors.New("no such object")
)
