// Package faulty is a file system in memory that fails and crashes on request,
// for the tests of what must survive that: short writes, EIO, ENOSPC, failed
// fsync, and a loss of power that keeps any part of what was not synced.
//
// It is as unkind as durable.FS allows. On a loss of power each write since the
// last Sync of its file is there or not, whole or in part, and so is each
// change of a folder since its last SyncDir, whatever came after. A Sync that
// fails has written some of it and forgets the rest: reading still gives the
// bytes, and the next Sync has nothing to do (as Linux does since 4.13).
package faulty

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// ErrCrashed is what every call gives between a crash and Restart.
var ErrCrashed = errors.New("the process is dead")

// FS is the file system. Its methods may be called by anybody at any time.
type FS struct {
	mu      sync.Mutex
	rand    *rand.Rand
	dirs    map[string]*folder
	crash   int // changes left until the crash; 0: none is due
	crashed bool
	uptime  uint64 // handles of an earlier process are dead

	faults Faults
	failed int
}

// Faults says how often calls fail: each is a probability.
type Faults struct {
	// Write fails with EIO or ENOSPC, after having written a part, or all.
	Write float64
	// Sync fails, of files and of folders.
	Sync float64
	// Meta fails OpenFile for writing, Rename, Remove, Truncate.
	Meta float64
	// Read fails with EIO.
	Read float64
	// Space, if not 0, bounds the bytes in all files: more gives ENOSPC.
	Space int64
}

type folder struct {
	names   map[string]*inode // what a process sees
	disk    map[string]*inode
	pending []change
}

// change is one change of a folder. from is empty for anything but a rename;
// to is empty for a removal of from.
type change struct {
	from, to string
	node     *inode
}

type inode struct {
	data    []byte // what a process sees
	disk    []byte
	pending []write
}

// write is a write, or a change of the size.
type write struct {
	off  int64
	data []byte
	size int64 // with nil data
}

// New makes an empty file system, all of whose accidents come from seed.
func New(seed uint64) *FS {
	return &FS{rand: rand.New(rand.NewPCG(seed, 7)), dirs: map[string]*folder{}} //nolint:gosec // it has to repeat
}

// Fail sets how often calls fail from now on.
func (f *FS) Fail(how Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = how
}

// Failed counts the calls that failed.
func (f *FS) Failed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// CrashIn has the process die in the n-th change from now on.
func (f *FS) CrashIn(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crash = n
}

// Crashed says whether it has died.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// Restart begins a new process: handles of the one before are dead. If power
// was lost, what was not synced is there in any part.
func (f *FS) Restart(power bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crash, f.crashed = 0, false
	f.uptime++
	if !power {
		return
	}
	done := map[*inode]bool{}
	for _, d := range f.dirs {
		for _, c := range d.pending {
			if f.rand.IntN(2) == 0 {
				c.apply(d.disk)
			}
		}
		for _, n := range d.disk {
			if !done[n] {
				done[n] = true
				f.settle(n)
				n.data = slices.Clone(n.disk)
			}
		}
		d.pending, d.names = nil, maps.Clone(d.disk)
	}
}

// Flip changes one bit of a file, as a bad disk does.
func (f *FS) Flip(name string, off int64, bit byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.dir(name).names[filepath.Base(name)]; n != nil && off < int64(len(n.data)) {
		n.data[off] ^= bit
		if off < int64(len(n.disk)) {
			n.disk[off] = n.data[off]
		}
	}
}

// settle puts a random part of what is pending to the disk.
func (f *FS) settle(n *inode) {
	for _, w := range n.pending {
		switch {
		case f.rand.IntN(2) == 0: // lost
		case w.data != nil && f.rand.IntN(3) == 0: // torn
			k := f.rand.IntN(len(w.data) + 1)
			n.disk = put(n.disk, write{off: w.off, data: w.data[:k]})
		default:
			n.disk = put(n.disk, w)
		}
	}
	n.pending = nil
}

func put(b []byte, w write) []byte {
	if w.data == nil {
		if w.size <= int64(len(b)) {
			return b[:w.size:w.size]
		}
		return append(b, make([]byte, w.size-int64(len(b)))...)
	}
	if gap := w.off + int64(len(w.data)) - int64(len(b)); gap > 0 {
		b = append(b, make([]byte, gap)...)
	}
	copy(b[w.off:], w.data)
	return b
}

func (c change) apply(names map[string]*inode) {
	if c.from != "" && names[c.from] == c.node {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

// dir gives the folder of a name. The lock must be held.
func (f *FS) dir(name string) *folder {
	p := filepath.Dir(name)
	if f.dirs[p] == nil {
		f.dirs[p] = &folder{names: map[string]*inode{}, disk: map[string]*inode{}}
	}
	return f.dirs[p]
}

// fault says whether a call fails. The lock must be held.
func (f *FS) fault(p float64) bool {
	if p > 0 && f.rand.Float64() < p {
		f.failed++
		return true
	}
	return false
}

// dies counts down to the crash. The lock must be held.
func (f *FS) dies() bool {
	if f.crash > 0 {
		f.crash--
		f.crashed = f.crash == 0
	}
	return f.crashed
}

func (f *FS) change(name string, c change) error {
	if f.crashed {
		return ErrCrashed
	}
	if f.fault(f.faults.Meta) {
		return fmt.Errorf("%s: %w", name, f.why())
	}
	if f.dies() && f.rand.IntN(2) == 0 {
		return ErrCrashed // before it was done
	}
	d := f.dir(name)
	c.apply(d.names)
	d.pending = append(d.pending, c)
	if f.crashed {
		return ErrCrashed
	}
	return nil
}

func (f *FS) why() error {
	if f.rand.IntN(2) == 0 {
		return syscall.EIO
	}
	return syscall.ENOSPC
}

// ReadDir is that of durable.FS.
func (f *FS) ReadDir(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	var names []string
	for name := range f.dir(filepath.Join(dir, "x")).names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll does nothing: every folder is there.
func (f *FS) MkdirAll(string, fs.FileMode) error { return nil }

// Rename is that of durable.FS, within one folder.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.dir(from).names[filepath.Base(from)]
	if n == nil {
		return fs.ErrNotExist
	}
	return f.change(from, change{from: filepath.Base(from), to: filepath.Base(to), node: n})
}

// Remove is that of durable.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.dir(name).names[filepath.Base(name)]
	if n == nil {
		return fs.ErrNotExist
	}
	return f.change(name, change{from: filepath.Base(name), node: n})
}

// SyncDir is that of durable.FS.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.dir(filepath.Join(dir, "x"))
	if f.crashed || f.dies() {
		return ErrCrashed
	}
	if f.fault(f.faults.Sync) {
		for _, c := range d.pending { // some reached the disk, and all will be tried again
			if f.rand.IntN(2) == 0 {
				c.apply(d.disk)
			}
		}
		return syscall.EIO
	}
	for _, c := range d.pending {
		c.apply(d.disk)
	}
	d.pending = nil
	return nil
}
