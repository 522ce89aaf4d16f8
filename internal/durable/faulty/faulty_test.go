package faulty_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/internal/durable/faulty"
)

// content gives a file's bytes, "-" if there is none.
func content(t *testing.T, fsys durable.FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); int64(n) != size {
		t.Fatal(n, err)
	}
	return string(b)
}

// work does some of everything and stops after the n-th step that the disk has
// to remember.
func work(t *testing.T, fsys durable.FS, dir string, n int) {
	t.Helper()
	var a durable.File
	for i, step := range []func() error{
		func() (err error) {
			a, err = fsys.OpenFile(filepath.Join(dir, "a"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
			return err
		},
		func() error { _, err := a.WriteAt([]byte("hello"), 0); return err },
		func() error { return a.Sync() },
		func() error { return fsys.SyncDir(dir) },
		func() error { _, err := a.WriteAt([]byte("JJ"), 3); return err },
		func() error { return a.Truncate(4) },
		func() error { return durable.WriteFile(fsys, filepath.Join(dir, "b"), []byte("first"), 0o600) },
		func() error { return fsys.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")) },
		func() error { return durable.WriteFile(fsys, filepath.Join(dir, "b"), []byte("second"), 0o600) },
		func() error { return fsys.Remove(filepath.Join(dir, "b")) },
	} {
		if i == n {
			return
		}
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// TestWithoutFaultsItIsAFileSystem compares it with the real one.
func TestWithoutFaultsItIsAFileSystem(t *testing.T) {
	for n := range 11 {
		disk, dir := faulty.New(1), t.TempDir()
		work(t, disk, "/d", n)
		work(t, durable.OS{}, dir, n)
		disk.Restart(false)
		for _, name := range []string{"a", "b", "c"} {
			got, want := content(t, disk, filepath.Join("/d", name)), content(t, durable.OS{}, filepath.Join(dir, name))
			if got != want {
				t.Errorf("after %d steps %s holds %q, on the real one %q", n, name, got, want)
			}
		}
		names, err := disk.ReadDir("/d")
		if err != nil {
			t.Fatal(err)
		}
		want, err := durable.OS{}.ReadDir(dir)
		if err != nil || len(names) != len(want) {
			t.Errorf("after %d steps there are %q, on the real one %q: %v", n, names, want, err)
		}
	}
}

// TestPowerLoss: what was synced is there, of the rest anything may be.
func TestPowerLoss(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		disk := faulty.New(seed)
		work(t, disk, "/d", 4)
		disk.Restart(true)
		if got := content(t, disk, "/d/a"); got != "hello" {
			t.Fatalf("seed %d: what was synced is %q", seed, got)
		}
		disk = faulty.New(seed)
		work(t, disk, "/d", 6)
		disk.Restart(true)
		seen["a="+content(t, disk, "/d/a")] = true
		disk = faulty.New(seed)
		work(t, disk, "/d", 3)
		disk.Restart(true)
		seen["name="+content(t, disk, "/d/a")] = true
		disk = faulty.New(seed)
		work(t, disk, "/d", 8)
		disk.Restart(true)
		if b := content(t, disk, "/d/b"); b != "first" {
			t.Fatalf("seed %d: WriteFile returned, and there is %q", seed, b)
		}
		a, c := content(t, disk, "/d/a") != "-", content(t, disk, "/d/c") != "-"
		if a == c {
			t.Fatalf("seed %d: a rename left both names or none", seed)
		}
		seen["renamed"] = seen["renamed"] || c
		seen["not renamed"] = seen["not renamed"] || a
	}
	for _, want := range []string{"a=hello", "a=hell", "a=helJ", "a=helJJ", "name=-", "name=hello", "renamed", "not renamed"} {
		if !seen[want] {
			t.Errorf("never seen: %s; seen %v", want, seen)
		}
	}
}

// TestFailedSync: the bytes can still be read and the next Sync is content, but
// a loss of power may take them.
func TestFailedSync(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		disk := faulty.New(seed)
		work(t, disk, "/d", 4)
		f, err := disk.OpenFile("/d/a", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("JELLO"), 0); err != nil {
			t.Fatal(err)
		}
		disk.Fail(faulty.Faults{Sync: 1})
		if f.Sync() == nil {
			t.Fatal("no failure")
		}
		disk.Fail(faulty.Faults{})
		if err := f.Sync(); err != nil || content(t, disk, "/d/a") != "JELLO" {
			t.Fatalf("then: %v, %q", err, content(t, disk, "/d/a"))
		}
		disk.Restart(true)
		if content(t, disk, "/d/a") != "JELLO" {
			lost++
		}
		if _, err := f.Size(); !errors.Is(err, faulty.ErrCrashed) {
			t.Errorf("a handle of the process before: %v", err)
		}
	}
	if lost == 0 || lost == 50 {
		t.Errorf("lost in %d of 50", lost)
	}
}
