package spool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestManyWriters runs everything at the same time, on a spool that is too small
// for it.
func TestManyWriters(t *testing.T) {
	for _, every := range []time.Duration{0, 2 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			const writers, each = 8, 120
			cfg := Config{Dir: t.TempDir(), Node: "n", Path: "p", Bytes: 64 << 10, SyncEvery: every, Batch: 8 << 10, Linger: time.Millisecond}
			account := ledger.New().Account("p")
			s, err := Open(cfg, -1, "", account, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			running, stop := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() { ended <- s.Run(running) }()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						b := fmt.Appendf(nil, "writer %d line %d %s\n", w, i, strings.Repeat("x", 900))
						for s.Append(b, 1) != nil {
							if err := s.WaitRoom(ctx); err != nil {
								t.Error(err)
								return
							}
						}
						if i%10 == 0 {
							s.Lose(wire.KernelDropped, 1, 100)
						}
					}
				})
			}
			all := make(chan struct{})
			go func() { wg.Wait(); close(all) }()
			next := make([]int, writers)
			lines, lost := 0, int64(0)
			buf := make([]byte, 64<<10)
			for lines < writers*each || lost < writers*each/10 {
				now := time.Now()
				s.Step(now)
				s.UpdateLag()
				src := s.Next(now)
				if src == nil {
					wait := time.NewTimer(time.Minute)
					if at := s.NextStep(false); !at.IsZero() {
						wait.Reset(max(at.Sub(now), 0))
					}
					select {
					case <-s.Wake():
					case <-wait.C:
					case <-ctx.Done():
						t.Fatalf("%d lines, %d lost", lines, lost)
					}
					continue
				}
				k := &sink{room: 1 << 20}
				run, err := src.Read(buf, cfg.Batch, k)
				if err != nil {
					t.Fatal(err)
				}
				lost += run.LostLines
				for l := range bytes.Lines(k.raw) {
					var w, i int
					if _, err := fmt.Sscanf(string(l), "writer %d line %d ", &w, &i); err != nil || next[w] != i {
						t.Fatalf("writer %d: line %d, want %d: %v", w, i, next[w], err)
					}
					next[w]++
					lines++
				}
				src.Confirm(run.To)
			}
			<-all
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if account.InFlight() != 0 || account.AckedLines.Load() != writers*each || account.Lost(wire.KernelDropped).Lines.Load() != lost {
				t.Errorf("the ledger is wrong: %d in flight, %d lines", account.InFlight(), account.AckedLines.Load())
			}
			if names, err := os.ReadDir(cfg.Dir); err != nil || len(names) > 2 {
				t.Errorf("%d files are left: %v", len(names), err)
			}
		})
	}
}

// TestKilled kills a real process within its appends: what it was told to be
// there is there, once, in order.
func TestKilled(t *testing.T) {
	const env = "LOGHAUL_TEST_SPOOL"
	cfg := Config{Dir: os.Getenv(env), Node: "n", Path: "p", Bytes: 64 << 20, Segment: 64 << 10, SyncEvery: 5 * time.Millisecond, Batch: 1 << 20}
	if cfg.Dir != "" {
		s, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Run(context.Background()) }() //nolint:usetesting // until it is killed
		from, err := strconv.Atoi(os.Getenv(env + "_FROM"))
		for i := from; err == nil; i++ {
			if err = s.Append(fmt.Appendf(nil, "line %d\n", i), 1); err == nil {
				_, err = fmt.Printf("%d\n", i) //nolint:forbidigo // to the test that runs this one
			}
		}
		t.Fatal(err)
	}
	cfg.Dir = filepath.Join(t.TempDir(), "spool")
	from, want := 0, 0 // lines that were acknowledged
	for range 5 {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), env+"="+cfg.Dir, fmt.Sprintf("%s_FROM=%d", env, from))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if i, err := strconv.Atoi(lines.Text()); err == nil {
				want = i + 1
			}
			if n == 3000 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()  // killed
		from = want + 1 // the one that it was about to append may be there
	}
	s, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	raw, losses := drain(t, s)
	if losses != nil {
		t.Errorf("lost %+v", losses)
	}
	last, n := -1, 0
	for l := range bytes.Lines(raw) {
		var i int
		if _, err := fmt.Sscanf(string(l), "line %d", &i); err != nil || i <= last || i > last+2 {
			t.Fatalf("%q behind line %d: %v", l, last, err)
		}
		last = i
		n++
	}
	if last+1 < want || n < want-4 || want < 15_000 {
		t.Errorf("%d lines up to %d, %d were acknowledged", n, last, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFullAndRoom: at the bound Append refuses, marks get through, and there is
// room again when something was confirmed.
func TestFullAndRoom(t *testing.T) {
	s := newSite(t)
	s.cfg.Bytes, s.cfg.Segment = 64<<10, 4<<10
	sp := s.open(-1, "")
	chunk := []byte(strings.Repeat("y", 999) + "\n")
	n := 0
	var err error
	for ; err == nil; n++ {
		err = sp.Append(chunk, 1)
	}
	if !errors.Is(err, ErrFull) || n < 50 || n > 64 {
		t.Fatalf("after %d appends: %v", n, err)
	}
	sp.Lose(wire.SpoolFull, 7, 7000)
	sp.tend(time.Now())
	sp.Lose(wire.SpoolFull, 5, 5000)
	sp.tend(time.Now()) // not yet: it is coalesced
	s.must(sp.sync())
	if len(sp.pending) != 1 || sp.used > s.cfg.Bytes {
		t.Errorf("pending %v, used %d", sp.pending, sp.used)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waited := make(chan error, 1)
	go func() { waited <- sp.WaitRoom(ctx) }()
	raw, losses := drain(t, sp)
	if len(raw) != (n-1)*1000 || len(losses) != 1 || losses[0].Lost != wire.SpoolFull || losses[0].LostLines != 7 || losses[0].To-losses[0].From != 7000 {
		t.Errorf("read %d, lost %+v", len(raw), losses)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	s.must(sp.Append(chunk, 1))
	sp.tend(time.Now().Add(time.Second)) // there is room: as often as ever
	s.must(sp.sync())
	if raw, losses := drain(t, sp); len(raw) != 1000 || len(losses) != 1 || losses[0].LostLines != 5 {
		t.Errorf("read %d, lost %+v", len(raw), losses)
	}
	if err := sp.Append(make([]byte, 1), 1); err == nil {
		t.Error("a record without LF was taken")
	}
	if err := sp.Append([]byte(strings.Repeat("z", 40<<10)+"\n"), 1); err == nil || errors.Is(err, ErrFull) {
		t.Errorf("a record that never fits: %v", err)
	}
	s.must(sp.Close())
	if err := sp.Append(chunk, 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestTwoForwarders: the second one is refused, and the first goes on.
func TestTwoForwarders(t *testing.T) {
	cfg := Config{Dir: filepath.Join(t.TempDir(), "a", "b"), Bytes: 1 << 20}
	first, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another forwarder has it") {
		t.Errorf("opened twice: %v", err)
	}
	if err := first.Append([]byte("line\n"), 1); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

// TestNoAllocations: an Append costs a copy and a write(2).
func TestNoAllocations(t *testing.T) {
	s := newSite(t)
	s.cfg.Bytes, s.cfg.Segment = 1<<30, 64<<20
	sp := s.open(-1, "")
	chunk := bytes.Repeat([]byte(strings.Repeat("y", 299)+"\n"), 64)
	if n := testing.AllocsPerRun(100, func() { s.must(sp.Append(chunk, 64)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	s.must(sp.Close())
}

// TestEmptyKnowsOfAMarkThatIsBeingWritten: a spool that is removed when it is
// empty must not take that along.
func TestEmptyKnowsOfAMarkThatIsBeingWritten(t *testing.T) {
	for range 200 {
		s, err := open(host{fs: durable.OS{}, now: time.Now}, Config{Dir: t.TempDir(), Node: "n", Path: "p", Bytes: 1 << 20}, -1, "",
			ledger.New().Account("p"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s.Lose(wire.SpoolFull, 1, 1)
		written := make(chan struct{})
		go func() { defer close(written); s.mark(s.now()) }()
		for busy := true; busy; {
			if s.Empty() {
				t.Error("empty, though a mark is declared")
			}
			select {
			case <-written:
				busy = false
			default:
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}
