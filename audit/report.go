package audit

import (
	"context"

	"github.com/loghaul/loghaul/sinks/objectstore"
)

// FindReport counts what Find did.
type FindReport struct {
	// Lines and Bytes were written, or are what there is if lines were only
	// counted. Duplicates were left out: the same line is in another object, or
	// twice in one.
	Lines      int64 `json:"lines"`
	Bytes      int64 `json:"bytes"`
	Duplicates int64 `json:"duplicates"`
	// Listed is the objects that there are in the partitions looked at, Manifests
	// the manifests that were read about them.
	Listed    int `json:"objects_listed"`
	Manifests int `json:"manifests_read"`
	// Pruned is how many objects were left out before any line was looked at, by
	// what excluded them. Candidates is the rest; Scanned of them were asked, and
	// Matched had a wanted line.
	Pruned     map[string]int `json:"pruned"`
	Candidates int            `json:"candidates"`
	Scanned    int            `json:"scanned"`
	Matched    int            `json:"matched"`
	// ScannedLines and ScannedBytes are the lines of the scanned objects, and
	// their bytes as HAProxy wrote them.
	ScannedLines int64 `json:"scanned_lines"`
	ScannedBytes int64 `json:"scanned_bytes"`
	// ListedBytes is what all listed objects take, BytesRead what was read of
	// them and of manifests, by as many Requests, listing included.
	ListedBytes int64 `json:"listed_bytes"`
	BytesRead   int64 `json:"bytes_read"`
	Requests    int64 `json:"requests"`
	// Missing are fields that the filter asks for and that no format of the
	// objects that were opened has; nil if none was opened.
	Missing []string `json:"missing,omitempty"`
	// Done is that of Candidates which is behind.
	Done int `json:"-"`
}

// List follows Store.
func (c *countedStore) List(ctx context.Context, prefix string, fn func(objectstore.Info) error) error {
	c.requests.Add(1)
	return c.store.List(ctx, prefix, fn)
}

// Get follows Store.
func (c *countedStore) Get(ctx context.Context, key string) ([]byte, error) {
	c.requests.Add(1)
	b, err := c.store.Get(ctx, key)
	c.bytes.Add(int64(len(b)))
	return b, err
}

// ReadAt follows Store.
func (c *countedStore) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	c.requests.Add(1)
	n, err := c.store.ReadAt(ctx, key, p, off)
	c.bytes.Add(int64(n))
	return n, err
}
