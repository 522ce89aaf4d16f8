package archive

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkWrapped gives what headers before 100,000 real lines cost, in CPU
// and bytes, next to the same lines without.
func BenchmarkWrapped(b *testing.B) {
	var raw []byte
	for _, batch := range benchWindow(b).batches {
		raw = append(raw, batch.Raw...)
	}
	for _, kind := range []struct{ name, header string }{
		{"bare", ""},
		{"file", "Nov 22 HH:MM:SS lb1 haproxy[25163]: "},
		{"rfc3164", "<134>Nov 22 HH:MM:SS lb1 haproxy[25163]: "},
		{"rfc5424", "<134>1 2026-11-22THH:MM:SS.µs+01:00 lb1 haproxy 25163 - - "},
		{"cri", "2026-11-22THH:MM:SS.nsZ stdout F "},
	} {
		b.Run(kind.name, func(b *testing.B) {
			random := uint32(1)
			wrapped := wrap(raw, func(i int, line []byte) []byte {
				random = random*1664525 + 1013904223
				second := i / 500
				r := strings.NewReplacer("HH", "16", "MM", fmt.Sprintf("%02d", second/60), "SS", fmt.Sprintf("%02d", second%60),
					"µs", fmt.Sprintf("%06d", random>>12%1e6), "ns", fmt.Sprintf("%09d", random%1e9))
				return append([]byte(r.Replace(kind.header)), line...)
			})
			e := newEncoder(b, wellKnown(b)...)
			batches := cut(1, wrapped, 1<<20)
			size, lines := 0, 0
			perMillion(b, 100_000, func() {
				o, err := e.Encode(batches, sealed)
				if err != nil || o.Refused+o.RawKept > 0 {
					b.Fatal(err, o.Refused, o.RawKept)
				}
				size, lines = len(o.Body), o.Lines
			})
			b.ReportMetric(float64(size)/float64(lines), "B/line")
		})
	}
}
