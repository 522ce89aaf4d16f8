package journald

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
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

// journal is a real journal, written by systemd-journal-remote.
type journal struct {
	t       *testing.T
	dir     string
	written int
}

func newJournal(t *testing.T) *journal {
	t.Helper()
	return &journal{t: t, dir: t.TempDir()}
}

// write adds entries with these messages, one microsecond apart.
func (j *journal) write(messages ...string) {
	j.t.Helper()
	var b bytes.Buffer
	for _, m := range messages {
		j.written++
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n",
			1_795_657_813_000_000+j.written, 1000+j.written)
		fmt.Fprintf(&b, "PRIORITY=5\nSYSLOG_FACILITY=16\nSYSLOG_IDENTIFIER=haproxy\n_PID=42\n_HOSTNAME=lb1\n_COMM=haproxy\nEXTRA=%s\n", strings.Repeat("e", 3000))
		b.WriteString("MESSAGE\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(m))))
		b.WriteString(m + "\n\n")
	}
	program := "/lib/systemd/systemd-journal-remote"
	if _, err := os.Stat(program); err != nil {
		j.t.Fatalf("the test needs systemd-journal-remote, which is not in PATH usually: run `make tools`: %v", err)
	}
	cmd := exec.Command(program, "--output="+filepath.Join(j.dir, "test.journal"), "-")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		j.t.Fatalf("writing the journal: %v\n%s", err, out)
	}
}

// head is the header of the n-th entry.
func head(n int) string {
	return fmt.Sprintf("<133>1 2026-11-26T01:50:13.%06dZ lb1 haproxy 42 - - ", n)
}

// world follows a journal.
type world struct {
	t     *testing.T
	j     *Journal
	spool *inputtest.Spool
	log   *testenv.Log
	stop  func()
}

func config(t *testing.T, dir string) Config {
	t.Helper()
	return Config{Directory: dir, Cursor: filepath.Join(t.TempDir(), "cursor"), MaxLine: 64 << 10, Matches: []string{"SYSLOG_IDENTIFIER=haproxy"}}
}

func follow(t *testing.T, cfg Config, spool *inputtest.Spool) *world {
	t.Helper()
	w := &world{t: t, spool: spool, log: &testenv.Log{}}
	j, err := New(cfg, Deps{Spool: spool, Account: ledger.New().Account(Name), Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.j = j
	j.first = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := spool.Check(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

func (w *world) records(n int) []string {
	w.t.Helper()
	testenv.Eventually(w.t, limit, fmt.Sprintf("%d records; the problem is %v", n, w.j.Problem()), func() bool { got, _ := w.spool.Records(); return got >= n })
	return strings.Split(strings.TrimSuffix(string(w.spool.Data()), "\n"), "\n")
}

// numbers checks that records are the entries from..to, in order, each once.
func (w *world) numbers(records []string, from, to int) {
	w.t.Helper()
	if len(records) != to-from+1 {
		w.t.Fatalf("%d records, want entries %d to %d", len(records), from, to)
	}
	for i, r := range records {
		if want := head(from+i) + fmt.Sprintf("line %d", from+i); r != want {
			w.t.Fatalf("record %d is %q, want %q", i, r, want)
		}
	}
}

func lines(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("line %d", i))
	}
	return all
}
