package durable

import (
	"io"
	"io/fs"
	"os"
)

// FS is the part of a file system that durable state is built on. OS is the
// real one; package faulty has one that fails and crashes on request.
//
// What its users may assume of a crash of the machine: bytes are there after
// the Sync of their file returned nil, names after the SyncDir of their folder
// did. Anything else may be there or not, in any order and in parts. After a
// Sync that failed the bytes it should have written may never reach the disk,
// though they can be read and the next Sync returns nil.
type FS interface {
	// OpenFile is that of package os.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// ReadDir gives the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// MkdirAll makes a folder and its missing parents, each durably.
	MkdirAll(dir string, perm fs.FileMode) error
	// Rename is atomic: a crash leaves the old names or the new one.
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
}

// File is an open file without a position of its own.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// OS is the real file system.
type OS struct{}

type osFile struct{ *os.File }

// OpenFile opens a file.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Size asks the kernel.
func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// ReadDir gives the names in a folder, sorted.
func (OS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// MkdirAll makes a folder and its missing parents, each durably.
func (OS) MkdirAll(dir string, perm fs.FileMode) error { return MkdirAll(dir, perm) }

// Rename gives a file another name, in the place of whatever has it.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir makes the names in a folder durable.
func (OS) SyncDir(dir string) error { return SyncDir(dir) }
