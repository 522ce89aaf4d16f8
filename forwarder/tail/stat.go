package tail

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// info is what the kernel says about a file.
type info struct {
	key     fileKey
	size    int64
	mtime   int64 // nanoseconds
	born    int64 // birth time of the inode in nanoseconds, 0 where the file system has none
	links   uint32
	regular bool
	folder  bool
	mode    uint16
	uid     uint32
}

const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// statPath follows symbolic links: Kubernetes' log folder holds nothing else.
func statPath(path string) (info, error) {
	var st unix.Statx_t
	for {
		err := unix.Statx(unix.AT_FDCWD, path, 0, statMask, &st)
		if err == nil {
			return fromStatx(&st), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return info{}, &os.PathError{Op: "stat", Path: path, Err: err}
		}
	}
}

func statFile(f *os.File) (info, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, statMask, &st); err != nil {
		return info{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fromStatx(&st), nil
}

func fromStatx(st *unix.Statx_t) info {
	i := info{
		key:     fileKey{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino},
		size:    int64(st.Size), //nolint:gosec // the kernel's sizes are signed
		mtime:   st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		links:   st.Nlink,
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
		folder:  st.Mode&unix.S_IFMT == unix.S_IFDIR,
		mode:    st.Mode,
		uid:     st.Uid,
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		i.born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return i
}

// openFile opens a regular file for reading. A FIFO must not block it.
func openFile(path string) (*os.File, info, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, info{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	st, err := statFile(f)
	if err == nil && !st.regular {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, info{}, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// writersGone asks the kernel whether nobody has the file open for writing. A
// read lease is granted only then; it is given back at once. known is false
// where the question is not allowed (not the file's owner) or not supported.
// Only ask about files that are rotated away: for a moment an open for writing
// would have to wait.
func writersGone(f *os.File) (gone, known bool) {
	fd := f.Fd()
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		return true, true
	case errors.Is(err, unix.EAGAIN):
		return false, true
	}
	return false, false
}

// whyUnreadable says who may not read what.
func whyUnreadable(path string, err error) string {
	if !errors.Is(err, os.ErrPermission) {
		return err.Error()
	}
	me := strconv.Itoa(os.Geteuid())
	if st, serr := statPath(path); serr == nil {
		return fmt.Sprintf("user %s may not read %s (mode %04o, owner %s): add the user to the file's group, or run as its owner",
			userName(me), path, st.mode&0o7777, userName(strconv.FormatUint(uint64(st.uid), 10)))
	}
	return fmt.Sprintf("user %s may not reach %s: a folder above it is closed to the user", userName(me), path)
}

func userName(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
