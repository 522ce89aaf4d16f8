package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/durable"
)

// FileName is the state file's name in the state folder.
const FileName = "positions"

const lockName = "lock"

// ErrInUse is wrapped by the error for a state folder that another forwarder
// holds.
var ErrInUse = errors.New("state folder in use")

// Store is the state folder of one forwarder. Between Open and Close no other
// forwarder can use the folder. Save may be called from one goroutine at a
// time.
type Store struct {
	path string
	lock *os.File
}

// Open takes the folder, which is made if it is missing, and reads the state
// in it; the first time that is an empty State. Errors wrap ErrInUse,
// ErrDamaged or ErrVersion, or come from the file system; each says what to do.
func Open(dir string) (*Store, State, error) {
	if err := durable.MkdirAll(dir, 0o750); err != nil {
		return nil, State{}, fmt.Errorf("making the state folder: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, State{}, err
	}
	s := &Store{path: filepath.Join(dir, FileName), lock: lock}
	s.removeLeftovers(dir)
	st, err := s.load()
	if err != nil {
		return nil, State{}, errors.Join(err, lock.Close())
	}
	return s, st, nil
}

// Path is where the state file lies.
func (s *Store) Path() string { return s.path }

// Save replaces the state file. When it returns nil, st survives a crash of
// the machine.
func (s *Store) Save(st *State) error {
	b, err := Encode(st)
	if err != nil {
		return fmt.Errorf("encoding positions: %w", err)
	}
	if err := durable.WriteFile(durable.OS{}, s.path, b, 0o640); err != nil {
		return fmt.Errorf("storing positions: %w", err)
	}
	return nil
}

// Close gives the folder free.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) load() (State, error) {
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Patterns: map[string]int64{}}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("reading positions: %w", err)
	}
	st, err := Decode(b)
	switch {
	case errors.Is(err, ErrVersion):
		return State{}, fmt.Errorf("%s: %w: use the build that wrote it, or move it aside (mv %s %s.old): "+
			"files are then read again from their beginnings under the same identities", s.path, err, s.path, s.path)
	case err != nil:
		return State{}, fmt.Errorf("%s: %w: move it aside (mv %s %s.damaged) and start again: files are then read "+
			"again from their beginnings under the same identities, so lines sent before are not archived as new ones",
			s.path, err, s.path, s.path)
	}
	return st, nil
}

// removeLeftovers removes temporary files of a Save that a crash cut off. One
// that stays costs only its space, so a failure is no error.
func (s *Store) removeLeftovers(dir string) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), ".tmp-"+FileName+"-") {
			_ = os.Remove(filepath.Join(dir, n.Name()))
		}
	}
}

// takeLock holds an flock(2) for the life of the process: it goes away with
// the process however that ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening the state folder's lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("%w: another forwarder holds %s: stop it, or give this one another state folder",
			ErrInUse, path), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}
