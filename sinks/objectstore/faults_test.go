package objectstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

// fault answers a request in place of the real server, which next is.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// faultyProxy stands before a real S3 server and lets faults happen to the
// first PUTs, one each.
type faultyProxy struct {
	*httptest.Server
	real   *httputil.ReverseProxy
	faults chan fault
	puts   atomic.Int32
	// often may give a fault for each PUT that has none of its own.
	often func() fault
	// answers may change what the real server answers, see change.
	answers atomic.Pointer[func(*http.Response) error]
}

func newFaultyProxy(t *testing.T, s3 *testenv.S3Server, faults ...fault) *faultyProxy {
	t.Helper()
	target, err := url.Parse(s3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	p := &faultyProxy{
		faults: make(chan fault, len(faults)),
		real: &httputil.ReverseProxy{
			Transport: tr,
			ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, 0), // faults are meant
			// The client signs the host name it sees.
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		},
	}
	p.real.ModifyResponse = func(r *http.Response) error {
		if change := p.answers.Load(); change != nil {
			return (*change)(r)
		}
		return nil
	}
	for _, f := range faults {
		p.faults <- f
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// change lets fn change what the real server answers from now on; nil ends that.
func (p *faultyProxy) change(fn func(*http.Response) error) {
	if fn == nil {
		p.answers.Store(nil)
		return
	}
	p.answers.Store(&fn)
}

func (p *faultyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		p.puts.Add(1)
		select {
		case f := <-p.faults:
			f(w, r, p.real)
			return
		default:
		}
		if p.often != nil {
			if f := p.often(); f != nil {
				f(w, r, p.real)
				return
			}
		}
	}
	p.real.ServeHTTP(w, r)
}

func (p *faultyProxy) store(t *testing.T, s3 *testenv.S3Server, timeout time.Duration) objectstore.Store {
	t.Helper()
	o := s3Options(s3)
	o.Timeout = timeout
	q := url.Values{"endpoint": {p.URL}}
	s := openURL(t, "s3://"+s3.Bucket+"/"+strings.ReplaceAll(t.Name(), "#", "")+"?"+q.Encode(), o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func answer(code int, body string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// reset ends the connection with an RST before anything is stored.
func reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cut ends the connection after the server has stored the object.
func cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	reset(w, r, next)
}

// hang gives no answer until the client goes away.
func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// storeAndHang lets the server store the object, and never tells.
func storeAndHang(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	hang(w, r, next)
}

// flip changes one bit of the body on its way.
func flip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	b[len(b)/2] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(b))
	next.ServeHTTP(w, r)
}

func retrying(s objectstore.Store) *sinks.Retrying {
	policy := sinks.RetryPolicy{First: time.Millisecond, Max: 10 * time.Millisecond, Permanent: 10 * time.Millisecond}
	return sinks.Retry(s, policy, slog.New(slog.DiscardHandler), metrics.New(sinks.Metrics()...))
}

const slowDown = `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`

func TestS3Faults(t *testing.T) {
	server := testenv.S3(t)
	body := storetest.Random(11, 200_000)
	for _, c := range []struct {
		name  string
		fault fault
		says  string // the error of the first attempt
		puts  int32  // until it is stored, with Retry
	}{
		{"503", answer(503, slowDown), "SlowDown (HTTP 503)", 2},
		{"503 without a body", answer(503, ""), "HTTP 503", 2},
		{"500 with HTML", answer(500, "<html>oops</html>"), "HTTP 500", 2},
		{"409", answer(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"), "ConditionalRequestConflict", 2},
		{"412 without an object", answer(412, ""), "there is no object", 2},
		{"connection reset", reset, "", 2},
		{"answer cut after storing", cut, "", 2},
		{"bit flipped on the way", flip, "HTTP 400", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := storetest.Group("object", body)

			s := newFaultyProxy(t, server, c.fault).store(t, server, 500*time.Millisecond)
			err := s.Write(t.Context(), g)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("one attempt gives %v, want one line with %q", err, c.says)
			}
			for _, wrong := range []error{sinks.ErrPermanent, sinks.ErrConflict, sinks.ErrCorrupt} {
				if errors.Is(err, wrong) {
					t.Errorf("one attempt gives %v, which would end the retries", err)
				}
			}

			p := newFaultyProxy(t, server, c.fault)
			s = p.store(t, server, 500*time.Millisecond)
			g.Key = "object with retry"
			if err := retrying(s).Write(t.Context(), g); err != nil {
				t.Fatalf("with Retry: %v", err)
			}
			if n := p.puts.Load(); n != c.puts {
				t.Errorf("stored after %d PUTs, want %d", n, c.puts)
			}
			got, err := s.Get(t.Context(), g.Key)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("reading gives %d bytes and %v, want the %d written", len(got), err, len(body))
			}
		})
	}
}

func TestS3StoresNothingDamaged(t *testing.T) {
	server := testenv.S3(t)
	s := newFaultyProxy(t, server, flip).store(t, server, time.Second)
	if err := s.Write(t.Context(), storetest.Group("k", []byte("some body"))); err == nil {
		t.Error("a body damaged on its way is accepted")
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("reading gives %v, want %v", err, sinks.ErrNotFound)
	}
}

func TestS3LostAnswerOfOtherContentIsAConflict(t *testing.T) {
	server := testenv.S3(t)
	s := newFaultyProxy(t, server, cut).store(t, server, time.Second)
	if err := s.Write(t.Context(), storetest.Group("k", []byte("first"))); err == nil {
		t.Fatal("the cut answer went unnoticed")
	}
	if err := retrying(s).Write(t.Context(), storetest.Group("k", []byte("other"))); !errors.Is(err, sinks.ErrConflict) {
		t.Errorf("got %v, want %v", err, sinks.ErrConflict)
	}
}

func TestS3OutageEnds(t *testing.T) {
	server := testenv.S3(t)
	o := s3Options(server)
	o.Timeout = 300 * time.Millisecond
	s := openURL(t, server.URL("p"), o)
	defer s.Close() //nolint:errcheck // never fails
	r := retrying(s)
	for name, outage := range map[string][2]func(){
		"killed": {server.Stop, server.Start},
		"frozen": {server.Pause, server.Resume},
	} {
		outage[0]()
		done := make(chan error)
		go func() { done <- r.Write(t.Context(), storetest.Group(name, []byte(name))) }()
		testenv.Eventually(t, testenv.Patience, name+": a failure", func() bool { return r.Err() != nil })
		if err := r.Err(); errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), server.Endpoint) {
			t.Errorf("%s: %v, want a temporary error that names %s", name, err, server.Endpoint)
		}
		outage[1]()
		if err := <-done; err != nil {
			t.Errorf("%s: after the outage: %v", name, err)
		}
		if b, err := s.Get(t.Context(), name); err != nil || string(b) != name {
			t.Errorf("%s: reading gives %q, %v", name, b, err)
		}
	}
}

func TestS3ContextEndsAHangingRequest(t *testing.T) {
	server := testenv.S3(t)
	s := newFaultyProxy(t, server, hang).store(t, server, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, storetest.Group("k", []byte("x"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestS3SaysWhatIsWrong(t *testing.T) {
	server := testenv.S3(t)
	plain := newFaultyProxy(t, server)
	secure := httptest.NewTLSServer(plain)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer secure.Close()
	good := s3Options(server)
	wrong := func(change func(*objectstore.Options)) objectstore.Options {
		o := good
		change(&o)
		return o
	}
	closed := "http://127.0.0.1:" + "1"
	at := func(bucket, endpoint string) string { return "s3://" + bucket + "/p?endpoint=" + endpoint }
	for _, c := range []struct {
		name, url string
		options   objectstore.Options
		permanent bool
		says      []string
	}{
		{"missing bucket", at("nothere", server.Endpoint), good, true, []string{`make the bucket "nothere"`, server.Endpoint}},
		{"wrong key", at("archive", server.Endpoint), wrong(func(o *objectstore.Options) { o.AccessKey = "nobody" }), true, []string{"AWS_ACCESS_KEY_ID"}},
		{"wrong secret", at("archive", server.Endpoint), wrong(func(o *objectstore.Options) { o.SecretKey = "guess" }), true, []string{"AWS_SECRET_ACCESS_KEY"}},
		{"wrong region", at("archive", server.Endpoint) + "&region=mars-1", good, true, []string{"?region="}},
		{"nobody there", at("archive", closed), good, false, []string{"connection refused", closed}},
		{"unknown host", at("archive", "http://no-such-host.invalid"), good, false, []string{"no-such-host.invalid"}},
		{"unknown authority", at("archive", secure.URL), good, true, []string{"LOGHAUL_S3_CA"}},
		{"plain HTTP", at("archive", strings.Replace(server.Endpoint, "http:", "https:", 1)), good, true, []string{"plain HTTP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openURL(t, c.url, c.options)
			defer s.Close() //nolint:errcheck // never fails
			for doing, err := range map[string]error{
				"checking": s.Check(t.Context()), "storing k": s.Write(t.Context(), storetest.Group("k", nil)),
			} {
				if err == nil {
					t.Fatalf("%s succeeds", doing)
				}
				t.Log(err)
				if errors.Is(err, sinks.ErrPermanent) != c.permanent {
					t.Errorf("%s: permanent is %v, want %v: %v", doing, !c.permanent, c.permanent, err)
				}
				for _, want := range append(c.says, doing) {
					if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
						t.Errorf("%s gives %q, want one line with %q", doing, err, want)
					}
				}
			}
		})
	}
}

func TestS3OverTLSWithAnOwnAuthority(t *testing.T) {
	server := testenv.S3(t)
	secure := httptest.NewUnstartedServer(newFaultyProxy(t, server, flip))
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	defer secure.Close()
	o := s3Options(server)
	o.CAFile = writePEM(t, secure.Certificate())
	s := openURL(t, "s3://archive/p?endpoint="+secure.URL, o)
	defer s.Close() //nolint:errcheck // never fails
	if err := s.Write(t.Context(), storetest.Group("k", []byte("over TLS"))); err == nil || errors.Is(err, sinks.ErrPermanent) {
		t.Errorf("a body damaged on its way: %v, want a temporary error", err)
	}
	if err := s.Write(t.Context(), storetest.Group("k", []byte("over TLS"))); err != nil {
		t.Error(err)
	}
}
