package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// templates is how many objects are encoded from lines; the others are derived.
const templates = 10

// maker makes the objects of an archive, several at once, and a manifest for
// each hour.
type maker struct {
	g       generator
	store   objectstore.Store
	signer  *manifest.Signer
	entries []*manifest.Entry // by number of the object
	made    []*template
	done    atomic.Int64
}

func makeArchive(ctx context.Context, o *options, dir string) error {
	m := maker{g: generator{objects: o.lines / o.object, object: o.object}}
	var err error
	if m.g.rests, err = rests(o.corpus); err != nil {
		return err
	}
	if m.store, err = objectstore.Open(ctx, (&url.URL{Scheme: "file", Path: dir}).String(), objectstore.Options{}); err != nil {
		return err
	}
	private, public, err := manifest.Generate(rand.Reader)
	if err != nil {
		return err
	}
	if m.signer, err = manifest.ParseSigner(private); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.dir, "public.pem"), public, 0o600); err != nil {
		return err
	}
	m.entries = make([]*manifest.Entry, m.g.objects)
	m.made = make([]*template, min(templates, m.g.objects))
	if err := errors.Join(m.all(ctx, 0, len(m.made)), m.all(ctx, len(m.made), m.g.objects)); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	return m.manifests(ctx)
}

// all makes the objects [from, to).
func (m *maker) all(ctx context.Context, from, to int) error {
	var wg sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	next := atomic.Int64{}
	for w := range errs {
		wg.Go(func() { errs[w] = m.work(ctx, func() int { return from + int(next.Add(1)) - 1 }, to) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// work makes the objects that next gives, up to the one before end.
func (m *maker) work(ctx context.Context, next func() int, end int) error {
	format, err := parser.Compile(spec)
	if err != nil {
		return err
	}
	enc, err := archive.NewEncoder(archive.Options{Formats: []*parser.Format{format}, Writer: "agg-1", CreatedBy: "bench", Zone: parser.NewZone(time.UTC)})
	if err != nil {
		return err
	}
	w, err := parquet.NewWriter("haproxy_log", "loghaul version bench (build go)")
	if err != nil {
		return err
	}
	sum, err := archive.NewSummarizer()
	if err != nil {
		return err
	}
	for i := next(); i < end && ctx.Err() == nil; i = next() {
		var key string
		var body []byte
		if i < len(m.made) {
			key, body, err = m.encode(enc, i)
		} else {
			var k archive.KeyInfo
			k, body, err = m.derive(m.made[i%len(m.made)], i, w)
			if key = k.Key(); err == nil && i%97 == 0 {
				err = readable(body)
			}
		}
		if err == nil {
			err = m.write(ctx, sum, i, key, body)
		}
		if err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
		fmt.Fprintf(os.Stderr, "\r%d of %d objects", m.done.Add(1), m.g.objects)
	}
	return ctx.Err()
}

// sealed is when the window of object i was closed.
func (m *maker) sealed(i int) time.Time {
	return start.Add(time.Duration((i+1)*m.g.object) * time.Millisecond).Add(2 * time.Second)
}

// room is how many bytes of a source an object has at most: its next object
// begins there, so that identities are right without counting from the start.
const room = 1 << 26

// encode makes object i from its lines, and a template of it.
func (m *maker) encode(enc *archive.Encoder, i int) (key string, body []byte, err error) {
	sealed := m.sealed(i)
	var batches []archive.Batch
	for n, text := range m.g.lines(i) {
		from := int64(i) * room
		batches = append(batches, archive.Batch{Raw: text, Header: wire.Header{
			Source: wire.Source{ID: fmt.Sprintf("%024x", n+1), Node: fmt.Sprintf("lb-%d", n+1), Path: "/var/log/haproxy.log"},
			From:   from, To: from + int64(len(text)), Records: wire.CountRecords(text), CRC: wire.Checksum(text), ReadAt: sealed.Add(-time.Second),
		}})
	}
	obj, err := enc.Encode(batches, sealed)
	if err != nil {
		return "", nil, err
	}
	if obj.RawKept+obj.Unparsed > 0 {
		return "", nil, fmt.Errorf("%d lines keep their bytes: no template", obj.RawKept+obj.Unparsed)
	}
	m.made[i], err = newTemplate(i, obj.Body)
	return obj.Key, obj.Body, err
}

func (m *maker) write(ctx context.Context, sum *archive.Summarizer, i int, key string, body []byte) error {
	s, err := sum.Summarize(body)
	if err != nil {
		return err
	}
	m.entries[i] = manifest.NewEntry(key, int64(len(body)), sha(body), s)
	return m.store.Write(ctx, &sinks.Group{Key: key, Body: body, SHA256: sha(body), Lines: m.g.object})
}

// manifests writes one for each hour.
func (m *maker) manifests(ctx context.Context) error {
	var previous *manifest.Link
	sequence := int64(0)
	for i := 0; i < len(m.entries); {
		from := m.sealed(i).Truncate(time.Hour)
		to := from.Add(time.Hour)
		first := i
		for i < len(m.entries) && m.sealed(i).Before(to) {
			i++
		}
		sequence++
		doc := &manifest.Manifest{Writer: "agg-1", Sequence: sequence, From: from, To: to, Made: to, Previous: previous}
		b, file, err := manifest.Encode(doc, m.entries[first:i], m.signer)
		if err != nil {
			return err
		}
		link := file.Link()
		previous = &link
		if err := m.store.Write(ctx, &sinks.Group{Key: doc.Key(), Body: b, SHA256: sha(b)}); err != nil {
			return err
		}
	}
	return nil
}
