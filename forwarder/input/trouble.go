package input

import "sync/atomic"

// Trouble keeps why an input does not work at present. It is safe for concurrent
// use; the zero value is no trouble.
type Trouble struct{ why atomic.Pointer[error] }

// Problem gives the last error since Begins, or nil.
func (t *Trouble) Problem() error {
	if p := t.why.Load(); p != nil {
		return *p
	}
	return nil
}

// Begins notes an error, and reports whether all was well before.
func (t *Trouble) Begins(err error) bool { return t.why.Swap(&err) == nil }

// Ends notes that all is well, and reports whether it was not before.
func (t *Trouble) Ends() bool { return t.why.Load() != nil && t.why.Swap(nil) != nil }
