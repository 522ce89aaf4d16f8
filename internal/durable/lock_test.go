package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLock: one open file at a time has it, and who comes while the holder goes
// waits for that.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	first := open()
	if err := Lock(first); err != nil {
		t.Fatal(err)
	}
	if err := Lock(open()); !errors.Is(err, ErrLocked) {
		t.Errorf("a second holder: %v", err)
	}
	time.AfterFunc(lockWait/10, func() { _ = first.Close() })
	if err := Lock(open()); err != nil {
		t.Errorf("the first one has gone: %v", err)
	}
}
