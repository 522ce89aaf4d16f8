package manifest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

// BenchmarkManifest makes, opens and asks a manifest of an hour: 36 objects of
// 100,000 lines with 16,000 clients each would need a minute to make, so that
// they have 5,000 lines of 5,000 clients each.
func BenchmarkManifest(b *testing.B) {
	var entries []*manifest.Entry
	for i := range 36 {
		var batches []archive.Batch
		for j := range 50 { // as many sources
			batches = append(batches, batchOf(fmt.Sprintf("%024d", j), int64(i)<<20, clients(i*2500+j*100, 100)...))
		}
		e, _ := entryOf(b, hour.Add(time.Duration(i)*time.Second), batches...)
		entries = append(entries, e)
	}
	m := &manifest.Manifest{
		Writer: "agg-1", Sequence: 2, From: hour, To: hour.Add(time.Hour), Made: hour.Add(time.Hour),
		Previous: &manifest.Link{Sequence: 1, SHA256: strings.Repeat("0", 64)},
	}
	s := newSigner(b)
	file, f, err := manifest.Encode(m, entries, s)
	if err != nil {
		b.Fatal(err)
	}
	keys := keyring(b, s)
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := manifest.Encode(m, entries, s); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(file)), "B")
		b.ReportMetric(float64(int64(len(file))-m.Filters.Size), "B-document")
	})
	r := bytes.NewReader(file)
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := manifest.Open(r, int64(len(file)))
			if err != nil {
				b.Fatal(err)
			}
			if err := keys.Check(f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("MayHold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.MayHold(r, "client_ip", []byte("10.9.8.7")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
