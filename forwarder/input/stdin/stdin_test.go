package stdin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/testenv"
)

const limit = testenv.Patience

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world has a Stdin that reads what is written into w.
type world struct {
	t     *testing.T
	in    *Stdin
	spool *inputtest.Spool
	w     *os.File
	stop  context.CancelFunc
	done  chan error
}

func newWorld(t *testing.T, spool *inputtest.Spool) *world {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(Config{File: r, MaxLine: 4096}, deps(spool))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &world{t: t, in: in, spool: spool, w: w, stop: cancel, done: make(chan error, 1)}
	go func() { x.done <- in.Run(ctx); close(x.done) }()
	t.Cleanup(func() {
		cancel()
		<-x.done //nolint:errcheck // the test has looked, or failed
		w.Close()
		r.Close()
		if err := spool.Check(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func deps(spool *inputtest.Spool) Deps {
	return Deps{Spool: spool, Account: ledger.New().Account(Name), Logger: slog.New(slog.DiscardHandler)}
}

func (x *world) write(s string) {
	x.t.Helper()
	if _, err := io.WriteString(x.w, s); err != nil {
		x.t.Fatal(err)
	}
}

func (x *world) ended() {
	x.t.Helper()
	select {
	case err := <-x.done:
		if err != nil {
			x.t.Fatal(err)
		}
	case <-time.After(limit):
		x.t.Fatal("Run does not return")
	}
}

func TestLinesUntilTheEnd(t *testing.T) {
	x := newWorld(t, &inputtest.Spool{})
	long := strings.Repeat("x", 5000)
	x.write("one\ntw")
	testenv.Eventually(t, limit, "the first line", func() bool { n, _ := x.spool.Records(); return n == 1 })
	x.write("o\n\n\x00\xff\n" + long + "\n3 frame\nlast")
	x.w.Close()
	x.ended()
	want := "one\ntwo\n\n\x00\xff\n" + long[:4096] + "\n" + long[4096:] + "\n3 frame\nlast\n"
	if got := string(x.spool.Data()); got != want {
		t.Errorf("got %.200q", got)
	}
	if st := x.in.Stats(); st.Records.Load() != 8 || st.Cut.Load() != 1 || st.Bytes.Load() != int64(len(want)) {
		t.Errorf("%d records, %d cut", st.Records.Load(), st.Cut.Load())
	}
}

// TestWhatIsInThePipeAtTheEndIsTaken ends while the writer lives.
func TestWhatIsInThePipeAtTheEndIsTaken(t *testing.T) {
	x := newWorld(t, &inputtest.Spool{})
	x.write(strings.Repeat("a line\n", 9000) + "half")
	x.stop()
	x.ended()
	if n, _ := x.spool.Records(); n != 9001 {
		t.Errorf("%d records", n)
	}
}

// TestAWriterWithoutEnd does not keep it from ending.
func TestAWriterWithoutEnd(t *testing.T) {
	x := newWorld(t, &inputtest.Spool{Drop: true})
	written := make(chan struct{})
	go func() {
		defer close(written)
		for {
			if _, err := io.WriteString(x.w, strings.Repeat("line\n", 10_000)); err != nil {
				return
			}
		}
	}()
	testenv.Eventually(t, limit, "lines", func() bool { n, _ := x.spool.Records(); return n > 0 })
	x.stop()
	x.ended()
	x.in.file.Close() // ends the writer
	<-written
}

// TestAFullSpoolMakesTheWriterWait and loses nothing.
func TestAFullSpoolMakesTheWriterWait(t *testing.T) {
	x := newWorld(t, &inputtest.Spool{Max: 300_000})
	const lines = 20_000
	written := make(chan error, 1)
	go func() {
		for i := range lines {
			if _, err := fmt.Fprintf(x.w, "%099d\n", i); err != nil {
				written <- err
				return
			}
		}
		written <- x.w.Close()
	}()
	testenv.Eventually(t, limit, "the spool is full", func() bool { return x.in.Stats().Refusals.Load() > 0 })
	select {
	case err := <-written:
		t.Fatalf("the writer did not have to wait: %v", err)
	default:
	}
	var got []byte
	testenv.Eventually(t, limit, "all lines", func() bool {
		got = append(got, x.spool.Take()...)
		return len(got) == lines*100
	})
	x.ended()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(string(got)) {
		if line != fmt.Sprintf("%099d\n", i) {
			t.Fatalf("line %d is %q", i, line)
		}
		i++
	}
}

func TestAFileInsteadOfAPipe(t *testing.T) {
	path := t.TempDir() + "/lines"
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spool := &inputtest.Spool{}
	in, err := New(Config{File: f, MaxLine: 4096}, deps(spool))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Run(context.Background()); err != nil || string(spool.Data()) != "one\ntwo\n" {
		t.Errorf("%v %q", err, spool.Data())
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	closed, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	closed.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, f := range []*os.File{closed, dir} {
		if _, err := New(Config{File: f, MaxLine: 4096}, deps(&inputtest.Spool{})); err == nil || !strings.Contains(err.Error(), "pipe something into it") {
			t.Error(err)
		}
	}
	if _, err := New(Config{MaxLine: 1 << 20}, deps(&inputtest.Spool{})); err == nil {
		t.Error("a line longer than the buffer is accepted")
	}
}
