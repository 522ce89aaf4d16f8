package notary

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
)

// window100k makes an object of 100,000 real lines of 50 sources.
func window100k(b *testing.B) *sinks.Group {
	b.Helper()
	packed, err := os.ReadFile("../../testdata/corpus/httplog-200k.log.zst")
	if err != nil {
		b.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	raw, err := z.DecodeAll(packed, nil)
	if err != nil {
		b.Fatal(err)
	}
	var batches []archive.Batch
	for i := range 50 {
		var part []byte
		for range 2000 {
			n := bytes.IndexByte(raw, '\n') + 1
			part, raw = append(part, raw[:n]...), raw[n:]
		}
		batches = append(batches, archive.Batch{Raw: part, Header: wire.Header{
			Source: wire.Source{ID: strings.Repeat(string(rune('a'+i%6)), 22) + string(rune('0'+i%10)) + string(rune('0'+i/10)), Node: "web", Path: "/var/log/haproxy.log"},
			To:     int64(len(part)), Records: 2000,
		}})
	}
	return archivetest.Group(b, archive.Options{Formats: archivetest.Formats(b, "httplog"), Writer: "a"}, time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC), batches...)
}

// BenchmarkObject gives what an object of 100,000 lines costs the notary, in CPU
// time: noting it when it was stored, adopting it after a crash. Memory is what
// is kept until the manifest is written.
func BenchmarkObject(b *testing.B) {
	g := window100k(b)
	n, err := New(DefaultConfig(), Deps{Store: newBucket(), Name: "a"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Note", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(perRun(b, func() {
			n.enter(&item{key: g.Key, size: int64(len(g.Body)), sum: g.SHA256}, g.Body)
		}), "cpu-ms")
	})
	b.Run("Keep", func(b *testing.B) {
		var items []*item
		before := heap()
		for b.Loop() {
			it := &item{key: g.Key, size: int64(len(g.Body)), sum: g.SHA256}
			n.enter(it, g.Body)
			items = append(items, it)
		}
		b.ReportMetric((heap()-before)/float64(len(items)), "B-kept")
		b.ReportMetric(float64(items[0].weight), "B-weighed")
	})
	b.Run("Adopt", func(b *testing.B) {
		b.ReportAllocs()
		store := newBucket()
		store.put(g.Key, g.Body)
		n.clerk.store = store
		b.ReportMetric(perRun(b, func() {
			if _, err := n.clerk.adopt(b.Context(), g.Key); err != nil {
				b.Fatal(err)
			}
		}), "cpu-ms")
	})
}

// perRun gives the CPU time of the best run in milliseconds.
func perRun(b *testing.B, fn func()) float64 {
	b.Helper()
	best := time.Hour
	for b.Loop() {
		start := cpu(b)
		fn()
		best = min(best, cpu(b)-start)
	}
	return best.Seconds() * 1000
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
