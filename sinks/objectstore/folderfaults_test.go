package objectstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

// smallDisk mounts a file system of the given size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a small tmpfs (%v): run this test as root, or in `unshare --user --map-root-user --mount`", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFolderOnAFullDiskRecovers(t *testing.T) {
	dir := smallDisk(t, "1m")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 900_000), 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "archive")
	s := openURL(t, folderURL(root), objectstore.Options{Create: true})
	g := storetest.Group("dt=2026-11-23/object", storetest.Random(1, 500_000))

	err := s.Write(t.Context(), g)
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), "the disk is full, make room") {
		t.Fatalf("on a full disk: %v, want a temporary error that says so", err)
	}
	if left := files(t, root); len(left) > 0 {
		t.Errorf("it left %q behind, which keeps the disk full", left)
	}

	r := retrying(s)
	done := make(chan error)
	go func() { done <- r.Write(t.Context(), g) }()
	testenv.Eventually(t, testenv.Patience, "a failure on the full disk", func() bool { return r.Err() != nil })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if b, err := s.Get(t.Context(), g.Key); err != nil || len(b) != len(g.Body) {
		t.Errorf("reading gives %d bytes and %v", len(b), err)
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "mounted")
	s := openURL(t, folderURL(root), objectstore.Options{})
	listed := s.List(t.Context(), "", func(objectstore.Info) error { return nil })
	for doing, err := range map[string]error{
		"checking": s.Check(t.Context()), "storing": s.Write(t.Context(), storetest.Group("a/b", nil)), "listing": listed,
	} {
		if !errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "make it or mount it") {
			t.Errorf("%s: %v, want what to do about %s", doing, err, root)
		}
	}
	if _, err := os.Stat(root); err == nil {
		t.Error("the root was made, perhaps below a mount point")
	}
	if err := openURL(t, folderURL(root), objectstore.Options{Create: true}).Check(t.Context()); err != nil {
		t.Errorf("with Create: %v", err)
	}
}

func TestFolderMayLoseAnHourWhileRunning(t *testing.T) {
	root := t.TempDir()
	s := openURL(t, folderURL(root), objectstore.Options{})
	for i := range 2 {
		if err := s.Write(t.Context(), storetest.Group("dt=x/hour=00/object", []byte("x"))); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if err := os.RemoveAll(filepath.Join(root, "dt=x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolderHidesUnfinishedFiles(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, ".tmp-object-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := openURL(t, folderURL(root), objectstore.Options{}).List(t.Context(), "", func(i objectstore.Info) error {
		t.Errorf("%s is listed", i.Key)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFolderInTheWay(t *testing.T) {
	root := t.TempDir()
	s := openURL(t, folderURL(root), objectstore.Options{})
	if err := s.Write(t.Context(), storetest.Group("dt=x", []byte("a file"))); err != nil {
		t.Fatal(err)
	}
	err := s.Write(t.Context(), storetest.Group("dt=x/object", nil))
	if !errors.Is(err, sinks.ErrPermanent) || strings.Contains(err.Error(), "\n") {
		t.Errorf("below a file: %v, want a permanent error in one line", err)
	}
}
