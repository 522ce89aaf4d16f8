package verify_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
)

// bigArchive makes an archive of so many objects, 33 in each hour of a writer,
// as of a window of 100,000 lines about every two minutes. The objects are
// empty, as nobody reads them; what manifests say of them is that of a real one
// with 20 ranges.
func bigArchive(b *testing.B, objects int) *world {
	b.Helper()
	const perHour, writers, ranges = 33, 4, 20
	w := newWorld(b)
	s, err := archive.NewSummarizer()
	if err != nil {
		b.Fatal(err)
	}
	o := w.writer("agg-0").encode(start, batch(source('a'), 0, lines(500)))
	sum, err := s.Summarize(o.Body)
	if err != nil {
		b.Fatal(err)
	}
	sum.Blooms = nil // they lie before what is read
	at := int64(0)
	for h := 0; objects > 0; h++ {
		began := start.Add(time.Duration(h) * time.Hour)
		dir := w.path(archive.HourPrefix(began))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
		for i := range writers {
			x := w.writer(fmt.Sprintf("agg-%d", i))
			for n := range min(perHour, objects) {
				sum.Meta.Ranges = nil
				for r := range ranges {
					src := source(rune('a' + r + 100*i))
					sum.Meta.Ranges = append(sum.Meta.Ranges, archive.Range{Source: src, From: at, To: at + 1000, Lines: 10})
				}
				k := archive.KeyInfo{Writer: x.name, Sealed: began.Add(time.Duration(n) * time.Minute), Hash: fmt.Sprintf("%012x", at)}
				if err := os.WriteFile(filepath.Join(w.dir, k.Key()), nil, 0o600); err != nil {
					b.Fatal(err)
				}
				x.waiting = append(x.waiting, manifest.NewEntry(k.Key(), 0, sha256.Sum256(fmt.Append(nil, at)), sum))
				at += 1000
				objects--
			}
			x.seal(began.Add(time.Hour), func(m *manifest.Manifest) { m.End = true })
		}
	}
	return w
}

// BenchmarkVerify is without --deep, with signatures: CPU time for an object,
// and the memory that the run holds for it once everything is known.
func BenchmarkVerify(b *testing.B) {
	const objects = 4000
	w := bigArchive(b, objects)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	empty := heap()
	held, measured := uint64(0), false
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		total, err := verify.Run(b.Context(), w.store, verify.Options{
			Keys: w.keys, Now: now.Add(1000 * time.Hour),
			OnChain: func(verify.Chain) error {
				if !measured {
					held, measured = heap()-empty, true
				}
				return nil
			},
		})
		if err != nil || total.Objects[verify.OK] != objects {
			b.Fatalf("%v, %+v", err, total)
		}
	}
	spent := (cpu(b) - before).Seconds() / float64(b.N)
	b.ReportMetric(objects/spent, "objects/cpu-s")
	b.ReportMetric(float64(held)/objects, "B-held/object")
}

// BenchmarkDeep reads objects of 21,700 real lines each.
func BenchmarkDeep(b *testing.B) {
	raw, err := os.ReadFile("../../cmd/loghaul/testdata/demo/httplog.log")
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(b)
	x := w.writer("agg-1")
	const objects, times = 4, 20
	text := strings.Repeat(string(raw), times)
	for i := range int64(objects) {
		x.put(at(10, int(i)), batch(source('a'), i*int64(len(text)), text))
	}
	x.seal(at(11, 0), func(m *manifest.Manifest) { m.End = true })
	before := cpu(b)
	for b.Loop() {
		total, err := verify.Run(b.Context(), w.store, verify.Options{Keys: w.keys, Now: now, Deep: true})
		if err != nil || total.Objects[verify.OK] != objects || total.Differences > 0 {
			b.Fatalf("%v, %+v", err, total)
		}
	}
	spent := (cpu(b) - before).Seconds() / float64(b.N)
	b.ReportMetric(spent*1e6/float64(objects*strings.Count(text, "\n")), "cpu-s/Mlines")
	b.ReportMetric(float64(objects*len(text))/spent/1e6, "raw-MB/cpu-s")
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
