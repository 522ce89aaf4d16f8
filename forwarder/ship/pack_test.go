package ship

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/loghaul/loghaul/internal/wire"
)

// sample makes lines that compress about as access logs do.
func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "10.%d.%d.%d:%d [23/Nov/2026:07:%02d:%02d.%03d] www~ be_app/srv%d %d/0/%d/%d/%d %d %d - - ---- %d/%d/0/0/0 0/0 {shop.example.org|Mozilla/5.0 (X11; Linux x86_64)} \"GET /item/%d?page=%d HTTP/1.1\"\n",
			r.IntN(256), r.IntN(256), r.IntN(256), 1024+r.IntN(60000), i/60000%60, i/1000%60, i%1000, r.IntN(8), r.IntN(9), r.IntN(3),
			r.IntN(300), r.IntN(400), 200+r.IntN(3)*100, r.IntN(90000), r.IntN(999), r.IntN(999), r.IntN(5000), r.IntN(20))
	}
	return b
}

// BenchmarkPack is the largest stage of the node agent by itself: MB/s of raw
// bytes. 300 MB are a million lines of 300 bytes.
func BenchmarkPack(b *testing.B) {
	raw := sample(2 << 20 / 200)
	for _, e := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
		b.Run(e.String(), func(b *testing.B) {
			p, err := newPacker(e)
			if err != nil {
				b.Fatal(err)
			}
			var out []byte
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				p.begin(out, 4<<20)
				for rest := raw; len(rest) > 0; {
					n := bytes.LastIndexByte(rest[:min(chunk, len(rest))], '\n') + 1
					p.Add(rest[:n])
					rest = rest[n:]
				}
				var err error
				if out, _, err = p.finish(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(raw))/float64(len(out)), "ratio")
		})
	}
}
