package parser

import (
	"bytes"
	"os"
	"regexp"
	"slices"
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
	f := mustCompile(b, "httplog")
	var r Record
	inChunks(b, func(lines [][]byte) {
		for _, line := range lines {
			if !f.Parse(line, &r) {
				b.Fatalf("no match: %q", line)
			}
		}
	})
}

// Formats whose lines are made of those of httplog-200k.
const (
	custom12 = `%ci %cp [%tr] %ft %b/%s %ST %B %Ta %tsc "%HM %HU"`
	json26   = `%{+json}o %(client)ci %(port)cp %(when)tr %(fe)ft %(be)b %(srv)s %(TR)TR %(Tw)Tw %(Tc)Tc %(Tr)Tr %(Ta)Ta %(status)ST ` +
		`%(bytes)B %(ck_req)CC %(ck_res)CS %(state)tsc %(act)ac %(fconn)fc %(bconn)bc %(sconn)sc %(retries)rc %(srvq)sq %(beq)bq ` +
		`%(hdrs_req)hr %(hdrs_res)hs %(request)r`
)

// BenchmarkParseCustom reads the same requests in a format of twelve fields.
func BenchmarkParseCustom(b *testing.B) { benchmarkFormat(b, custom12) }

// BenchmarkParseJSON reads the same requests with all fields of httplog in JSON.
func BenchmarkParseJSON(b *testing.B) { benchmarkFormat(b, json26) }

func benchmarkFormat(b *testing.B, spec string) {
	b.Helper()
	from, to := mustCompile(b, "httplog"), mustCompile(b, spec)
	source, _ := httplog200k(b)
	var in, out Record
	lines, size := make([][]byte, 0, len(source)), int64(0)
	for _, line := range source {
		from.Parse(line, &in)
		out.Reset(to)
		for i := range to.fields {
			for j := range from.fields {
				if from.fields[j].Alias == to.fields[i].Alias && in.Values[j].State&Present != 0 {
					out.Values[i] = in.Values[j]
				}
			}
			method, uri, ok := bytes.Cut(in.Values[len(in.Values)-1].Text, []byte(" "))
			if !ok {
				method, uri = []byte(badRequest), []byte(badRequest)
			} else if end := bytes.IndexByte(uri, ' '); end >= 0 {
				uri = uri[:end]
			}
			switch to.fields[i].Alias {
			case "HM":
				out.Values[i] = Value{Text: method, State: Present}
			case "HU":
				out.Values[i] = Value{Text: uri, State: Present}
			}
		}
		made := to.Append(nil, &out)
		lines, size = append(lines, made), size+int64(len(made))+1
	}
	var r Record
	linesInChunks(b, lines, size, func(lines [][]byte) {
		for _, line := range lines {
			if !to.Parse(line, &r) {
				b.Fatalf("no match: %q", line)
			}
		}
	})
}

// BenchmarkParseWrongFormat is what a line costs that is of another format.
func BenchmarkParseWrongFormat(b *testing.B) {
	f := mustCompile(b, "tcplog")
	var r Record
	inChunks(b, func(lines [][]byte) {
		for _, line := range lines {
			if f.Parse(line, &r) {
				b.Fatalf("match: %q", line)
			}
		}
	})
}

// BenchmarkRoundTrip parses and renders.
func BenchmarkRoundTrip(b *testing.B) {
	f := mustCompile(b, "httplog")
	var r Record
	var out []byte
	inChunks(b, func(lines [][]byte) {
		for _, line := range lines {
			f.Parse(line, &r)
			out = f.Append(out[:0], &r)
		}
	})
}

// BenchmarkBaselineMemchr only looks for the line feeds: the floor.
func BenchmarkBaselineMemchr(b *testing.B) {
	inChunks(b, func(lines [][]byte) {
		for _, line := range lines {
			if bytes.IndexByte(line, '\n') >= 0 {
				b.Fatal("a line feed")
			}
		}
	})
}

// BenchmarkBaselineRegexp uses the regular expression of the usual kind: text fields only.
func BenchmarkBaselineRegexp(b *testing.B) {
	re := regexp.MustCompile(`^(\S+):(\d+) \[([^\]]+)\] (\S+) ([^/]+)/(\S+) (-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\+?-?\d+) ` +
		`(-?\d+) (\+?\d+) (\S+) (\S+) (\S{4}) (\d+)/(\d+)/(\d+)/(\d+)/(\+?\d+) (\d+)/(\d+) (?:\{([^}]*)\} )?(?:\{([^}]*)\} )?"([^"]*)"$`)
	inChunks(b, func(lines [][]byte) {
		for _, line := range lines {
			if re.FindSubmatchIndex(line) == nil {
				b.Fatalf("no match: %q", line)
			}
		}
	})
}

// BenchmarkBaselineZstd compresses the same lines with klauspost's fastest level, chunk by chunk.
func BenchmarkBaselineZstd(b *testing.B) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var in, out []byte
	inChunks(b, func(lines [][]byte) {
		in = in[:0]
		for _, line := range lines {
			in = append(append(in, line...), '\n')
		}
		out = z.EncodeAll(in, out[:0])
	})
}

// inChunks runs work on all lines of httplog-200k, a thousand at a time. Besides the usual mean it reports the sum of
// the best time of each chunk: what the work costs when nothing else uses the machine.
func inChunks(b *testing.B, work func(lines [][]byte)) {
	b.Helper()
	lines, size := httplog200k(b)
	linesInChunks(b, lines, size, work)
}

func linesInChunks(b *testing.B, lines [][]byte, size int64, work func(lines [][]byte)) {
	b.Helper()
	const chunk = 1000
	best := make([]time.Duration, (len(lines)+chunk-1)/chunk)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		i := 0
		for part := range slices.Chunk(lines, chunk) {
			begin := time.Now()
			work(part)
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
	b.ReportMetric(float64(sum.Nanoseconds())/float64(len(lines)), "best-ns/line")
	b.ReportMetric(float64(size)/1e6/sum.Seconds(), "best-MB/s")
}
