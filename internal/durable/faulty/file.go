package faulty

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/loghaul/loghaul/internal/durable"
)

type file struct {
	fs     *FS
	node   *inode
	uptime uint64
	closed bool
}

// OpenFile knows O_CREATE, O_EXCL and O_TRUNC.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (durable.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, ErrCrashed
	}
	base := filepath.Base(name)
	n := f.dir(name).names[base]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n == nil:
		n = &inode{}
		if err := f.change(name, change{to: base, node: n}); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	case flag&os.O_TRUNC != 0:
		n.write(write{})
	}
	return &file{fs: f, node: n, uptime: f.uptime}, nil
}

func (n *inode) write(w write) {
	n.data = put(n.data, w)
	n.pending = append(n.pending, w)
}

// use locks and says whether the handle can be used.
func (h *file) use() (unlock func(), err error) {
	h.fs.mu.Lock()
	switch {
	case h.fs.crashed || h.uptime != h.fs.uptime:
		err = ErrCrashed
	case h.closed:
		err = fs.ErrClosed
	}
	return h.fs.mu.Unlock, err
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	unlock, err := h.use()
	defer unlock()
	if err != nil {
		return 0, err
	}
	if h.fs.fault(h.fs.faults.Read) {
		return 0, syscall.EIO
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) WriteAt(p []byte, off int64) (int, error) {
	unlock, err := h.use()
	defer unlock()
	if err != nil {
		return 0, err
	}
	n, fails := len(p), error(nil)
	switch {
	case h.fs.dies():
		n, fails = h.fs.rand.IntN(len(p)+1), ErrCrashed
	case h.fs.fault(h.fs.faults.Write):
		n, fails = h.fs.rand.IntN(len(p)+1), h.fs.why()
	case h.fs.faults.Space > 0 && h.fs.used()+int64(len(p)) > h.fs.faults.Space:
		n, fails = int(max(0, min(h.fs.faults.Space-h.fs.used(), int64(len(p))))), syscall.ENOSPC
		h.fs.failed++
	}
	if n > 0 {
		h.node.write(write{off: off, data: bytes.Clone(p[:n])})
	}
	return n, fails
}

// used counts the bytes of all files.
func (f *FS) used() (n int64) {
	for _, d := range f.dirs {
		for _, node := range d.names {
			n += int64(len(node.data))
		}
	}
	return n
}

func (h *file) Truncate(size int64) error {
	unlock, err := h.use()
	defer unlock()
	if err != nil {
		return err
	}
	if h.fs.dies() {
		return ErrCrashed
	}
	if h.fs.fault(h.fs.faults.Meta) {
		return h.fs.why()
	}
	h.node.write(write{size: size})
	return nil
}

func (h *file) Sync() error {
	unlock, err := h.use()
	defer unlock()
	if err != nil {
		return err
	}
	n := h.node
	if h.fs.dies() {
		return ErrCrashed
	}
	if h.fs.fault(h.fs.faults.Sync) {
		h.fs.settle(n)
		return h.fs.why()
	}
	for _, w := range n.pending {
		n.disk = put(n.disk, w)
	}
	n.pending = nil
	return nil
}

func (h *file) Size() (int64, error) {
	unlock, err := h.use()
	defer unlock()
	return int64(len(h.node.data)), err
}

func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.closed = true
	return nil
}
