package audit_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/loghaul/loghaul/audit"
)

// BenchmarkCat reads an archive of 100,000 lines: held in memory, and sorted
// through temporary files.
func BenchmarkCat(b *testing.B) {
	w := newWorld(b)
	raw := string(bytes.Join(realLines(b)[:1000], nil))
	for i := range int64(5) {
		for j := range int64(2) {
			src := source("web-1", rune('a'+j))
			at := day.Add(time.Duration(2*i+j) * time.Minute)
			for k := range int64(10) {
				from := (i*10 + k) * int64(len(raw))
				w.add("agg", at.Add(time.Duration(k)), batch(src, from, raw, at))
			}
		}
	}
	for name, memory := range map[string]int64{"memory": 0, "spilled": 4 << 20} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(100 * len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				report, err := audit.Cat(b.Context(), w.store, io.Discard, audit.CatOptions{Memory: memory, TempDir: b.TempDir(), Warn: func(err error) { b.Error(err) }})
				if err != nil || report.Lines != 100_000 {
					b.Fatalf("%v, %+v", err, report)
				}
			}
		})
	}
}
