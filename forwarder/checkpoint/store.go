package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/durable"
)

// FileName is the state file's name in the state folder.
const FileName = "positions"

const (
	lockName = "lock"
	// manyAside is how many files kept aside are worth a remark.
	manyAside = 5
)

// ErrInUse is wrapped by the error for a state folder that another forwarder
// holds.
var ErrInUse = errors.New("state folder in use")

// Store is the state folder of one forwarder. Between Open and Close no other
// forwarder can use the folder. Save may be called from one goroutine at a
// time.
type Store struct {
	path string
	lock io.Closer
	fs   durable.FS
	log  *slog.Logger
}

// Open takes the folder, which is made if it is missing, and reads the state
// in it; the first time that is an empty State. A state file that is damaged or
// of a newer version is kept aside under another name, and the State is empty
// and Rebuilt. Errors wrap ErrInUse or come from the file system; each says
// what to do.
func Open(dir string, log *slog.Logger) (*Store, State, error) {
	if err := durable.MkdirAll(dir, 0o750); err != nil {
		return nil, State{}, explain("making the state folder", dir, err)
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, State{}, err
	}
	s, st, err := open(durable.OS{}, dir, log, time.Now())
	if err != nil {
		return nil, State{}, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, st, nil
}

// open does what comes after the lock.
func open(fsys durable.FS, dir string, log *slog.Logger, now time.Time) (*Store, State, error) {
	s := &Store{path: filepath.Join(dir, FileName), fs: fsys, log: log}
	s.tidy(dir)
	st, err := s.load(now)
	return s, st, err
}

// Path is where the state file lies.
func (s *Store) Path() string { return s.path }

// Save replaces the state file. When it returns nil, st survives a crash of
// the machine. Otherwise, and when a crash comes first, there is the old state
// or st.
func (s *Store) Save(st *State) error {
	b, err := Encode(st)
	if err != nil {
		return fmt.Errorf("encoding positions: %w", err)
	}
	if err := durable.WriteFile(s.fs, s.path, b, 0o640); err != nil {
		return fmt.Errorf("storing positions: %w", err)
	}
	return nil
}

// Close gives the folder free.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) load(now time.Time) (State, error) {
	b, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return State{Patterns: map[string]int64{}}, nil
	}
	if err != nil {
		return State{}, explain("reading positions", s.path, err)
	}
	st, err := Decode(b)
	if err == nil {
		return st, nil
	}
	return s.rebuild(b, err, now)
}

func (s *Store) read() ([]byte, error) {
	f, err := s.fs.OpenFile(s.path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	b := make([]byte, size)
	if err == nil {
		var n int
		n, err = f.ReadAt(b, 0)
		if b = b[:n]; errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return b, errors.Join(err, f.Close())
}

// rebuild keeps a file that can't be used aside, and starts without it.
func (s *Store) rebuild(b []byte, why error, now time.Time) (State, error) {
	kind := "damaged"
	if errors.Is(why, ErrVersion) {
		first, _, _ := bytes.Cut(b, []byte{'\n'})
		v, _ := versionOf(first)
		kind = fmt.Sprintf("version-%d", v)
	}
	aside := fmt.Sprintf("%s.%s-%s", s.path, kind, now.UTC().Format("20060102T150405.000Z"))
	if err := s.fs.Rename(s.path, aside); err != nil {
		return State{}, explain(fmt.Sprintf("%s can't be used (%v); keeping it aside as %s", s.path, why, aside), s.path, err)
	}
	// If this is lost in a crash, the file is found and kept aside once more.
	if err := s.fs.SyncDir(filepath.Dir(s.path)); err != nil {
		s.log.Warn("syncing the state folder", "why", err)
	}
	s.log.Error("the positions can't be used and are kept aside; starting without them: files are read again from their beginnings "+
		"under the same identities, so lines that were sent before travel twice and are not archived as new ones, and spools are sent "+
		"from their first segment on", "file", s.path, "aside", aside, "why", why)
	return State{Patterns: map[string]int64{}, Rebuilt: true}, nil
}

// tidy removes temporary files of a Save that a crash cut off, and names what
// was kept aside. What stays costs only its space, so a failure is no error.
func (s *Store) tidy(dir string) {
	names, err := s.fs.ReadDir(dir)
	if err != nil {
		return
	}
	var aside []string
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, ".tmp-"+FileName+"-"):
			_ = s.fs.Remove(filepath.Join(dir, n))
		case strings.HasPrefix(n, FileName+".damaged-"), strings.HasPrefix(n, FileName+".version-"):
			aside = append(aside, n)
		}
	}
	if len(aside) < manyAside {
		return
	}
	oldest := aside[0]
	for _, n := range aside {
		if stamp(n) < stamp(oldest) {
			oldest = n
		}
	}
	s.log.Warn("positions that could not be used were kept aside and are never removed: find out why it happens again and again, "+
		"and remove what you don't need, the oldest first", "folder", dir, "files", len(aside), "oldest", oldest)
}

// stamp gives the time in the name of a file kept aside.
func stamp(name string) string { return name[strings.LastIndexByte(name, '-')+1:] }

// takeLock takes the folder for the life of the process.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o640)
	if err != nil {
		return nil, explain("opening the state folder's lock", path, err)
	}
	err = durable.Lock(f)
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, errors.Join(fmt.Errorf("%w: another forwarder holds %s: stop it, or give this one another state folder",
			ErrInUse, path), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}
