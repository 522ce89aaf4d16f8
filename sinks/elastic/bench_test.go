package elastic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

// stubVariable makes the test program the stub of the benchmarks: a server that
// takes everything, in a process of its own, so that its CPU time is not ours.
const stubVariable = "LOGHAUL_TEST_BULK_STUB"

// runStub prints its address and answers bulk requests until stdin ends.
func runStub() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, "http://"+l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		n := bytes.Count(body, []byte{'\n'}) / 2
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ",")+`]}`)
	})}
	panic(srv.Serve(l))
}

// bulkTarget is the server of the benchmarks: that of $LOGHAUL_BENCH_ELASTIC, or
// the stub.
func bulkTarget(b *testing.B) string {
	b.Helper()
	if url := os.Getenv("LOGHAUL_BENCH_ELASTIC"); url != "" {
		return url
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), stubVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// corpusGroup is an object of n real lines.
func corpusGroup(b *testing.B, n int) *sinks.Group {
	b.Helper()
	f, err := os.Open("../../testdata/corpus/httplog-200k.log.zst")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var raw []byte
	s := bufio.NewReader(z)
	for range n {
		line, err := s.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		raw = append(raw, line...)
	}
	return group(b, 1, raw, "httplog")
}

// cost is what a document costs.
type cost struct{ cpu, bytes float64 } // ns, B

// measure runs fn, which is about n documents, some times and gives the least
// that it took: user and system time of the process, garbage collection
// included, because others use the machine too.
func measure(b *testing.B, n int, fn func()) cost {
	b.Helper()
	best := cost{math.Inf(1), math.Inf(1)}
	fn() // fills the buffers
	for range max(b.N, 3) {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := cpuTime(b)
		fn()
		runtime.GC()
		best.cpu = min(best.cpu, float64(cpuTime(b)-start)/float64(n))
		runtime.ReadMemStats(&after)
		best.bytes = min(best.bytes, float64(after.TotalAlloc-before.TotalAlloc)/float64(n))
	}
	return best
}

// BenchmarkSend gives what a document costs from its row on: encoding it,
// and sending it too. Decoding the object is measured apart, and taken off. The
// baseline is esutil.BulkIndexer with the same documents as maps, which lie
// there ready-made.
func BenchmarkSend(b *testing.B) {
	lines := 20_000
	if testing.Short() {
		lines = 4000
	}
	g, url := corpusGroup(b, lines), bulkTarget(b)
	c := DefaultConfig()
	c.URL, c.Namespace = url, "bench"+strconv.FormatInt(time.Now().Unix(), 36)
	s, err := New(c, Deps{Logger: slog.New(slog.DiscardHandler), Metrics: metrics.New(Metrics()...)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.client.close()
	if os.Getenv("LOGHAUL_BENCH_ELASTIC") != "" {
		if err := s.Prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	f := newSender(s)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	decode := measure(b, lines, func() { must(f.rows(g, func(*archive.Row) error { return nil })) })
	size := 0
	encode := measure(b, lines, func() {
		f.body.reset()
		size = 0
		must(f.rows(g, func(row *archive.Row) error {
			from := len(f.body.buf)
			f.body.add(&f.docs, row, g.Key)
			if size += len(f.body.buf) - from; len(f.body.buf) > int(c.Bulk) {
				f.body.reset()
			}
			return nil
		}))
	})
	// Each time under another name, so that a real server has none of them yet.
	send := measure(b, lines, func() {
		g.Key += "x"
		f.account = &live{s, g.Key}
		f.docs = Documents{Namespace: c.Namespace}
		reason, err := f.send(b.Context(), g, []Span{{0, lines - 1}})
		if must(err); reason != "" {
			b.Fatal(reason)
		}
	})
	maps := documentMaps(b, f, g)
	indexer := measure(b, len(maps), func() { bulkIndexer(b, url, c.stream()+"-maps", maps) })

	b.ReportMetric(float64(size)/float64(lines), "B/doc")
	b.ReportMetric(decode.cpu, "decode-ns/doc")
	b.ReportMetric(encode.cpu-decode.cpu, "encode-ns/doc")
	b.ReportMetric(send.cpu-decode.cpu, "encode+send-ns/doc")
	b.ReportMetric(send.bytes-decode.bytes, "encode+send-alloc-B/doc")
	b.ReportMetric(indexer.cpu, "BulkIndexer-ns/doc")
	b.ReportMetric(indexer.bytes, "BulkIndexer-alloc-B/doc")
	b.ReportMetric(indexer.cpu/(send.cpu-decode.cpu), "times-cheaper")
	b.ReportMetric(0, "ns/op")
}

// documentMaps gives the documents of g as maps.
func documentMaps(b *testing.B, f *sender, g *sinks.Group) []map[string]any {
	b.Helper()
	var maps []map[string]any
	if err := f.rows(g, func(row *archive.Row) error {
		var m map[string]any
		doc, _ := f.docs.Append(nil, row, g.Key)
		if err := json.Unmarshal(doc, &m); err != nil {
			return err
		}
		if maps = append(maps, m); len(maps) == 5000 { // more would only cost memory
			return errEnough
		}
		return nil
	}); err != nil && !errors.Is(err, errEnough) {
		b.Fatal(err)
	}
	return maps
}

func bulkIndexer(b *testing.B, url, index string, maps []map[string]any) {
	b.Helper()
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{url}})
	if err != nil {
		b.Fatal(err)
	}
	bi, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: client, Index: index, NumWorkers: 2, FlushBytes: 5 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for i, m := range maps {
		doc, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		if err := bi.Add(ctx, esutil.BulkIndexerItem{Action: "create", DocumentID: strconv.Itoa(i), Body: bytes.NewReader(doc)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := bi.Close(ctx); err != nil {
		b.Fatal(err)
	}
	if st := bi.Stats(); os.Getenv("LOGHAUL_BENCH_ELASTIC") == "" && st.NumFlushed != uint64(len(maps)) {
		b.Fatalf("%d of %d documents flushed", st.NumFlushed, len(maps))
	}
}
