package objectstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/sinks"
)

// maxKnown bounds the folders that are remembered as durable.
const maxKnown = 4096

// folder keeps each object in a file below root.
type folder struct {
	root string

	// known holds the folders whose names are on stable storage. That a
	// folder exists does not say so: another writer may have made it a moment
	// ago and not have synced its parent yet.
	mu    sync.Mutex
	known map[string]bool
}

func openFolder(dir string, o Options) (Store, error) {
	if o.Create {
		if err := durable.MkdirAll(dir, 0o750); err != nil {
			return nil, fmt.Errorf("making the archive folder: %w", err)
		}
	}
	return &folder{root: dir, known: map[string]bool{}}, nil
}

func (f *folder) String() string { return (&url.URL{Scheme: "file", Path: f.root}).String() }

func (*folder) Close() error { return nil }

// Write makes the file, synced before its name appears, and reads it back.
func (f *folder) Write(ctx context.Context, g *sinks.Group) error {
	if err := checkGroup(g); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("archive %s: storing %s: %w", f, g.Key, err)
	}
	path := f.path(g.Key)
	err := f.create(path, g.Body)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed a folder that was there before.
		f.forget()
		err = f.create(path, g.Body)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return f.compare(path, g)
	case err != nil:
		return f.fail("storing "+g.Key, err)
	}
	same, err := sameContent(path, g)
	switch {
	case err != nil:
		return f.fail("reading back "+g.Key, err)
	case !same:
		// Take it away again: the key has to stay free for the right bytes.
		err := errors.Join(os.Remove(path), durable.SyncDir(filepath.Dir(path)))
		return errors.Join(fmt.Errorf("archive %s: %s reads back with other bytes than were written: check the disk", f, g.Key), err)
	}
	return nil
}

func (f *folder) create(path string, body []byte) error {
	if err := f.ensure(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.CreateFile(path, body, 0o640)
}

// compare decides what a taken key means. An equal file may come from a
// process that was killed before it had synced the name.
func (f *folder) compare(path string, g *sinks.Group) error {
	same, err := sameContent(path, g)
	if err != nil {
		return f.fail("comparing with the existing "+g.Key, err)
	}
	if !same {
		return fmt.Errorf("archive %s: storing %s: %w", f, g.Key, sinks.ErrConflict)
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return f.fail("storing "+g.Key, err)
	}
	return nil
}

func sameContent(path string, g *sinks.Group) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read
	st, err := file.Stat()
	if err != nil || st.Size() != int64(len(g.Body)) {
		return false, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return false, err
	}
	return [sha256.Size]byte(h.Sum(nil)) == g.SHA256, nil
}

// ensure makes dir below the root, with its name on stable storage. It never
// makes the root itself.
func (f *folder) ensure(dir string) error {
	f.mu.Lock()
	known := f.known[dir]
	f.mu.Unlock()
	if known || dir == f.root {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := f.ensure(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := durable.SyncDir(parent); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxKnown {
		clear(f.known)
	}
	f.known[dir] = true
	return nil
}

func (f *folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.known)
}

func (f *folder) List(ctx context.Context, prefix string, fn func(Info) error) error {
	return f.list(ctx, "", prefix, fn)
}

// list walks the folder of the keys that begin with at, which ends with a
// slash or is empty.
func (f *folder) list(ctx context.Context, at, prefix string, fn func(Info) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("archive %s: listing: %w", f, err)
	}
	entries, err := os.ReadDir(f.path(at))
	if err != nil {
		if at != "" && errors.Is(err, fs.ErrNotExist) {
			return nil // removed while listing
		}
		return f.fail("listing", err)
	}
	// "a/b" sorts after "a-b", though the folder "a" sorts before it.
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(name(a), name(b)) })
	for _, e := range entries {
		key := at + name(e)
		switch {
		case strings.HasPrefix(e.Name(), tempPrefix):
		case e.IsDir():
			if strings.HasPrefix(key, prefix) || strings.HasPrefix(prefix, key) {
				if err := f.list(ctx, key, prefix, fn); err != nil {
					return err
				}
			}
		case e.Type().IsRegular() && strings.HasPrefix(key, prefix):
			st, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return f.fail("listing", err)
			}
			if err := fn(Info{Key: key, Size: st.Size(), Modified: st.ModTime(), ETag: etag(st.ModTime())}); err != nil {
				return err
			}
		}
	}
	return nil
}

// etag stands for a file's content: a file is written once, so whatever touches
// it later gives it another time.
func etag(modified time.Time) string { return strconv.FormatInt(modified.UnixNano(), 36) }

func (f *folder) Get(ctx context.Context, key string) ([]byte, error) {
	file, size, err := f.open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	if size > MaxGet {
		return nil, fmt.Errorf("archive %s: %s has %d bytes, too many to read whole", f, key, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(file, b); err != nil {
		return nil, f.fail("reading "+key, err)
	}
	return b, nil
}

func (f *folder) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	file, _, err := f.open(ctx, key)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	n, err := file.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, f.fail("reading "+key, err)
	}
	return n, err
}

func (f *folder) open(ctx context.Context, key string) (*os.File, int64, error) {
	if err := checkKey(key); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("archive %s: reading %s: %w", f, key, err)
	}
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, 0, f.fail("reading "+key, err)
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, errors.Join(f.fail("reading "+key, err), file.Close())
	}
	return file, st.Size(), nil
}

// Check makes and removes a temporary file in the root.
func (f *folder) Check(context.Context) error {
	file, err := os.CreateTemp(f.root, tempPrefix+"check-*")
	if err == nil {
		err = errors.Join(file.Close(), os.Remove(file.Name()))
	}
	if err != nil {
		return f.fail("checking", err)
	}
	return nil
}

func (f *folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// fail adds to an error of the file system what it means for the archive.
func (f *folder) fail(doing string, err error) error {
	if _, statErr := os.Stat(f.root); errors.Is(statErr, fs.ErrNotExist) {
		return fmt.Errorf("archive %s: %s: the folder is not there: make it or mount it (%w)", f, doing, sinks.ErrPermanent)
	}
	switch {
	case strings.HasPrefix(doing, "reading") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return fmt.Errorf("archive %s: %s: %w", f, doing, sinks.ErrNotFound)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("archive %s: %s: the disk is full, make room: %w", f, doing, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		need := "write there"
		if what, _, _ := strings.Cut(doing, " "); what == "reading" || what == "listing" || what == "comparing" {
			need = "read it"
		}
		return fmt.Errorf("archive %s: %s: user %d must be able to %s: %w (%w)", f, doing, os.Getuid(), need, err, sinks.ErrPermanent)
	}
	return fmt.Errorf("archive %s: %s: %w", f, doing, err)
}

// Remover is a Store that can delete: a folder. A bucket has lifecycle rules.
type Remover interface {
	// Remove deletes an object, and the folders that it leaves empty. It is no
	// error when there is none.
	Remove(ctx context.Context, key string) error
}

// Remove follows Remover. A writer whose folder goes meanwhile makes it again.
func (f *folder) Remove(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("archive %s: deleting %s: %w", f, key, err)
	}
	path := f.path(key)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.fail("deleting "+key, err)
	}
	// Up to the first folder that is not empty.
	for dir := filepath.Dir(path); dir != f.root && os.Remove(dir) == nil; {
		dir = filepath.Dir(dir)
	}
	return nil
}

// RemoveGap follows Store.
func (f *folder) RemoveGap(ctx context.Context, key string) error {
	if err := checkGapKey(key); err != nil {
		return err
	}
	return f.Remove(ctx, key)
}

var _ Remover = (*folder)(nil)
