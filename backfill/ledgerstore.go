package backfill

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// LedgerStore is an archive as the ledger of gaps sees it.
type LedgerStore struct{ objectstore.Store }

// Put is Write of the store.
func (s LedgerStore) Put(ctx context.Context, key string, body []byte) error {
	return s.Write(ctx, &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body)})
}

// Delete is RemoveGap of the store.
func (s LedgerStore) Delete(ctx context.Context, key string) error { return s.RemoveGap(ctx, key) }

// Get is that of the store.
func (s LedgerStore) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := s.Store.Get(ctx, key)
	if errors.Is(err, sinks.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", gaps.ErrGone, err)
	}
	return b, err
}

// List is that of the store.
func (s LedgerStore) List(ctx context.Context, prefix string, fn func(gaps.Info) error) error {
	return s.Store.List(ctx, prefix, func(o objectstore.Info) error {
		return fn(gaps.Info{Key: o.Key, Size: o.Size, Modified: o.Modified})
	})
}

var _ gaps.Store = LedgerStore{}
