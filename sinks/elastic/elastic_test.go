package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
	"github.com/loghaul/loghaul/sinks"
)

var servers testenv.Shared

func TestMain(m *testing.M) {
	if os.Getenv(stubVariable) != "" {
		runStub()
	}
	code := servers.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const patience = testenv.Patience

// lines makes n lines in the format httplog; no two are equal.
func lines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "10.0.%d.%d:%d [23/Nov/2026:07:21:%02d.%03d] fe-main be-app/srv%d 0/0/1/%d/%d %d %d - - ---- 1/1/1/1/0 0/0 \"GET /items/%d?q=%d HTTP/1.1\"\n",
			i>>8&255, i&255, 1024+i%60000, i/1000%60, i%1000, i%3, i%50, i%50+1, []int{200, 200, 404, 503}[i%4], 100+i, i, i*7)
	}
	return b.Bytes()
}

// group archives raw lines as those of the source with the given number.
func group(t testing.TB, source int, raw []byte, formats ...string) *sinks.Group {
	t.Helper()
	if len(formats) == 0 {
		formats = parser.WellKnown()
	}
	var compiled []*parser.Format
	for _, spec := range formats {
		f, err := parser.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, f)
	}
	at := time.Date(2026, 11, 23, 7, 22, 0, 0, time.UTC)
	e, err := archive.NewEncoder(archive.Options{Formats: compiled, Writer: "agg-1", Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	o, err := e.Encode([]archive.Batch{{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: fmt.Sprintf("%024x", source), Node: "lb-1", Path: "/var/log/haproxy.log"},
		To:     int64(len(raw)), Records: wire.CountRecords(raw), ReadAt: at,
	}}}, at.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return &sinks.Group{Key: o.Key, Body: o.Body, SHA256: o.SHA256, Lines: o.Lines, RawBytes: o.RawBytes}
}

// running is a Sink whose Run is going on.
type running struct {
	*Sink
	t    *testing.T
	reg  *metrics.Registry
	log  *lockedBuffer
	stop func()

	mu     sync.Mutex
	gaps   []Gap
	groups int      // that were offered
	keys   []string // those that Settled was told of
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testConfig(url, namespace string) Config {
	c := DefaultConfig()
	c.URL, c.Namespace = url, namespace
	// Machines may be busy, and the server takes one request at once only.
	c.Timeout, c.Drain, c.Wait, c.Retries, c.Senders = time.Minute, time.Minute, time.Minute, 10, 1
	return c
}

func run(t *testing.T, c Config) *running {
	t.Helper()
	r := &running{t: t, reg: metrics.New(Metrics()...), log: &lockedBuffer{}}
	s, err := New(c, Deps{Logger: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: r.reg, Gap: func(g Gap) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gaps = append(r.gaps, g)
	}, Settled: func(key string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys = append(r.keys, key)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Sink = s
	hurry(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log:\n%s\nmetrics:\n%s", r.log, r.metrics())
		}
	})
	return r
}

// hurry shortens the times that a daemon has plenty of.
func hurry(s *Sink) {
	s.gate.first, s.gate.most, s.gate.calm = 5*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	s.gate.breaker.first, s.gate.breaker.last = 20*time.Millisecond, 200*time.Millisecond
}

// Offer is Sink.Offer, and counts.
func (r *running) Offer(g *sinks.Group) bool {
	r.mu.Lock()
	r.groups++
	r.mu.Unlock()
	return r.Sink.Offer(g)
}

func (r *running) metrics() string {
	var b bytes.Buffer
	if err := r.reg.WritePrometheus(&b); err != nil {
		r.t.Fatal(err)
	}
	var ours []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "loghaul_index_") && !strings.Contains(line, "_bucket") {
			ours = append(ours, line)
		}
	}
	return strings.Join(ours, "")
}

// sum adds up the series of a metric, those with the given labels if any.
func (r *running) sum(name, labels string) int {
	total := 0
	for line := range strings.Lines(r.metrics()) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if rest, ok := strings.CutPrefix(series, name); ok && (rest == "" || rest[0] == '{') && strings.Contains(rest, labels) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.t.Fatalf("metric %q: %v", line, err)
			}
			total += int(n)
		}
	}
	return total
}

func (r *running) documents(result string) int {
	return r.sum(metricDocuments, `result="`+result+`"`)
}
func (r *running) dropped(reason string) int { return r.sum(metricDropped, `reason="`+reason) }

// settled waits until every group is settled, and checks that every offered line is
// counted exactly once and that the gaps tell the same.
func (r *running) settled() {
	r.t.Helper()
	testenv.Eventually(r.t, patience, "all groups to be settled", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.keys) >= r.groups
	})
	if n := r.queue.size(); n != 0 {
		r.t.Errorf("%d bytes are queued although all is settled", n)
	}
	offered, rejected := r.sum(metricOffered, ""), r.sum(metricRejected, "")
	if got := r.sum(metricDocuments, "") + r.sum(metricDropped, "") + rejected + r.sum(metricExcluded, ""); got != offered {
		r.t.Errorf("%d lines are counted, %d were offered", got, offered)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.keys) != r.groups {
		r.t.Errorf("%d groups were settled, %d were offered", len(r.keys), r.groups)
	}
	missing := 0
	for _, g := range r.gaps {
		missing += g.Lines
		if g.LastRow-g.FirstRow+1 != g.Lines || g.FirstRow < 0 {
			r.t.Errorf("gap %+v", g)
		}
	}
	if want := r.sum(metricDropped, "") + rejected; missing != want {
		r.t.Errorf("the gaps have %d lines, %d were dropped or rejected", missing, want)
	}
}

// request sends a request to Elasticsearch and decodes the answer.
func request(t testing.TB, method, url, body string, into any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s %s: %v: %s", method, url, err, b)
		}
	}
	if resp.StatusCode >= 300 && into != nil {
		t.Fatalf("%s %s: HTTP %d: %s", method, url, resp.StatusCode, b)
	}
	return resp.StatusCode
}

// count gives the number of documents that match a query in the URL's syntax.
func count(t testing.TB, server *testenv.ElasticServer, namespace, query string) int {
	t.Helper()
	stream := server.URL + "/logs-haproxy.log-" + namespace
	request(t, http.MethodPost, stream+"/_refresh", "", nil)
	var got struct{ Count int }
	if query != "" {
		query = "?q=" + query
	}
	request(t, http.MethodGet, stream+"/_count"+query, "", &got)
	return got.Count
}
