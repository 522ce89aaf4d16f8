package archive

import (
	"errors"
	"time"
)

// Encoder makes objects. It keeps its buffers between them. One goroutine may
// use it at a time.
type Encoder struct{}

// NewEncoder makes an Encoder. The error says what is wrong with o.
func NewEncoder(o Options) (*Encoder, error) { return nil, errors.New("not yet") }

// Encode makes one object of batches and verifies it. It sorts batches by
// node, source and offset and drops those that repeat another one exactly.
// sealed is when their window was closed. The batches can be acknowledged once
// the object is stored. An error that wraps ErrUnverified means that no
// object could be made that gives the bytes back.
func (e *Encoder) Encode(batches []Batch, sealed time.Time) (*Object, error) {
	return nil, errors.New("not yet")
}
