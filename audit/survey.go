package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// maxReaders is how many footers are kept from the survey to the scan.
const maxReaders = 1000

// survey finds the objects that may hold a wanted line: by the manifests that
// name them, and by the footers of those that no manifest names. It goes day by
// day, so that only the names of one day are held.
func (f *finder) survey(ctx context.Context) error {
	managed, err := f.hasManifests(ctx)
	if err != nil {
		return fmt.Errorf("list the manifests: %w", err)
	}
	day, named := "", map[string]bool{}
	pool := newPool(ctx, f.o.Parallel)
	s := scan{store: f.store, filter: f.o.Filter, warn: f.o.Warn}
	err = s.list(ctx, func(o *object) error {
		f.report.Listed++
		f.report.ListedBytes += o.size
		if d := o.name.Sealed.Format("2006-01-02"); managed && d != day {
			day = d
			if named, err = f.readManifests(ctx, o.name.Sealed); err != nil {
				return err
			}
		}
		if named[o.key] {
			return nil
		}
		return pool.run(func() error { return f.ask(ctx, o) })
	})
	if err := pool.wait(); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("list the archive: %w", err)
	}
	return nil
}

// ask takes an object for a candidate unless its footer excludes it.
func (f *finder) ask(ctx context.Context, o *object) error {
	c := &candidate{object: *o}
	var by string
	err := Retry(ctx, func() (err error) {
		if c.reader, err = f.open(ctx, c); err == nil {
			by, err = c.reader.Excluded(&f.query)
		}
		return err
	})
	if err != nil {
		return f.failed(ctx, o.key, err)
	}
	if by != "" {
		f.pruned(by)
		return nil
	}
	c.lo, c.hi = c.reader.Times()
	f.add(c, c.reader.Meta())
	return nil
}

// open reads the footer of an object.
func (f *finder) open(ctx context.Context, c *candidate) (*archive.Reader, error) {
	return f.opener.Open(&remote{ctx: ctx, store: f.store, key: c.key, size: c.size}, c.size)
}

// add takes a candidate with what m says of it.
func (f *finder) add(c *candidate, m *archive.Meta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.raw = m.RawBytes
	for i := range m.Ranges {
		if r := &m.Ranges[i]; f.query.Range(r) {
			c.ranges = append(c.ranges, stretch{f.sources.add(r.Source.Node, r.Source.ID), r.From, r.To})
		}
	}
	if len(f.candidates) >= maxReaders {
		c.reader = nil
	}
	f.candidates = append(f.candidates, c)
}

// errSome ends a listing that found something.
var errSome = errors.New("there is some")

func (f *finder) hasManifests(ctx context.Context) (bool, error) {
	err := f.store.List(ctx, manifest.Prefix, func(objectstore.Info) error { return errSome })
	if errors.Is(err, errSome) {
		return true, nil
	}
	return false, err
}

// readManifests gives the objects of a day that manifests name. What these do
// not exclude is taken for a candidate.
func (f *finder) readManifests(ctx context.Context, day time.Time) (map[string]bool, error) {
	named := map[string]bool{}
	var mu sync.Mutex
	pool := newPool(ctx, f.o.Parallel)
	err := f.store.List(ctx, manifest.DayPrefix(day), func(i objectstore.Info) error {
		k, err := manifest.ParseKey(i.Key)
		if err != nil {
			f.o.Warn(fmt.Errorf("passed over: %w", err))
			return nil
		}
		// With objects it covers an hour at most, if it is no supplement.
		if from := f.o.Filter.From; !from.IsZero() && k.From.Add(time.Hour).Before(from.Add(-ClockSkew)) {
			return nil
		}
		return pool.run(func() error {
			keys, err := f.readManifest(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			for _, k := range keys {
				named[k] = true
			}
			return err
		})
	})
	if perr := pool.wait(); perr != nil {
		return nil, perr
	}
	return named, err
}

// readManifest gives the objects that a manifest tells about. One that cannot be
// read or trusted tells nothing: footers do then.
func (f *finder) readManifest(ctx context.Context, i objectstore.Info) (keys []string, err error) {
	r := &remote{ctx: ctx, store: f.store, key: i.Key, size: i.Size}
	var file *manifest.File
	err = Retry(ctx, func() (err error) {
		file, err = manifest.Open(r, i.Size)
		return err
	})
	if err == nil && f.o.Keys != nil {
		err = f.o.Keys.Check(file)
	}
	if err == nil {
		keys, err = f.askManifest(ctx, file, r)
	}
	if err == nil {
		return keys, nil
	}
	if fatal(ctx, err) {
		return nil, fmt.Errorf("%s: %w", i.Key, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.distrusted {
		f.distrusted = true
		f.o.Warn(fmt.Errorf("%s: %w; it is not used, nor any other like it: objects are found by their footers, which takes longer", i.Key, err))
	}
	return nil, nil
}

// askManifest takes the objects of a manifest for candidates that it does not
// exclude.
func (f *finder) askManifest(ctx context.Context, file *manifest.File, r *remote) (keys []string, err error) {
	type look struct{ column, value string }
	known := map[look][]bool{}
	m := file.Manifest
	f.mu.Lock()
	f.report.Manifests++
	f.mu.Unlock()
	var candidates []*candidate
	var metas []*archive.Meta
	for i := range m.Objects {
		o := &m.Objects[i]
		name, err := archive.ParseKey(o.Key)
		if err != nil || o.RawSHA256 == "" { // quarantined; or the manifest has a checksum and tells nothing: the footer does
			continue
		}
		keys = append(keys, o.Key)
		if !f.o.Filter.key(name) {
			continue
		}
		s := archive.Summary{Meta: m.Meta(o), Columns: o.Columns}
		by := s.Excluded(&f.query, func(column string, values [][]byte) bool {
			return slices.ContainsFunc(values, func(v []byte) bool {
				l := look{column, string(v)}
				if known[l] == nil && err == nil {
					known[l], err = file.MayHold(r, column, v)
				}
				return err != nil || known[l][i]
			})
		})
		if err != nil {
			return nil, err
		}
		if by != "" {
			f.pruned("manifest: " + by)
			continue
		}
		c := &candidate{object: object{key: o.Key, size: o.Size, name: name}}
		c.lo, c.hi = s.Times()
		candidates, metas = append(candidates, c), append(metas, s.Meta)
	}
	for i, c := range candidates {
		f.add(c, metas[i])
	}
	return keys, ctx.Err()
}
