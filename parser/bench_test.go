//go:build unix

package parser

import (
	"bytes"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// httplog200k returns the lines of httplog-200k.log without their LF, and how many bytes they are with it.
func httplog200k(tb testing.TB) (lines [][]byte, size int64) {
	tb.Helper()
	packed, err := os.ReadFile(corpusDir + "/httplog-200k.log.zst")
	if err != nil {
		tb.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	data, err := z.DecodeAll(packed, nil)
	if err != nil {
		tb.Fatal(err)
	}
	lines = bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	return lines, int64(len(data))
}

func mustCompile(tb testing.TB, spec string) *Format {
	tb.Helper()
	f, err := Compile(spec)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// BenchmarkParse reads 200,000 lines of httplog, all fields typed.
func BenchmarkParse(b *testing.B) {
	lines, size := httplog200k(b)
	f := mustCompile(b, "httplog")
	var r Record
	b.SetBytes(size)
	b.ReportAllocs()
	started := cpuTime(b)
	for b.Loop() {
		for _, line := range lines {
			if !f.Parse(line, &r) {
				b.Fatalf("no match: %q", line)
			}
		}
	}
	perLine(b, len(lines), size, started)
}

// BenchmarkParseWrongFormat is what a line costs that is of another format.
func BenchmarkParseWrongFormat(b *testing.B) {
	lines, size := httplog200k(b)
	f := mustCompile(b, "tcplog")
	var r Record
	b.SetBytes(size)
	started := cpuTime(b)
	for b.Loop() {
		for _, line := range lines {
			if f.Parse(line, &r) {
				b.Fatalf("match: %q", line)
			}
		}
	}
	perLine(b, len(lines), size, started)
}

// BenchmarkRoundTrip parses and renders.
func BenchmarkRoundTrip(b *testing.B) {
	lines, size := httplog200k(b)
	f := mustCompile(b, "httplog")
	var r Record
	var out []byte
	b.SetBytes(size)
	started := cpuTime(b)
	for b.Loop() {
		for _, line := range lines {
			f.Parse(line, &r)
			out = f.Append(out[:0], &r)
		}
	}
	perLine(b, len(lines), size, started)
}

// perLine reports the CPU time, which other processes on the machine disturb less than the wall clock.
func perLine(b *testing.B, lines int, size int64, started time.Duration) {
	b.Helper()
	cpu := cpuTime(b) - started
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/float64(lines), "cpu-ns/line")
	b.ReportMetric(float64(size)*float64(b.N)/1e6/cpu.Seconds(), "cpu-MB/s")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkBaselineMemchr only looks for the line feeds: the floor.
func BenchmarkBaselineMemchr(b *testing.B) {
	lines, size := httplog200k(b)
	text := bytes.Join(lines, []byte("\n"))
	b.SetBytes(size)
	started := cpuTime(b)
	for b.Loop() {
		for rest := text; len(rest) > 0; {
			_, rest, _ = bytes.Cut(rest, []byte("\n"))
		}
	}
	perLine(b, len(lines), size, started)
}

// BenchmarkBaselineRegexp reads the first 10,000 lines with the regular expression of the usual kind: text fields only.
func BenchmarkBaselineRegexp(b *testing.B) {
	lines, _ := httplog200k(b)
	lines = lines[:10000]
	re := regexp.MustCompile(`^(\S+):(\d+) \[([^\]]+)\] (\S+) ([^/]+)/(\S+) (-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\+?-?\d+) ` +
		`(-?\d+) (\+?\d+) (\S+) (\S+) (\S{4}) (\d+)/(\d+)/(\d+)/(\d+)/(\+?\d+) (\d+)/(\d+) (?:\{([^}]*)\} )?(?:\{([^}]*)\} )?"([^"]*)"$`)
	var size int64
	for _, line := range lines {
		size += int64(len(line)) + 1
	}
	b.SetBytes(size)
	started := cpuTime(b)
	for b.Loop() {
		for _, line := range lines {
			if re.FindSubmatchIndex(line) == nil {
				b.Fatalf("no match: %q", line)
			}
		}
	}
	perLine(b, len(lines), size, started)
}

// BenchmarkBaselineZstd compresses the same lines with klauspost's fastest level.
func BenchmarkBaselineZstd(b *testing.B) {
	lines, size := httplog200k(b)
	text := bytes.Join(lines, []byte("\n"))
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var out []byte
	b.SetBytes(size)
	started := cpuTime(b)
	for b.Loop() {
		out = z.EncodeAll(text, out[:0])
	}
	perLine(b, len(lines), size, started)
}
