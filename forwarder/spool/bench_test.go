package spool

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/ledger"
)

// datagrams is what recvmmsg gives at once: 64 lines of 300 bytes.
func datagrams() []byte {
	return bytes.Repeat([]byte(strings.Repeat("x", 299)+"\n"), 64)
}

// benchSpool gives a spool whose Run works beside it.
func benchSpool(b *testing.B, every time.Duration) *Spool {
	b.Helper()
	cfg := Config{Dir: b.TempDir(), Node: "n", Path: "p", Bytes: 1 << 30, Segment: 16 << 20, SyncEvery: every, Batch: 2 << 20, Linger: time.Second}
	s, err := Open(cfg, -1, "", ledger.New().Account("p"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// cpu gives the CPU time of the process so far, in nanoseconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return float64(ru.Utime.Nano() + ru.Stime.Nano())
}

// perLine reports the CPU time for one of the lines of a chunk.
func perLine(b *testing.B, start float64, lines int) {
	b.Helper()
	b.ReportMetric((cpu(b)-start)/float64(b.N)/float64(lines), "cpu-ns/line")
}

// BenchmarkWrite is the baseline: the same chunks, written to a file that starts
// anew every 16 MiB, and nothing else.
func BenchmarkWrite(b *testing.B) {
	chunk := datagrams()
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.SetBytes(int64(len(chunk)))
	off, start := int64(0), cpu(b)
	for b.Loop() {
		if _, err := f.WriteAt(chunk, off); err != nil {
			b.Fatal(err)
		}
		if off += int64(len(chunk)); off > 16<<20 {
			off = 0
			if err := f.Truncate(0); err != nil {
				b.Fatal(err)
			}
		}
	}
	perLine(b, start, 64)
}

// BenchmarkAppend confirms what it appended without reading it, so that the
// spool stays small.
func BenchmarkAppend(b *testing.B) {
	for name, every := range map[string]time.Duration{"200ms": 200 * time.Millisecond, "always": 0} {
		b.Run(name, func(b *testing.B) {
			s, chunk := benchSpool(b, every), datagrams()
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			start := cpu(b)
			for b.Loop() {
				for s.Append(chunk, 64) != nil {
					if err := s.WaitRoom(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				if synced := s.synced.Load(); synced-s.acked > 32<<20 {
					s.read.Store(synced)
					s.cuts = append(s.cuts, cut{to: synced})
					s.Confirm(synced)
				}
			}
			perLine(b, start, 64)
		})
	}
}

// discard is a sink that looks at nothing.
type discard struct{ room int }

func (d *discard) Room() int { return d.room }

func (d *discard) Add(run []byte) int {
	d.room -= len(run)
	return 1
}

// BenchmarkAppendRead reads everything in batches of 2 MiB and confirms it.
func BenchmarkAppendRead(b *testing.B) {
	for name, chunk := range map[string][]byte{"64": datagrams(), "1": datagrams()[:300]} {
		b.Run(name, func(b *testing.B) {
			s := benchSpool(b, 50*time.Millisecond)
			buf := make([]byte, 512<<10)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			read := func(least int64) {
				for s.synced.Load()-s.read.Load() > least {
					run, err := s.Read(buf, 2<<20, &discard{room: 4 << 20})
					if err != nil || run.Lost != "" {
						b.Fatal(run, err)
					}
					s.Confirm(run.To)
				}
			}
			start := cpu(b)
			for b.Loop() {
				for s.Append(chunk, len(chunk)/300) != nil {
					if err := s.WaitRoom(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				read(2 << 20)
			}
			if err := s.sync(); err != nil {
				b.Fatal(err)
			}
			read(0)
			perLine(b, start, len(chunk)/300)
		})
	}
}
