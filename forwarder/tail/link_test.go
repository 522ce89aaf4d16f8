package tail

import (
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestDeletedWhileDownIsReadFromItsLink(t *testing.T) {
	w := plain(t)
	w.put("a rotated log\n" + strings.Repeat("line\n", 100))
	w.rotate(false)
	w.scan()
	w.save()
	w.crash(0)
	w.hangUp(0)
	w.must(os.Remove(w.log + ".1"))
	w.start()
	w.drain()
	if got, want := w.archived(), string(w.gens[0].bytes); got != want {
		t.Errorf("%d bytes are archived, want %d", len(got), len(want))
	}
	w.settle()
	w.check()
}

// TestLiveFilesAreNotLinked: logrotate passes over files with several names.
func TestLiveFilesAreNotLinked(t *testing.T) {
	w := plain(t)
	w.put("unread\n")
	w.scan()
	if st, err := statPath(w.log); err != nil || st.links != 1 {
		t.Errorf("%d links, %v", st.links, err)
	}
}

func TestKeptFilesAreBounded(t *testing.T) {
	w := plain(t)
	w.tail.cfg.KeepBytes = 4000
	for range 3 {
		w.lines(w.w, 10, 150)
		w.rotate(false)
		w.scan()
	}
	for _, name := range w.rotated() {
		w.must(os.Remove(name))
	}
	w.scan()
	first := int64(len(w.gens[0].bytes))
	w.ledger.Each(func(a *ledger.Account) {
		if n := a.Lost(wire.Gone).Bytes.Load(); n != first {
			t.Errorf("%d bytes are given up, want the %d of the oldest", n, first)
		}
	})
	w.gens[0].dead = true
	w.settle()
	w.check()
}

// TestLinksOnAnotherFileSystem: the descriptor alone must do.
func TestLinksOnAnotherFileSystem(t *testing.T) {
	w := newWorld(t, 1)
	dir, err := os.MkdirTemp("/dev/shm", "loghaul-links-") //nolint:usetesting // on another file system than t.TempDir
	w.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.cfg.Links = dir
	w.start()
	w.put("line\n")
	w.rotate(false)
	w.scan()
	w.scan()
	if n := w.tail.stats.LinksRefused.Load(); n != 1 {
		t.Errorf("%d refused links are counted, want 1", n)
	}
	w.settle()
	w.check()
}
