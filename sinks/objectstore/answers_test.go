package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

// An answer to a PUT that has another checksum is no confirmation.
func TestS3ChecksumOfOtherContent(t *testing.T) {
	server := testenv.S3(t)
	p := newFaultyProxy(t, server)
	s := p.store(t, server, 5*time.Second)
	p.change(func(r *http.Response) error {
		if r.Request.Method == http.MethodPut {
			r.Header.Set("X-Amz-Checksum-Sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
		}
		return nil
	})
	err := s.Write(t.Context(), storetest.Group("k", []byte("not hello")))
	if err == nil || !strings.Contains(err.Error(), "of other content") {
		t.Errorf("a checksum of other content: %v", err)
	}
	p.change(nil)
	if err := retrying(s).Write(t.Context(), storetest.Group("k", []byte("not hello"))); err != nil {
		t.Errorf("the next attempt, which compares: %v", err)
	}
}

// body replaces what the server answers, its length with it.
func body(r *http.Response, change func([]byte) []byte) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	b = change(b)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	r.Header.Set("Content-Length", strconv.Itoa(len(b)))
	return nil
}

// stalled gives some bytes of a body and then nothing until the request ends.
type stalled struct {
	io.Reader
	ctx context.Context //nolint:containedctx // of the request that it answers
}

func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	return n, err
}

func (*stalled) Close() error { return nil }

// What a server, or something on the way, does to an answer must give an error
// or the right bytes, and the next attempt works.
func TestS3ReadsThatGoWrong(t *testing.T) {
	server := testenv.S3(t)
	content := storetest.Random(9, 100_000)
	for _, c := range []struct {
		name        string
		answer      func(*http.Response) error
		get, readAt string // the errors, "" for right bytes
	}{
		{"nothing", func(*http.Response) error { return nil }, "", ""},
		{"503", func(r *http.Response) error {
			r.StatusCode = http.StatusServiceUnavailable
			return body(r, func([]byte) []byte { return []byte(slowDown) })
		}, "SlowDown", "SlowDown"},
		{"a body that stalls", func(r *http.Response) error {
			r.Body = &stalled{io.LimitReader(r.Body, 1000), r.Request.Context()}
			return nil
		}, "deadline exceeded", "deadline exceeded"},
		{"a body that is cut", func(r *http.Response) error {
			b, err := io.ReadAll(io.LimitReader(r.Body, 1000))
			r.Body = io.NopCloser(bytes.NewReader(b)) // of the same Content-Length
			return err
		}, "unexpected EOF", "unexpected EOF"},
		{"the range is another one", func(r *http.Response) error {
			if r.StatusCode == http.StatusPartialContent {
				r.Header.Set("Content-Range", "bytes 0-49999/100000")
			}
			return nil
		}, "", "answers with 50000 bytes"},
		{"the range is shorter", func(r *http.Response) error {
			if r.StatusCode == http.StatusPartialContent {
				r.Header.Set("Content-Range", "bytes 1000-1999/100000")
				return body(r, func(b []byte) []byte { return b[:1000] })
			}
			return nil
		}, "", "answers with 1000 bytes"},
		{"Range is ignored", func(r *http.Response) error {
			if r.StatusCode == http.StatusPartialContent {
				r.StatusCode = http.StatusOK
				r.Header.Del("Content-Range")
			}
			return nil
		}, "", "ignores Range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newFaultyProxy(t, server)
			s := p.store(t, server, 500*time.Millisecond)
			if err := s.Write(t.Context(), storetest.Group("k", content)); err != nil {
				t.Fatal(err)
			}
			p.change(c.answer)
			got, err := s.Get(t.Context(), "k")
			check := func(doing, says string, got, want []byte, err error) {
				t.Helper()
				switch {
				case says == "" && (err != nil || !bytes.Equal(got, want)):
					t.Errorf("%s: %d bytes, %v, want the right ones", doing, len(got), err)
				case says != "" && (err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), says) || errors.Is(err, sinks.ErrPermanent)):
					t.Errorf("%s: %v, want a temporary error with %q", doing, err, says)
				}
			}
			check("Get", c.get, got, content, err)
			part := make([]byte, 50_000)
			n, err := s.ReadAt(t.Context(), "k", part, 1000)
			check("ReadAt", c.readAt, part[:n], content[1000:51_000], err)
			p.change(nil)
			if got, err = s.Get(t.Context(), "k"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after that: %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestS3NothingIsConfirmedThatIsNotThere: eight writers, some of them of the
// same group, behind a proxy that does something bad to two of three PUTs.
// What is confirmed is there, byte for byte, and each key once.
func TestS3NothingIsConfirmedThatIsNotThere(t *testing.T) {
	server := testenv.S3(t)
	p := newFaultyProxy(t, server)
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same faults each time
	var mu sync.Mutex
	p.often = func() fault {
		mu.Lock()
		defer mu.Unlock()
		bad := []fault{answer(503, slowDown), answer(500, ""), answer(409, ""), reset, cut, flip}
		if i := rng.IntN(len(bad) * 3 / 2); i < len(bad) {
			return bad[i]
		}
		return nil
	}
	s := retrying(p.store(t, server, 5*time.Second))
	direct := openURL(t, server.URL(t.Name()), s3Options(server))
	defer direct.Close() //nolint:errcheck // never fails
	const groups = 60
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := i / 2; k < groups; k += 4 { // two writers for each group
				g := storetest.Group(fmt.Sprintf("o/%03d", k), storetest.Random(uint64(k), 10_000+k)) //nolint:gosec // small
				if err := s.Write(t.Context(), g); err != nil {
					t.Errorf("%s: %v", g.Key, err)
					continue
				}
				if b, err := direct.Get(t.Context(), g.Key); err != nil || !bytes.Equal(b, g.Body) {
					t.Errorf("%s is confirmed, and there are %d bytes, %v", g.Key, len(b), err)
				}
			}
		})
	}
	all.Wait()
	if keys := listed(t, direct, "o/"); len(keys) != groups {
		t.Errorf("%d objects, want %d", len(keys), groups)
	}
	if n := p.puts.Load(); n < 3*groups {
		t.Errorf("only %d PUTs: too few faults", n)
	}
}

func TestS3BurstOf503(t *testing.T) {
	server := testenv.S3(t)
	var faults []fault
	for range 15 {
		faults = append(faults, answer(503, slowDown))
	}
	p := newFaultyProxy(t, server, faults...)
	s := p.store(t, server, 5*time.Second)
	if err := retrying(s).Write(t.Context(), storetest.Group("k", []byte("patience"))); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Get(t.Context(), "k"); err != nil || string(b) != "patience" || p.puts.Load() != 16 {
		t.Errorf("after %d PUTs there is %q, %v", p.puts.Load(), b, err)
	}
}
