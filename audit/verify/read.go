package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
)

func notFound(err error) bool { return errors.Is(err, sinks.ErrNotFound) }

// whole reads an object and calls fn with it. Only so many are read and decoded
// at once.
func (r *run) whole(ctx context.Context, key string, fn func(body []byte) error) error {
	select {
	case r.heavy <- struct{}{}:
		defer func() { <-r.heavy }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var body []byte
	if err := audit.Retry(ctx, func() (err error) {
		body, err = r.store.Get(ctx, key)
		return err
	}); err != nil {
		return err
	}
	r.Progress.Bytes.Add(int64(len(body)))
	return fn(body)
}

// badError says in what an object is not what it should be; any other error
// means that it could not be found out.
type badError struct{ why string }

func (e *badError) Error() string { return e.why }

func badf(format string, args ...any) error { return &badError{fmt.Sprintf(format, args...)} }

// whatBad parts errors: what is wrong with an object, and what kept it from
// being judged.
func whatBad(err error) (bad, failed error) {
	var b *badError
	if errors.As(err, &b) || errors.Is(err, archive.ErrCorrupt) {
		return err, nil
	}
	return nil, err
}

// alone reads an object that no manifest vouches for, and judges it by its key
// and by itself. meta is nil unless it is right, and for what was quarantined.
func (r *run) alone(ctx context.Context, key string) (meta *archive.Meta, err error) {
	err = r.whole(ctx, key, func(body []byte) error {
		sum := sha256.Sum256(body)
		if err := checkKey(key, sum); err != nil || strings.HasPrefix(key, archive.QuarantinePrefix) {
			return err
		}
		meta, err = r.checkRows(key, body)
		return err
	})
	if err != nil {
		meta = nil
	}
	return meta, err
}

// keyDigits is how many digits of its checksum a key ends with.
const keyDigits = 12

// checkKey compares a checksum with the key.
func checkKey(key string, sum [sha256.Size]byte) error {
	name := key[:strings.LastIndexByte(key, '.')+1]
	if want := hex.EncodeToString(sum[:])[:keyDigits]; !strings.HasSuffix(name, "-"+want+".") {
		return badf("its SHA-256 begins with %s, its key says otherwise", want)
	}
	return nil
}

// checkRows decodes an object and compares what its metadata says with its rows.
func (r *run) checkRows(key string, body []byte) (*archive.Meta, error) {
	rd, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	m := rd.Meta()
	var got archive.Meta
	raw, err := rd.RawSHA256(func(row *archive.Row) error {
		got.Lines++
		switch {
		case row.Rest:
			got.Rests++
		case row.Format == "":
			got.Unparsed++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k, err := archive.ParseKey(key)
	switch {
	case err != nil:
		return nil, badf("%v", err)
	case m.Writer != k.Writer || !m.Sealed.Equal(k.Sealed):
		return nil, badf("its metadata says that %s sealed it at %s, its key says otherwise", m.Writer, stamp(m.Sealed))
	case m.RawSHA256 != "" && m.RawSHA256 != raw:
		return nil, badf("its lines have the SHA-256 %s, its metadata says %s", raw, m.RawSHA256)
	case m.Lines != got.Lines || m.Unparsed != got.Unparsed || m.Rests != got.Rests:
		return nil, badf("it has %d lines, %d of them unparsed and %d rests, its metadata says %d, %d and %d",
			got.Lines, got.Unparsed, got.Rests, m.Lines, m.Unparsed, m.Rests)
	}
	m.RawSHA256 = raw // older versions do not have it
	return m, rd.CheckFooter()
}

// read compares an object that a manifest vouches for with what that says, and
// with itself if the run is deep.
func (r *run) read(ctx context.Context, f finding) finding {
	err := r.whole(ctx, f.Key, func(body []byte) error {
		sum := sha256.Sum256(body)
		if sum != f.named.sum || int64(len(body)) != f.named.size {
			return badf("it has %d bytes of SHA-256 %x, want %d of %x", len(body), sum, f.named.size, f.named.sum)
		}
		if !r.Deep && !f.named.bare {
			return nil
		}
		if err := checkKey(f.Key, sum); err != nil || strings.HasPrefix(f.Key, archive.QuarantinePrefix) {
			return err
		}
		meta, err := r.checkRows(f.Key, body)
		if err != nil {
			return err
		}
		f.meta = meta
		if !f.named.bare {
			f.wrong, err = r.contradicts(ctx, f.named, meta, body)
		}
		return err
	})
	switch bad, failed := whatBad(err); {
	case notFound(failed):
		f.Verdict, f.Why, f.Size, f.there = Missing, "it was listed and is not there any more", 0, false
	case failed != nil:
		f.Verdict, f.Why = Unread, failed.Error()
	case bad != nil:
		f.Verdict, f.Why, f.meta = Changed, bad.Error(), nil
	}
	return f
}

// documents keeps the manifests that were opened last: neighbours among objects
// are in the same.
type documents struct {
	mu  sync.Mutex
	all []*document // the oldest first
}

// maxDocuments bounds them: one has all filters of its objects.
const maxDocuments = 4

type document struct {
	link    int32
	once    sync.Once
	opened  opened
	filters []byte
	// filterErr is about the filters alone, and told once.
	filterErr error
	tell      sync.Once
}

// document reads a manifest with its filters.
func (r *run) document(ctx context.Context, link int32) *document {
	r.documents.mu.Lock()
	var d *document
	for _, x := range r.documents.all {
		if x.link == link {
			d = x
		}
	}
	if d == nil {
		d = &document{link: link}
		r.documents.all = append(r.documents.all, d)
		if len(r.documents.all) > maxDocuments {
			r.documents.all = r.documents.all[1:]
		}
	}
	r.documents.mu.Unlock()
	d.once.Do(func() {
		l := r.links[link]
		d.opened.file, d.opened.err = r.openManifest(ctx, l.key, l.size, manifest.Open)
		if d.opened.err == nil {
			d.filters, d.filterErr = d.opened.file.ReadFilters(audit.ReaderAt(ctx, r.store, l.key, l.size))
		}
	})
	return d
}
