package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestRealHAProxyToArchiveAndIndex is the path that users have: real requests
// through a real HAProxy, its standard output in a file, and out of the archive
// comes that file, byte for byte. Elasticsearch has one document per line, with
// its text.
func TestRealHAProxyToArchiveAndIndex(t *testing.T) {
	c := newCluster(t, settings{elastic: servers.Elastic(t)})
	c.start()
	origin := httptest.NewServer(http.HandlerFunc(answer))
	defer origin.Close()
	haproxy := testenv.HAProxy(t, c.dir, strings.TrimPrefix(origin.URL, "http://"), c.input)
	const clients, each = 8, 400
	request(t, haproxy.URL, clients, each)
	haproxy.Stop()

	want, err := os.ReadFile(c.input)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(want, []byte("\n")); n < clients*each {
		t.Fatalf("HAProxy wrote %d lines for %d requests", n, clients*each)
	}
	c.awaitArchived(int64(len(want)), arrivalLimit)
	c.awaitIndexed(bytes.Count(want, []byte("\n")))
	c.checkIndex()
	c.stop()
	var have []byte
	c.cat(func(line []byte) { have = append(have, line...) })
	if !bytes.Equal(have, want) {
		t.Fatalf("audit cat differs from HAProxy's file at byte %d (%d bytes, want %d)", firstDifference(have, want), len(have), len(want))
	}
	if missing := c.missing(); missing != nil {
		t.Errorf("audit sources names missing ranges: %v", missing)
	}
}

// answer is the origin server: it gives the status that the path asks for.
func answer(w http.ResponseWriter, r *http.Request) {
	if code, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil && code >= 200 && code < 600 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
	}
	_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)*7%512))
}

// request sends what people send: good requests, bad ones, odd bytes.
func request(t *testing.T, url string, clients, each int) {
	t.Helper()
	paths := []string{
		"/", "/shop?status=200&q=a%20b", "/missing?status=404", "/broken?status=503", "/caf%C3%A9?status=200",
		"/quote\"and#hash?status=200", "/{curly|pipe}?status=302", "/long/" + strings.Repeat("segment/", 60),
	}
	agents := []string{"curl/8.5.0", `Mozilla/5.0 "quoted" {agent}`, "b\xc3\xa4r|agent", "", "a\\b]c"}
	host := strings.TrimPrefix(url, "http://")
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range each {
				path := paths[(client+i)%len(paths)]
				// By hand: net/http would refuse or tidy what is odd here.
				head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: h%d.example\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n",
					path, client, agents[i%len(agents)])
				if err := send(t.Context(), host, head); err != nil {
					t.Errorf("request %d of client %d: %v", i, client, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func send(ctx context.Context, host, head string) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	reply, err := io.ReadAll(conn)
	if err == nil && !bytes.HasPrefix(reply, []byte("HTTP/1.")) {
		return fmt.Errorf("no HTTP reply: %q", reply)
	}
	return err
}

// awaitIndexed waits until Elasticsearch has want documents of this test.
func (c *cluster) awaitIndexed(want int) {
	c.t.Helper()
	have := -1
	eventually(c.t, time.Minute, fmt.Sprintf("%d documents in Elasticsearch", want), func() bool {
		have = c.documents()
		return have >= want
	})
	if have != want {
		c.t.Errorf("Elasticsearch has %d documents, want %d", have, want)
	}
}

// documents counts what Elasticsearch finds in our data stream, -1 while it
// does not answer.
func (c *cluster) documents() int {
	e := c.api()
	if code, _ := e.call(http.MethodPost, "/"+c.stream()+"/_refresh", "", nil); code != http.StatusOK {
		return -1
	}
	var reply struct{ Count int }
	if code, _ := e.call(http.MethodPost, "/"+c.stream()+"/_count", "", &reply); code != http.StatusOK {
		return -1
	}
	return reply.Count
}

// missing lists the ranges that audit sources says are missing.
func (c *cluster) missing() (list []span) {
	c.t.Helper()
	sources, ok := c.sources()
	if !ok || len(sources) == 0 {
		c.t.Fatal("audit sources lists nothing")
	}
	for _, s := range sources {
		list = append(list, s.Missing...)
	}
	return list
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
