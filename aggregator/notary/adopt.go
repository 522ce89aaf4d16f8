package notary

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks"
)

// damagedError says why an object is not adopted. Verify names it, too.
type damagedError struct {
	key string
	err error
}

func (e *damagedError) Error() string {
	return e.key + " is in no manifest, and is not put into one: " + e.err.Error()
}

func (e *damagedError) Unwrap() error { return e.err }

// adopt makes an item of an object that no manifest lists. Nobody is left who
// could say what it was, so all of it is read: it must have the checksum and
// the writer that its key names, and every line must come out. The error is a
// damagedError or one of the store.
func (k *clerk) adopt(ctx context.Context, key string) (*item, error) {
	body, err := k.store.Get(ctx, key)
	if errors.Is(err, sinks.ErrNotFound) {
		return nil, &damagedError{key, err}
	}
	if err != nil {
		return nil, err
	}
	it := &item{key: key, size: int64(len(body)), sum: sha256.Sum256(body), sealed: sealed(key), recovered: true}
	if strings.HasPrefix(key, archive.QuarantinePrefix) {
		if !strings.Contains(key, fmt.Sprintf("-%x.", it.sum[:6])) {
			return nil, &damagedError{key, fmt.Errorf("its SHA-256 is %x", it.sum)}
		}
		it.enter(nil)
		return it, nil
	}
	s, err := k.check(key, body, it.sum)
	if err != nil {
		return nil, &damagedError{key, err}
	}
	it.enter(s)
	return it, nil
}

func (k *clerk) check(key string, body []byte, sum [sha256.Size]byte) (*archive.Summary, error) {
	name, err := archive.ParseKey(key)
	if err != nil {
		return nil, err
	}
	if !name.Matches(sum) {
		return nil, fmt.Errorf("its SHA-256 is %x", sum)
	}
	r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	if m := r.Meta(); m.Writer != name.Writer || !m.Sealed.Equal(name.Sealed) {
		return nil, fmt.Errorf("%s made it at %s", m.Writer, m.Sealed)
	}
	raw, err := r.RawSHA256(nil)
	if err != nil {
		return nil, err
	}
	s, err := k.summarizer.Summarize(body)
	if err != nil {
		return nil, err
	}
	switch s.Meta.RawSHA256 {
	case raw:
	case "": // of a version that did not have it
		s.Meta.RawSHA256 = raw
	default:
		return nil, fmt.Errorf("its lines have the SHA-256 %s, and it says %s", raw, s.Meta.RawSHA256)
	}
	return s, nil
}

// listing is a list of objects that go into a chain.
type listing struct {
	// found are the objects, oldest first.
	found []Info
	// to is where the chain has to end at least.
	to time.Time
	// end is what becomes of its End.
	end bool
	// always writes one manifest at least.
	always bool
	// insist goes on when somebody else writes to the chain meanwhile.
	insist bool
	// seen is called for each manifest that somebody else writes meanwhile.
	seen func(*manifest.File)
	// adopted is told of each object that is listed, refused of each that is not.
	adopted func(*item)
	refused func(error)
}

// list adopts objects and writes the manifests that list them, few at a time. It
// counts the manifests.
func (k *clerk) list(ctx context.Context, c *chain, l listing) (wrote int, err error) {
	var items []*item
	taken := func(f *manifest.File) {
		l.seen(f)
		if k.trusts(f) {
			items = slices.DeleteFunc(items, func(it *item) bool { return lists(f, it) })
			l.found = slices.DeleteFunc(l.found, func(o Info) bool { return names(f, o.Key) })
		}
	}
	for {
		for len(l.found) > 0 && len(items) < maxItems && fit(items) == len(items) {
			key := l.found[0].Key
			l.found = l.found[1:]
			it, err := k.adopt(ctx, key)
			if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
				l.refused(err)
				continue
			} else if err != nil {
				return wrote, err
			}
			items = append(items, it)
			sortItems(items)
		}
		d, ok := l.next(c, items)
		if !ok && (wrote > 0 || !l.always) {
			return wrote, nil
		}
		err := k.append(ctx, c, d, taken)
		switch {
		case err == nil:
			wrote++
			for _, it := range d.items {
				l.adopted(it)
			}
			items = slices.Delete(items, 0, len(d.items))
		case errors.Is(err, errTaken) && l.insist:
		default:
			return wrote, err
		}
	}
}

// next plans the next manifest of a listing.
func (l *listing) next(c *chain, items []*item) (d draft, ok bool) {
	to := l.to
	if n := len(items); n > 0 {
		if after := items[n-1].sealed.Add(time.Millisecond); len(l.found) > 0 || to.Before(after) {
			to = after
		}
	}
	if c.head == nil {
		if len(items) == 0 && to.IsZero() {
			return d, false
		}
		// Whoever begins the chain of a writer begins it at the same time.
		c.to = to.Truncate(time.Hour)
		if len(items) > 0 {
			c.to = items[0].sealed.Truncate(time.Hour)
		}
	}
	last := len(l.found) == 0
	if d, ok = plan(c.to, to, items); !ok {
		d, ok = draft{from: c.to, to: c.to}, last && l.end && !c.ended
	}
	d.end = l.end && last && len(d.items) == len(items) && !d.to.Before(to)
	return d, ok
}

// names reports whether f lists an object with this key.
func names(f *manifest.File, key string) bool {
	_, ok := slices.BinarySearchFunc(f.Manifest.Objects, key, func(o manifest.Object, key string) int { return strings.Compare(o.Key, key) })
	return ok
}
