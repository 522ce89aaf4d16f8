package tail

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/ledger"
)

// TestWhatIsNoFileIsPassedOverAndSaidOnce: and nothing blocks on a FIFO.
func TestWhatIsNoFileIsPassedOverAndSaidOnce(t *testing.T) {
	w := newWorld(t, 1)
	var said bytes.Buffer
	w.logger = slog.New(slog.NewTextHandler(&said, nil))
	w.cfg.Inputs = []Input{{Pattern: w.dir + "/*.log"}}
	w.must(os.Mkdir(filepath.Join(w.dir, "folder.log"), 0o700))
	w.must(unix.Mkfifo(filepath.Join(w.dir, "fifo.log"), 0o600))
	w.must(os.Symlink("/dev/null", filepath.Join(w.dir, "device.log")))
	l, err := net.Listen("unix", filepath.Join(w.dir, "socket.log"))
	w.must(err)
	defer l.Close()
	w.start()
	w.put("a line\n")
	w.drain()
	if got := w.archived(); got != "a line\n" {
		t.Errorf("archived %q", got)
	}
	for _, name := range []string{"folder", "fifo", "device", "socket"} {
		if n := strings.Count(said.String(), name+".log"); n != 1 {
			t.Errorf("%s is named %d times, want once:\n%s", name, n, said.String())
		}
	}
	if n := strings.Count(said.String(), "add /*.log to follow the files in it"); n != 1 {
		t.Errorf("what to do about a folder is said %d times:\n%s", n, said.String())
	}
}

// TestNothingMatchesYet: also in a folder that is not there yet.
func TestNothingMatchesYet(t *testing.T) {
	w := newWorld(t, 1)
	var said bytes.Buffer
	w.logger = slog.New(slog.NewTextHandler(&said, nil))
	dir := filepath.Join(w.dir, "later")
	w.cfg.Inputs = []Input{{Pattern: dir + "/*.log"}}
	w.start()
	w.scan()
	if n := strings.Count(said.String(), "nothing matches yet"); n != 1 || strings.Contains(said.String(), "level=WARN") || w.tail.Stats().Trouble() != "" {
		t.Fatalf("said %d times:\n%s", n, said.String())
	}
	w.must(os.Mkdir(dir, 0o700))
	w.must(os.WriteFile(filepath.Join(dir, "a.log"), []byte("a line\n"), 0o600))
	w.drain()
	if got := w.archived(); got != "a line\n" {
		t.Errorf("archived %q", got)
	}
}

// TestBytesGoThroughUntouched: NUL, what is no UTF-8, and a line without end.
func TestBytesGoThroughUntouched(t *testing.T) {
	w := plain(t)
	text := "\x00\x00\x00\n\xff\xfe\x80\n\n\r\n" + strings.Repeat("\x00", 9000)
	w.put(text)
	w.drain()
	if got, want := w.archived(), text[:11+2*4096]; got != want {
		t.Fatalf("%d bytes are archived, want %d", len(got), len(want))
	}
	w.rotate(false)
	w.hangUp(0)
	w.drain()
	w.drain()
	if got := w.archived(); got != text {
		t.Errorf("%d bytes are archived, want %d", len(got), len(text))
	}
}

func TestInodeReuseWithoutBirthTimes(t *testing.T) {
	w := plain(t)
	w.put("old file\n" + strings.Repeat("old\n", 100))
	w.drain()
	w.save()
	w.crash(0)
	w.must(os.WriteFile(w.log, []byte("new file\n"+strings.Repeat("new\n", 200)), 0o600))
	w.touch(w.w.f)
	for i := range w.saved.Entries {
		w.saved.Entries[i].Born = 0
	}
	w.start()
	w.drain()
	if got := w.broker.lines(); got["new file"] != 1 || got["new"] != 200 {
		t.Errorf("archived %v", got)
	}
}

// TestRebuiltPositions: rotated files of any age may be unread.
func TestRebuiltPositions(t *testing.T) {
	w := newWorld(t, 1)
	old := w.now.Add(-1000 * w.cfg.RotatedWait).UnixNano()
	w.must(os.WriteFile(w.log+".1", []byte("before the damage\n"), 0o600))
	w.stamp(w.log+".1", old)
	w.must(os.WriteFile(w.log+".2", []byte("long before the damage\n"), 0o600))
	w.compress(w.log+".2", ".gz")
	w.stamp(w.log+".2.gz", old)
	w.ledger = ledger.New()
	var err error
	w.tail, err = New(w.cfg, checkpoint.State{Rebuilt: true}, w.ledger, w.logger)
	w.must(err)
	w.put("now\n")
	w.drain()
	if got := w.broker.lines(); len(got) != 2 || got["before the damage"] != 1 || got["now"] != 1 {
		t.Errorf("archived %v", got)
	}
}

func TestMaxLineOfAnInput(t *testing.T) {
	w := newWorld(t, 1)
	w.cfg.Inputs[0].MaxLine = 8192
	w.start()
	w.put(strings.Repeat("x", 5000) + "\n")
	w.drain()
	w.ledger.Each(func(a *ledger.Account) {
		if n := a.CutLines.Load(); n != 0 {
			t.Errorf("%d lines are cut", n)
		}
	})
}

// TestUntouchedFilesAreNotOpened: after a restart, and what is written then is
// read all the same.
func TestUntouchedFilesAreNotOpened(t *testing.T) {
	w := plain(t)
	w.put("one\n")
	w.drain()
	w.save()
	w.crash(0)
	w.start()
	if w.tail.open != 0 {
		t.Errorf("%d files are open", w.tail.open)
	}
	w.put("two\n")
	w.drain()
	if got := w.archived(); got != "one\ntwo\n" {
		t.Errorf("archived %q", got)
	}
}

// BenchmarkRestart is New and the first look with 10,000 files that were read.
func BenchmarkRestart(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(fmt.Sprintf("%s/f%05d.log", dir, i), fmt.Appendf(nil, "file %d, the line of it\n", i), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	w := &world{t: b, dir: dir, cfg: DefaultConfig(), broker: newBroker(b), logger: slog.New(slog.DiscardHandler)}
	w.cfg.Node, w.cfg.Inputs = "node", []Input{{Pattern: dir + "/*.log"}}
	w.r, w.w = randomFor(1), &writer{}
	w.start()
	for range 20 {
		w.scan()
		w.ship(20_000)
		w.ack(20_000)
	}
	w.now = w.now.Add(w.cfg.Poll)
	w.scan()
	w.save()
	w.must(w.tail.Close())
	for b.Loop() {
		w.tail = nil
		w.start()
		b.StopTimer()
		if w.tail.open > 0 {
			b.Fatalf("%d files are open", w.tail.open)
		}
		w.must(w.tail.Close())
		b.StartTimer()
	}
}

// TestAFileThatCannotBeReadAnyMore is left alone for a while, and said once.
func TestAFileThatCannotBeReadAnyMore(t *testing.T) {
	w := plain(t)
	w.put("a line\n")
	w.drain()
	w.put("another\n")
	w.now = w.now.Add(w.cfg.Linger)
	w.scan()
	w.now = w.now.Add(w.cfg.Linger)
	f := w.tail.next(w.now)
	if f == nil {
		t.Fatal("nothing is due")
	}
	good := f.fd
	bad, err := os.OpenFile(f.name, os.O_WRONLY, 0) // reads fail
	w.must(err)
	defer bad.Close()
	f.fd = bad
	if _, err := f.Read(make([]byte, 4096), w.cfg.Batch, &sink{room: 4096}); err == nil {
		t.Fatal("read from a file that is open for writing")
	}
	if f := w.tail.next(w.now); f != nil {
		t.Error("it is due again at once")
	}
	if got := w.tail.Stats().Trouble(); !strings.Contains(got, f.name) {
		t.Errorf("trouble %q", got)
	}
	f.fd = good
	w.now = w.now.Add(w.cfg.PollOnly)
	w.drain()
	if got := w.archived(); got != "a line\nanother\n" || w.tail.Stats().Trouble() != "" {
		t.Errorf("archived %q, trouble %q", got, w.tail.Stats().Trouble())
	}
}
