package notary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks"
)

// errTaken means that somebody else wrote the manifest that was to be written:
// the chain is read as far as it goes now.
var errTaken = errors.New("another has continued the chain")

// chain is the end of a writer's chain.
type chain struct {
	writer string
	// head is the newest manifest, nil if there is none yet.
	head *manifest.Link
	// to is where the next manifest begins.
	to time.Time
	// ended is its End.
	ended bool
}

// next is the key of the manifest that comes next.
func (c *chain) next() manifest.KeyInfo {
	k := manifest.KeyInfo{Writer: c.writer, Sequence: 1, From: c.to}
	if c.head != nil {
		k.Sequence = c.head.Sequence + 1
	}
	return k
}

func (c *chain) advance(f *manifest.File) {
	link := f.Link()
	c.head, c.to, c.ended = &link, f.Manifest.To.UTC(), f.Manifest.End
}

// continues says what keeps f from being the next manifest.
func (c *chain) continues(f *manifest.File) error {
	m := f.Manifest
	if want := c.next(); m.Key() != want.Key() {
		return fmt.Errorf("it says to be %s", m.Key())
	}
	if c.head != nil && *m.Previous != *c.head {
		return fmt.Errorf("it continues another manifest, %s", m.Previous.SHA256)
	}
	return nil
}

// chainError is a manifest that a chain cannot be continued behind.
type chainError struct {
	key string
	err error
}

func (e *chainError) Error() string {
	return fmt.Sprintf("the chain of manifests cannot go on behind %s: %v; look who made it, and bring the right one back or give the aggregator another name",
		e.key, e.err)
}

func (e *chainError) Unwrap() error { return e.err }

// clerk reads and writes chains. One goroutine uses it at a time.
type clerk struct {
	store Store
	// name is who writes, in MadeBy of others' manifests.
	name   string
	now    func() time.Time
	signer func() (*manifest.Signer, error)
	// heads are the newest manifests of other chains.
	heads      []manifest.Head
	summarizer *archive.Summarizer
}

// append writes the manifest d behind c. If another was there first c is what
// the chain has become, seen is called for each manifest that was added, and
// the error wraps errTaken. After any other error it may or may not be written,
// and the next call finds out.
func (k *clerk) append(ctx context.Context, c *chain, d draft, seen func(*manifest.File)) error {
	next := c.next()
	m := &manifest.Manifest{
		Writer: c.writer, Sequence: next.Sequence, Previous: c.head, From: d.from, To: d.to, Made: k.now(), End: d.end,
		Heads: slices.DeleteFunc(slices.Clone(k.heads), func(h manifest.Head) bool { return h.Writer == c.writer }),
	}
	if k.name != c.writer {
		m.MadeBy = k.name
	}
	entries, err := k.entries(ctx, c.writer, d.items)
	if err != nil {
		return err
	}
	signer, err := k.signer()
	if err != nil {
		return err
	}
	body, file, err := manifest.Encode(m, entries, signer)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", next.Key(), err)
	}
	err = k.store.Write(ctx, &sinks.Group{Key: next.Key(), Body: body, SHA256: sha256.Sum256(body)})
	switch {
	case err == nil:
		c.advance(file)
		return nil
	case !errors.Is(err, sinks.ErrConflict):
		return err
	}
	n, err := k.follow(ctx, c, seen)
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: %s, but there is no object to read", sinks.ErrConflict, next.Key())
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errTaken, next.Key())
}

// follow reads on from the end of c as it is known and counts the manifests
// that are there. Each of their keys follows from the one before.
func (k *clerk) follow(ctx context.Context, c *chain, seen func(*manifest.File)) (n int, err error) {
	for ; ; n++ {
		key := c.next().Key()
		body, err := k.store.Get(ctx, key)
		if errors.Is(err, sinks.ErrNotFound) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		f, err := manifest.Decode(body)
		if err == nil {
			err = c.continues(f)
		}
		if err != nil {
			return n, &chainError{key, err}
		}
		c.advance(f)
		seen(f)
	}
}

// entries gives what a manifest says of its objects, with the ETags that the
// store has for them.
func (k *clerk) entries(ctx context.Context, writer string, items []*item) ([]*manifest.Entry, error) {
	all := make([]*manifest.Entry, len(items))
	at := map[string]int{}
	prefixes := map[string]bool{}
	for i, it := range items {
		if it.entry == nil {
			if err := k.read(ctx, it); err != nil {
				return nil, err
			}
		}
		all[i], at[it.key] = it.entry, i
		prefix := path.Dir(it.key) + "/"
		if !strings.HasPrefix(it.key, archive.QuarantinePrefix) {
			prefix += writer + "-"
		}
		prefixes[prefix] = true
	}
	for prefix := range prefixes {
		err := k.store.List(ctx, prefix, func(o Info) error {
			if i, ok := at[o.Key]; ok && o.Size == all[i].Size {
				all[i].ETag = o.ETag
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// read makes the entry of an object that waits as key and checksum. The object
// is listed even if the store has lost or changed it: it was stored.
func (k *clerk) read(ctx context.Context, it *item) error {
	body, err := k.store.Get(ctx, it.key)
	if err != nil && !errors.Is(err, sinks.ErrNotFound) {
		return err
	}
	var s *archive.Summary
	if err == nil && sha256.Sum256(body) == it.sum && !strings.HasPrefix(it.key, archive.QuarantinePrefix) {
		if s, err = k.summarizer.Summarize(body); err != nil {
			return fmt.Errorf("summarize %s: %w", it.key, err)
		}
	}
	it.enter(s)
	return nil
}

// trusts reports whether what f lists need not be listed again: it is signed
// with the key at hand, or there is none.
func (k *clerk) trusts(f *manifest.File) bool {
	s, err := k.signer()
	if err != nil || s == nil {
		return err == nil
	}
	ring, err := manifest.ParseKeyring(s.Public())
	return err == nil && ring.Check(f) == nil
}

// lists reports whether f names the object of an item with the same checksum.
func lists(f *manifest.File, it *item) bool {
	objects := f.Manifest.Objects
	i, ok := slices.BinarySearchFunc(objects, it.key, func(o manifest.Object, key string) int { return strings.Compare(o.Key, key) })
	return ok && objects[i].SHA256 == hex.EncodeToString(it.sum[:])
}
