package main

import (
	"bytes"
	"os"
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
	for b.Loop() {
		for _, line := range lines {
			p.record(line, false)
		}
	}
}
