package e2e

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDiskUnderTheState: the file system of the state folder is full for a
// while. The forwarder says so, is not ready, ships nothing twice and loses
// nothing, and goes on by itself when space returns.
func TestFullDiskUnderTheState(t *testing.T) {
	mount := smallDisk(t, "1m")
	c := newCluster(t, settings{state: filepath.Join(mount, "state")})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)

	filler := filepath.Join(mount, "filler")
	fill(t, filler)
	eventually(t, 20*time.Second, "/readyz of the forwarder is 503 on a full disk", func() bool {
		return c.forwarder.status("/readyz") == http.StatusServiceUnavailable
	})
	_, why := c.forwarder.get("/readyz")
	if said := why + c.forwarder.proc.Output(); !strings.Contains(said, "no space left") || !strings.Contains(said, mount) {
		t.Errorf("neither /readyz nor the log says what is full:\n%s", said)
	}
	pause(t, 3*time.Second)
	// A restart on the full disk must not lose the position either.
	c.forwarder.Kill()
	c.forwarder.Start()
	pause(t, 2*time.Second)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.forwarder.reviveIfEnded()
	c.forwarder.AwaitReady()
	c.finish(l, arrivalLimit)
}

// reviveIfEnded starts a process again that gave up, as systemd or Kubernetes
// would.
func (d *daemon) reviveIfEnded() {
	d.t.Helper()
	select {
	case <-d.proc.Exited():
		d.t.Logf("%s had ended: %v", d.name, d.proc.Wait())
		d.Start()
	default:
	}
}

// smallDisk mounts a tmpfs of the given size. It needs root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a small disk: %v: this test needs root (sudo make e2e)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

// fill writes to path until the disk has no room for one byte more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling %s: %v", path, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
