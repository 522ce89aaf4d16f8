package notary

import (
	"context"
	"time"

	"github.com/loghaul/loghaul/sinks"
)

// Store is the archive as the notary sees it. Errors are those of
// sinks.Durable, and wrap sinks.ErrNotFound where there is no object. It is
// safe for concurrent use.
type Store interface {
	sinks.Durable
	// List calls fn for every object whose key begins with prefix, in the order
	// of the keys' bytes. An error of fn ends it and is returned.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// Get reads a whole object.
	Get(ctx context.Context, key string) ([]byte, error)
	// ReadAt fills p from the given offset, like io.ReaderAt.
	ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error)
}

// Info describes an object.
type Info struct {
	Key  string
	Size int64
	// Modified is when the object was stored, by the store's clock.
	Modified time.Time
	// ETag is what the store calls the content, "" if it does not.
	ETag string
}

// readerAt reads one object.
type readerAt struct {
	ctx   context.Context //nolint:containedctx // lives as long as one read of a manifest
	store Store
	key   string
}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	return r.store.ReadAt(r.ctx, r.key, p, off)
}
