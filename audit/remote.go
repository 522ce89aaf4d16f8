package audit

import (
	"context"
	"io"
)

// tailSize is how much of an object's end is read at once: with most objects
// the whole footer, so that listing an archive costs one request per object.
const tailSize = 64 << 10

// remote is an object in a store as an io.ReaderAt. One goroutine uses it, and
// only during the call whose context it holds.
type remote struct {
	ctx   context.Context //nolint:containedctx // io.ReaderAt has no room for one
	store Store
	key   string
	size  int64
	tail  []byte // the last bytes of the object
}

// ReaderAt gives an object of size bytes as an io.ReaderAt, whose end is read
// once. One goroutine may use it at a time, until ctx ends.
func ReaderAt(ctx context.Context, store Store, key string, size int64) io.ReaderAt {
	return &remote{ctx: ctx, store: store, key: key, size: size}
}

// ReadAt follows io.ReaderAt.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	start := max(0, r.size-tailSize)
	if off < start || off > r.size {
		return r.store.ReadAt(r.ctx, r.key, p, off)
	}
	if r.tail == nil {
		tail := make([]byte, r.size-start)
		if n, err := r.store.ReadAt(r.ctx, r.key, tail, start); n < len(tail) {
			return 0, err
		}
		r.tail = tail
	}
	n := copy(p, r.tail[off-start:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
