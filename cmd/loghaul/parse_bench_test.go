package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// BenchmarkParseToJSON is `loghaul parse --format httplog` without reading and writing.
func BenchmarkParseToJSON(b *testing.B) {
	packed, err := os.ReadFile("../../testdata/corpus/httplog-200k.log.zst")
	if err != nil {
		b.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	data, err := z.DecodeAll(packed, nil)
	if err != nil {
		b.Fatal(err)
	}
	f, err := parser.Compile("httplog")
	if err != nil {
		b.Fatal(err)
	}
	p := newJSONParser([]*parser.Format{f}, time.UTC, wrapper.Auto)
	lines := bytes.SplitAfter(data, []byte("\n"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	// The sum of the best time of each chunk: what it costs when nothing else uses the machine.
	const chunk = 1000
	best := make([]time.Duration, (len(lines)+chunk-1)/chunk)
	for b.Loop() {
		i := 0
		for part := range slices.Chunk(lines, chunk) {
			begin := time.Now()
			for _, line := range part {
				p.record(line, false)
			}
			if d := time.Since(begin); best[i] == 0 || d < best[i] {
				best[i] = d
			}
			i++
		}
	}
	var sum time.Duration
	for _, d := range best {
		sum += d
	}
	b.ReportMetric(float64(len(data))/1e6/sum.Seconds(), "best-MB/s")
}
