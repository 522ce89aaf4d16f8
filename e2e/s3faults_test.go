package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// s3Proxy stands between the aggregators and the S3 server and spoils every
// second PUT.
type s3Proxy struct {
	*httptest.Server
	puts, spoiled atomic.Int64
}

// spoil decides what happens to a PUT: it may answer by itself, or have the
// server do it first. It must not return without an answer unless it cuts the
// connection.
type spoil func(w http.ResponseWriter, r *http.Request, server http.Handler)

func newS3Proxy(t *testing.T, s3 *testenv.S3Server, bad spoil) *s3Proxy {
	t.Helper()
	target, err := url.Parse(s3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	// The Host header is part of the signature: it goes on as it came.
	server := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	p := &s3Proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && p.puts.Add(1)%2 == 1 {
			p.spoiled.Add(1)
			bad(w, r, server)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// spoiledTest runs the load through a proxy that spoils every second PUT.
func spoiledTest(t *testing.T, bad spoil) {
	t.Helper()
	s3 := testenv.S3(t)
	proxy := newS3Proxy(t, s3, bad)
	c := newCluster(t, settings{s3: s3, endpoint: proxy.URL})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 8*time.Second)
	c.finish(l, arrivalLimit)
	t.Logf("%d of %d PUTs spoiled", proxy.spoiled.Load(), proxy.puts.Load())
	if proxy.spoiled.Load() < 3 {
		t.Errorf("only %d PUTs were spoiled: the test proves nothing", proxy.spoiled.Load())
	}
}

func s3Error(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + name + `</Code><Message>spoiled by the test</Message></Error>`))
}

func TestS3Answers503(t *testing.T) {
	spoiledTest(t, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		s3Error(w, http.StatusServiceUnavailable, "SlowDown")
	})
}

// TestS3Answers412ThoughNothingIsThere must not be taken for "stored already".
func TestS3Answers412ThoughNothingIsThere(t *testing.T) {
	t.Parallel() // it mostly waits
	spoiledTest(t, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed")
	})
}

// TestS3Answers412AfterStoring is what the second try of a PUT sees whose first
// answer got lost.
func TestS3Answers412AfterStoring(t *testing.T) {
	spoiledTest(t, func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		server.ServeHTTP(httptest.NewRecorder(), r)
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed")
	})
}

func TestS3CutsTheReplyAfterStoring(t *testing.T) {
	t.Parallel() // it mostly waits
	spoiledTest(t, func(_ http.ResponseWriter, r *http.Request, server http.Handler) {
		server.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // closes the connection without a reply
	})
}
