package elastic

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// untilIndexed offers new lines until some of them arrive.
func (r *running) untilIndexed() {
	r.t.Helper()
	before := r.documents("indexed")
	source := 1000 + before
	testenv.Eventually(r.t, patience, "documents in the index", func() bool {
		source++
		r.Offer(group(r.t, source, lines(20)))
		r.settled()
		return r.documents("indexed") > before
	})
}

// outage gives the configuration of a Sink for a server that goes away: it has
// little patience.
func outage(url, namespace string) Config {
	c := testConfig(url, namespace)
	c.Timeout, c.Wait, c.Queue, c.Senders = 300*time.Millisecond, 100*time.Millisecond, 1<<20, 2
	return c
}

// during offers much more than the queue holds to a Sink whose server has gone
// away, and checks that it is dropped with both reasons, that memory does not
// grow, and that the breaker opens.
func (r *running) during() {
	r.t.Helper()
	g := group(r.t, 7, lines(2000))
	was := r.dropped("")
	open := func() bool { return r.sum(metricBreaker, `state="closed"`) == 0 }
	testenv.Eventually(r.t, patience, "the breaker to open", func() bool {
		r.Offer(g)
		return open()
	})
	heap := r.heap()
	for range 500 {
		r.Offer(g)
	}
	if got := r.queue.size(); got > int64(r.cfg.Queue) {
		r.t.Errorf("the queue holds %d bytes, its limit is %d", got, r.cfg.Queue)
	}
	// Metrics and gaps are all that is kept of what was dropped.
	if grown := r.heap() - heap; grown > 8<<20 {
		r.t.Errorf("500 more groups that were offered took %d bytes of memory", grown)
	}
	r.settled()
	full, gone := r.dropped(dropQueueFull), r.dropped(dropUnreachable)
	if full == 0 || gone == 0 || (full+gone-was)%2000 != 0 {
		r.t.Errorf("%d dropped because the queue was full, %d because there was no answer; want both", full, gone)
	}
}

// heap is the memory in use.
func (r *running) heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func (r *running) logged(text string) int { return strings.Count(r.log.String(), text) }

// over checks that a Sink works after an outage and has said so.
func (r *running) over() {
	r.t.Helper()
	r.untilIndexed()
	if r.sum(metricBreaker, `state="closed"`) != 1 || r.sum(metricUp, "") != 1 {
		r.t.Error("the metrics do not say that it works again")
	}
	if begun, ended := r.logged("trying at growing intervals"), r.logged("the index works again"); begun == 0 || begun != ended {
		r.t.Errorf("the beginning of an outage is logged %d times, the end %d times", begun, ended)
	}
}

func TestFrozenServerCostsNothingButLinesInTheIndex(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, outage(server.URL, "frozen"))
	r.untilIndexed()
	server.Pause()
	defer server.Resume()
	r.during()
	server.Resume()
	r.over()
}

func TestKilledServer(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, outage(server.URL, "killed"))
	r.untilIndexed()
	server.Kill()
	r.during()

	// Another daemon starts while it is down.
	c := testConfig(server.URL, "later")
	later := run(t, c)
	if !later.Offer(group(t, 1, lines(50))) {
		t.Error("refused although the queue has room")
	}
	testenv.Eventually(t, patience, "a log of the outage", func() bool { return later.logged("connection refused") > 0 })

	servers.Elastic(t) // starts it again
	r.over()
	later.settled()
	if n := later.documents("indexed"); n != 50 {
		t.Errorf("%d indexed, want the 50 that waited", n)
	}
}

// throttle is a TCP proxy that can be made to pass one byte a second towards the
// server.
type throttle struct {
	url  string
	slow atomic.Bool
}

func newThrottle(t *testing.T, target string) *throttle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &throttle{url: "http://" + l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.pass(ctx, client, strings.TrimPrefix(target, "http://")) })
		}
	})
	return p
}

func (p *throttle) pass(ctx context.Context, client net.Conn, target string) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	buf := make([]byte, 32<<10)
	for {
		chunk := buf
		if p.slow.Load() {
			chunk = buf[:1]
			await(ctx, nil, time.Second)
		}
		n, err := client.Read(chunk)
		if err == nil {
			_, err = server.Write(chunk[:n])
		}
		if err != nil {
			break
		}
	}
	client.Close()
	server.Close()
	wg.Wait()
}

func TestServerThatTakesOneByteASecond(t *testing.T) {
	p := newThrottle(t, servers.Elastic(t).URL)
	r := run(t, outage(p.url, "slow"))
	r.untilIndexed()
	p.slow.Store(true)
	r.during()
	p.slow.Store(false)
	r.over()
}

// Another program overloads the real server, so that it refuses whole requests
// and single documents of others. Everything arrives in the end, and once.
func TestOverloadedServer(t *testing.T) {
	server := testenv.Elastic(t, testenv.TinyQueues()...)
	var items atomic.Int32
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: tr, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			b, err := io.ReadAll(r.Body)
			if r.StatusCode == http.StatusOK {
				items.Add(int32(bytes.Count(b, []byte(`"status":429`))))
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
			return err
		},
	})
	t.Cleanup(proxy.Close)
	c := testConfig(proxy.URL, "overloaded")
	c.Senders, c.Retries, c.Bulk = 4, 20, 1<<20
	r := run(t, c)
	r.untilIndexed()

	var refused atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	body := strings.Repeat("{\"create\":{}}\n{\"@timestamp\":\"2026-11-23T07:21:00Z\",\"message\":\""+strings.Repeat("x ", 50)+"\"}\n", 2000)
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/logs-haproxy.log-noise/_bulk?filter_path=errors", strings.NewReader(body))
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/x-ndjson")
				if resp, err := tr.RoundTrip(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode == http.StatusTooManyRequests {
						refused.Add(1)
					}
				}
			}
		})
	}
	source := 0
	testenv.Eventually(t, patience, "both kinds of 429", func() bool {
		source++
		r.Offer(group(t, source, lines(400)))
		r.settled()
		return r.sum(metricRequests, `status="429"`) > 0 && items.Load() > 0
	})
	cancel()
	wg.Wait()
	r.untilIndexed()
	resent, whole := r.sum(metricResent, ""), r.sum(metricRequests, `status="429"`)
	t.Logf("%d requests and %d items were refused, %d sent again, %d dropped", whole, items.Load(), resent, r.dropped(dropOverloaded))
	if resent < int(items.Load())/2 {
		t.Errorf("%d documents were sent again, %d were refused", resent, items.Load())
	}
	indexed := r.documents("indexed") + r.documents("exists")
	if n := count(t, server, "overloaded", ""); n != indexed {
		t.Errorf("%d documents, %d are counted as indexed", n, indexed)
	}
	if n := r.sum(metricDropped, ""); n != r.dropped(dropOverloaded) {
		t.Errorf("%d lines are dropped, %d of them for the overload", n, r.dropped(dropOverloaded))
	}
}

// One node of two is dead: nothing is dropped, and no request fails.
func TestADeadNodeIsLeftOut(t *testing.T) {
	dead := fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))
	for _, urls := range []string{dead + "," + servers.Elastic(t).URL, servers.Elastic(t).URL + ", " + dead} {
		r := run(t, testConfig(urls, "twonodes"))
		for i := range 6 {
			r.Offer(group(t, i, lines(50)))
		}
		r.settled()
		if n := r.documents("indexed") + r.documents("exists"); n != 300 || r.sum(metricRequests, `status="error"`) != 0 {
			t.Errorf("%d of 300 are in the index, %d requests failed", n, r.sum(metricRequests, `status="error"`))
		}
	}
}
