package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// explain says what keeps the state folder from being used, who may not do what
// there, and what to do. path is the folder or a file in it.
func explain(doing, path string, err error) error {
	at, st := nearest(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: the forwarder runs as user %s, and %s: let that user write there, "+
			"or name another folder in state", doing, err, userName(os.Geteuid()), describe(at, st))
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w: mount the file system of %s for writing, or name another folder in state", doing, err, at)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w: make space on the file system of %s, or name another folder in state", doing, err, at)
	case errors.Is(err, syscall.ENOTDIR), st != nil && !st.IsDir() && at != path:
		return fmt.Errorf("%s: %w: %s: move it away, or name another folder in state", doing, err, describe(at, st))
	case st != nil && st.IsDir() == (filepath.Base(path) == FileName || filepath.Base(path) == lockName):
		return fmt.Errorf("%s: %w: %s: move it away, or name another folder in state", doing, err, describe(at, st))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// nearest gives path or the nearest folder above it that exists.
func nearest(path string) (string, fs.FileInfo) {
	for {
		st, err := os.Stat(path)
		if err == nil || path == filepath.Dir(path) {
			return path, st
		}
		path = filepath.Dir(path)
	}
}

// describe says what lies at a path.
func describe(path string, st fs.FileInfo) string {
	if st == nil {
		return path + " can't be looked at"
	}
	what := "a folder"
	if !st.IsDir() {
		what = "no folder"
	}
	if st.Mode().IsRegular() {
		what = "a file"
	}
	owner := "somebody"
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		owner = "user " + userName(int(sys.Uid))
	}
	return fmt.Sprintf("%s is %s of %s with mode %v", path, what, owner, st.Mode())
}

func userName(uid int) string {
	n := strconv.Itoa(uid)
	if u, err := user.LookupId(n); err == nil {
		return fmt.Sprintf("%s (%s)", u.Username, n)
	}
	return n
}
