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
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// maker makes the objects of an archive, several at once, and a manifest for
// each hour.
type maker struct {
	g       generator
	store   objectstore.Store
	signer  *manifest.Signer
	entries []*manifest.Entry // by number of the object
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
	var wg sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	next := atomic.Int64{}
	for w := range errs {
		wg.Go(func() { errs[w] = m.work(ctx, &next) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	return m.manifests(ctx)
}

func (m *maker) work(ctx context.Context, next *atomic.Int64) error {
	format, err := parser.Compile(spec)
	if err != nil {
		return err
	}
	enc, err := archive.NewEncoder(archive.Options{Formats: []*parser.Format{format}, Writer: "agg-1", CreatedBy: "bench", Zone: parser.NewZone(time.UTC)})
	if err != nil {
		return err
	}
	sum, err := archive.NewSummarizer()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		i := int(next.Add(1) - 1)
		if i >= m.g.objects {
			return nil
		}
		if err := m.object(ctx, enc, sum, i); err != nil {
			return err
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

func (m *maker) object(ctx context.Context, enc *archive.Encoder, sum *archive.Summarizer, i int) error {
	sealed := m.sealed(i)
	var batches []archive.Batch
	for n, text := range m.g.lines(i) {
		node := fmt.Sprintf("lb-%d", n+1)
		from := int64(i) * room
		batches = append(batches, archive.Batch{Raw: text, Header: wire.Header{
			Source: wire.Source{ID: fmt.Sprintf("%024x", n+1), Node: node, Path: "/var/log/haproxy.log"},
			From:   from, To: from + int64(len(text)), Records: wire.CountRecords(text), CRC: wire.Checksum(text), ReadAt: sealed.Add(-time.Second),
		}})
	}
	obj, err := enc.Encode(batches, sealed)
	if err != nil {
		return err
	}
	s, err := sum.Summarize(obj.Body)
	if err != nil {
		return err
	}
	m.entries[i] = manifest.NewEntry(obj.Key, int64(len(obj.Body)), obj.SHA256, s)
	return m.store.Write(ctx, &sinks.Group{Key: obj.Key, Body: obj.Body, SHA256: obj.SHA256, Lines: obj.Lines, RawBytes: obj.RawBytes})
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
