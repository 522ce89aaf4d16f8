package main

import (
	"context"

	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// manifestStore is an archive as the notary sees it.
type manifestStore struct{ objectstore.Store }

// List is that of the store.
func (s manifestStore) List(ctx context.Context, prefix string, fn func(notary.Info) error) error {
	return s.Store.List(ctx, prefix, func(o objectstore.Info) error {
		return fn(notary.Info{Key: o.Key, Size: o.Size, Modified: o.Modified, ETag: o.ETag})
	})
}
