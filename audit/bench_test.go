package audit_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/wire"
)

// benchLines and benchObjects are the size of the archive that is read.
const (
	benchLines   = 196_000
	benchObjects = 2
)

// benchWorld is an archive of real lines of ten sources, in batches as
// forwarders cut them.
func benchWorld(b *testing.B) (w *world, size int64) {
	b.Helper()
	w = newWorld(b)
	packed, err := os.ReadFile("../testdata/corpus/httplog-200k.log.zst")
	if err != nil {
		b.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(packed, nil)
	if err != nil {
		b.Fatal(err)
	}
	const sources, lines = 10, 2000
	var ends [sources]int64
	for i := range benchObjects {
		var batches []archive.Batch
		for k := range benchLines / benchObjects / lines {
			n := 0
			for range lines {
				n += bytes.IndexByte(raw[n:], '\n') + 1
			}
			s := k % sources
			batches = append(batches, batch(wire.Source{ID: fmt.Sprintf("%024x", s), Node: "web", Path: "/var/log/haproxy.log"}, ends[s], string(raw[:n]), day))
			ends[s] += int64(n)
			size += int64(n)
			raw = raw[n:]
		}
		w.add("agg", day.Add(time.Duration(i)*time.Minute), batches...)
	}
	return w, size
}

// BenchmarkCat prints lines that are held in memory, and sorted through
// temporary files. "read" is what reading and rendering them takes of it.
func BenchmarkCat(b *testing.B) {
	w, size := benchWorld(b)
	b.Run("read", func(b *testing.B) {
		perMillion(b, size, func() {
			n := 0
			for _, key := range w.keys() {
				body, err := w.store.Get(b.Context(), key)
				if err != nil {
					b.Fatal(err)
				}
				r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
				if err != nil {
					b.Fatal(err)
				}
				if err := r.Lines(func(*archive.Row) error { n++; return nil }); err != nil || n == 0 {
					b.Fatal(err)
				}
			}
			if n != benchLines {
				b.Fatalf("%d lines", n)
			}
		})
	})
	for name, memory := range map[string]int64{"memory": 0, "spilled": 8 << 20} {
		b.Run(name, func(b *testing.B) {
			perMillion(b, size, func() {
				report, err := audit.Cat(b.Context(), w.store, io.Discard, audit.CatOptions{Memory: memory, TempDir: b.TempDir(), Warn: func(err error) { b.Error(err) }})
				if err != nil || report.Lines != benchLines {
					b.Fatalf("%v, %+v", err, report)
				}
			})
		})
	}
}

// perMillion reports CPU seconds per million lines, garbage collection
// included: of the best run, because other programs slow down the rest.
func perMillion(b *testing.B, size int64, fn func()) {
	b.Helper()
	b.SetBytes(size)
	b.ReportAllocs()
	best := time.Hour
	for b.Loop() {
		start := cpu()
		fn()
		best = min(best, cpu()-start)
	}
	b.ReportMetric(best.Seconds()/benchLines*1e6, "cpu-s/Mline")
}

// cpu gives the user and system time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
