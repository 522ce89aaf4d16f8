package live

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

// corpus gives 200,000 lines of a real HAProxy as batches of 2 MiB.
func corpus(b *testing.B) (items []item, lines int) {
	b.Helper()
	packed, err := os.ReadFile(filepath.Join(testenv.Root(b), "testdata", "corpus", "httplog-200k.log.zst"))
	if err != nil {
		b.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	text, err := d.DecodeAll(packed, nil)
	if err != nil {
		b.Fatal(err)
	}
	lines = wire.CountRecords(text)
	for from := int64(0); len(text) > 0; {
		cut := min(2<<20, len(text))
		cut = bytes.LastIndexByte(text[:cut], '\n') + 1
		header, payload := message("n", from, string(text[:cut]))
		items = append(items, item{header, payload})
		from, text = from+int64(cut), text[cut:]
	}
	return items, lines
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTail is what lines cost an aggregator: without a reader, with one who
// gets 1 % of them, with eight of these, with one who wants all.
func BenchmarkTail(b *testing.B) {
	items, lines := corpus(b)
	for _, c := range []struct {
		name    string
		readers int
		filter  string
	}{{"no_reader", 0, ""}, {"1%", 1, "ST>=500"}, {"8_readers_1%", 8, "ST>=500"}, {"all", 1, ""}} {
		b.Run(c.name, func(b *testing.B) {
			v, _ := newView(b, "a", Config{Readers: 8, CPUs: 1, Queue: 8 << 20}, nil)
			v.nc = &nats.Conn{} // nothing is sent
			var readers []*reader
			for i := range c.readers {
				r, err := v.admit(string(rune('a'+i)), Ask{Version: Version, JSON: true, Raw: true, Filter: c.filter})
				if err != nil {
					b.Fatal(err)
				}
				r.until = time.Now().Add(time.Hour)
				readers = append(readers, r)
			}
			matched := 0
			b.ReportAllocs()
			start := cpu(b)
			for b.Loop() {
				for _, it := range items {
					if c.readers == 0 {
						v.Offer(it.header, it.payload)
						continue
					}
					v.batch(b.Context(), it)
					for _, r := range readers { // taken at once
						for _, c := range r.pending {
							matched += c.lines
						}
						r.pending, r.bytes = nil, 0
					}
				}
			}
			b.ReportMetric(float64(matched)/float64(b.N), "matched")
			b.ReportMetric((cpu(b)-start).Seconds()/float64(b.N)/float64(lines)*1e6, "cpu-s/Mlines")
		})
	}
}
