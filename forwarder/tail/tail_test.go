package tail

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/wire"
)

// plain makes a world whose writer is driven by the test alone.
func plain(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 1)
	w.start()
	w.save()
	return w
}

func (w *world) put(text string) {
	w.t.Helper()
	w.write(w.w, text)
}

// drain ships and acknowledges what is due.
func (w *world) drain() {
	for range 3 {
		w.scan()
		w.ship(1000)
		w.ack(1000)
	}
}

// archived gives the bytes of the only source that there should be.
func (w *world) archived() string {
	w.t.Helper()
	if len(w.broker.streams) != 1 {
		w.t.Fatalf("%d sources, want 1", len(w.broker.streams))
	}
	for _, s := range w.broker.streams {
		return string(s.bytes)
	}
	return ""
}

func TestNothingShipsBeforeTheFirstLF(t *testing.T) {
	w := plain(t)
	w.put("no end yet")
	w.drain()
	if len(w.broker.streams) != 0 {
		t.Fatalf("%v was shipped", w.broker.streams)
	}
	w.put(" but now\nand a second")
	w.drain()
	if got, want := w.archived(), "no end yet but now\n"; got != want {
		t.Errorf("archived %q, want %q", got, want)
	}
}

func TestUnfinishedEndShipsOnceNoWriterIsLeft(t *testing.T) {
	for name, known := range map[string]bool{"kernel knows": true, "by quiet time": false} {
		t.Run(name, func(t *testing.T) {
			w := plain(t)
			if !known {
				w.tail.leaseCheck = func(*File) (bool, bool) { return false, false }
			}
			w.put("one\ntwo without end")
			w.drain()
			if err := os.Rename(w.log, w.log+".1"); err != nil {
				t.Fatal(err)
			}
			w.drain()
			if got := w.archived(); known && got != "one\n" {
				t.Fatalf("archived %q while a writer is left", got)
			}
			w.put(", continued") // the old writer, late
			w.drain()
			if got := w.archived(); got != "one\n" {
				t.Fatalf("archived %q while a writer is left", got)
			}
			if err := w.w.f.Close(); err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(2 * w.cfg.RotatedWait)
			w.drain()
			if got, want := w.archived(), "one\ntwo without end, continued"; got != want {
				t.Errorf("archived %q, want %q", got, want)
			}
			w.create()
		})
	}
}

func TestLongLinesAreCutAndCounted(t *testing.T) {
	for _, n := range []int{4094, 4095, 4096, 4097, 10_000, 4096 * 3} {
		w := plain(t)
		text := "short\n" + strings.Repeat("x", n) + "\nshort\n"
		w.put(text)
		w.drain()
		if got := w.archived(); got != text {
			t.Errorf("line of %d: %d bytes archived, want %d", n, len(got), len(text))
		}
		var cut int64
		w.ledger.Each(func(p *ledger.Account) { cut += p.CutLines.Load() })
		if want := int64(n / 4096); cut != want {
			t.Errorf("line of %d: %d cuts counted, want %d", n, cut, want)
		}
	}
}

// TestCutsDoNotDependOnTheMoment: a long line that arrives in pieces is cut at
// the same places as one that is there at once.
func TestCutsDoNotDependOnTheMoment(t *testing.T) {
	line := "head\n" + strings.Repeat("y", 9000) + "\n"
	cuts := func(pieces int) (ends []int64) {
		w := plain(t)
		for i := range pieces {
			w.put(line[len(line)*i/pieces : len(line)*(i+1)/pieces])
			w.scan()
			w.ship(100)
		}
		w.ship(100)
		for _, f := range w.flights {
			ends = append(ends, f.run.To)
		}
		return ends
	}
	if a, b := cuts(1), cuts(20); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("cut at %v and at %v", a, b)
	}
}

func TestTruncationLosesAndSaysSo(t *testing.T) {
	w := plain(t)
	w.put("first line\nsecond line\n")
	w.drain()
	w.put("never read\n")
	w.scan() // sees 11 more bytes
	w.tail.next(w.now)
	if err := os.Truncate(w.log, 0); err != nil {
		t.Fatal(err)
	}
	w.put("of the next generation\n")
	w.drain()
	if len(w.broker.streams) != 2 {
		t.Errorf("%d sources, want 2", len(w.broker.streams))
	}
	w.ledger.Each(func(p *ledger.Account) {
		if p.Lost(wire.Truncated).Bytes.Load() != 11 || p.InFlight() != 0 {
			t.Errorf("lost %d bytes, want 11; in flight %d", p.Lost(wire.Truncated).Bytes.Load(), p.InFlight())
		}
	})
	if w.tail.Stats().Truncations.Load() != 1 {
		t.Errorf("%d truncations counted", w.tail.Stats().Truncations.Load())
	}
}

// TestSameHeadAfterTruncation: device, inode and head are all the same, so the
// generation must tell.
func TestSameHeadAfterTruncation(t *testing.T) {
	for _, down := range []bool{false, true} {
		w := plain(t)
		w.put("always the same head\nold line\nanother one\n")
		w.drain()
		w.save()
		if down {
			w.crash(0)
		}
		if err := os.Truncate(w.log, 0); err != nil {
			t.Fatal(err)
		}
		w.put("always the same head\nnew line\n")
		w.start()
		w.drain()
		if len(w.broker.streams) != 2 {
			t.Errorf("down %v: %d sources, want 2", down, len(w.broker.streams))
		}
	}
}

// TestRewrittenToTheSameSize: nothing but the bytes shows it.
func TestRewrittenToTheSameSize(t *testing.T) {
	w := plain(t)
	w.put("line one\nline two\n")
	w.drain()
	if err := os.WriteFile(w.log, []byte("LINE ONE\nLINE TWO\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.touch(w.w.f)
	w.drain()
	if len(w.broker.streams) != 2 {
		t.Errorf("%d sources, want 2", len(w.broker.streams))
	}
}

func TestInodeReuse(t *testing.T) {
	w := plain(t)
	w.put("old file\n" + strings.Repeat("old\n", 100))
	w.drain()
	w.save()
	var entry checkpoint.Entry
	for _, e := range w.saved.Entries {
		entry = e
	}
	w.crash(0)
	w.must(os.Remove(w.log))
	w.must(w.w.f.Close())
	w.create()
	w.put("new file\nnew\n")
	st, err := statPath(w.log)
	w.must(err)
	entry.Dev, entry.Ino = st.key.dev, st.key.ino // whatever the file system did
	w.saved.Entries = []checkpoint.Entry{entry}
	w.start()
	w.drain()
	got := w.broker.lines()
	if got["new file"] != 1 || got["new"] != 1 {
		t.Errorf("archived %v", got)
	}
}

func TestOldSiblingsOfAFirstStartAreLeftAlone(t *testing.T) {
	w := newWorld(t, 1)
	old := w.now.Add(-time.Hour)
	for _, n := range []string{".1", "-20261101", ".2.gz"} {
		w.must(os.WriteFile(w.log+n, []byte("long ago\n"), 0o600))
		w.must(os.Chtimes(w.log+n, old, old))
	}
	w.start()
	w.put("now\n")
	w.drain()
	if got := w.archived(); got != "now\n" {
		t.Errorf("archived %q", got)
	}
}

func TestTwiceRotatedWhileDown(t *testing.T) {
	for _, known := range []bool{true, false} {
		w := plain(t)
		if known {
			w.put("generation 1\n")
			w.drain()
			w.save()
		}
		w.crash(0)
		w.put("generation 1, more\n")
		w.rotate(false)
		w.put("generation 2\n")
		w.rotate(false)
		w.put("generation 3\n")
		w.start()
		w.drain()
		got := w.broker.lines()
		for _, l := range []string{"generation 1, more", "generation 2", "generation 3"} {
			if got[l] != 1 {
				t.Errorf("known %v: %q is archived %d times", known, l, got[l])
			}
		}
	}
}

func TestUnzippedCopyIsNotReadAgain(t *testing.T) {
	w := plain(t)
	text := "a rotated log\n" + strings.Repeat("line\n", 500)
	w.put(text)
	w.drain()
	w.rotate(false)
	w.hangUp(0)
	w.drain()
	w.must(os.Remove(w.log + ".1")) // compressed
	w.drain()
	w.must(os.WriteFile(w.log+".9", []byte(text), 0o600)) // and unzipped for a look
	w.must(os.Chtimes(w.log+".9", w.now, w.now))
	w.drain()
	if got := w.archived(); got != text {
		t.Errorf("%d bytes archived, want %d", len(got), len(text))
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, name, logical string
		live                   bool
	}{
		{"haproxy.log", "haproxy.log", "haproxy.log", true},
		{"haproxy.log", "haproxy.log.1", "haproxy.log", false},
		{"haproxy.log", "haproxy.log-20261123", "haproxy.log", false},
		{"haproxy.log", "haproxy.log.2.gz", "", false},
		{"haproxy.log", "haproxy.log.bak-1", "haproxy.log", false},
		{"haproxy.log", "haproxy.log1", "", false},
		{"haproxy.log", "haproxy.log.", "", false},
		{"*.log", "a.b.log", "a.b.log", true},
		{"*.log", "a.log.1", "a.log", false},
		{"*.log", "a.log.1.log", "a.log.1.log", true},
		{"ha*", "haproxy.log.1", "haproxy.log.1", true},
		{"ha*", "haproxy.log.1.zst", "", false},
	} {
		if logical, live := match(test.pattern, test.name); logical != test.logical || live != test.live {
			t.Errorf("match(%q, %q) = %q, %v", test.pattern, test.name, logical, live)
		}
	}
}

// TestManyFiles: buffers are not per file, open files are bounded, and every
// file gets its turn.
func TestManyFiles(t *testing.T) {
	w := newWorld(t, 1)
	w.cfg.Inputs = []Input{{Pattern: w.dir + "/*.log"}}
	w.cfg.MaxOpen = 20
	for i := range 300 {
		w.must(os.WriteFile(fmt.Sprintf("%s/f%03d.log", w.dir, i), bytes.Repeat(fmt.Appendf(nil, "file %d, the line of it\n", i), 50), 0o600))
	}
	w.start()
	w.drain()
	if len(w.broker.streams) != 300 {
		t.Errorf("%d sources, want 300", len(w.broker.streams))
	}
	if w.tail.open > 20 {
		t.Errorf("%d files open, the bound is 20", w.tail.open)
	}
}
