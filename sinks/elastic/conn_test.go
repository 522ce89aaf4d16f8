package elastic

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Bodies of all sizes around that of the client's own buffer arrive, one after the
// other over one connection, and then nobody reads the buffer any more.
func TestBodiesArrive(t *testing.T) {
	var got []byte
	connections := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		connections[r.RemoteAddr] = true
	}))
	defer srv.Close()
	cfg := testConfig(srv.URL, "bodies")
	c, err := newClient(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var b buffer
	for _, size := range []int{1, 3000, 4095, 4096, 4097, 100_000, 5 << 20} {
		b.reset()
		for i := range size {
			b.buf = append(b.buf, byte(i*7>>3))
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", b.reader(b.buf))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(size)
		resp, err := c.Perform(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !bytes.Equal(got, b.buf) {
			t.Errorf("of a body of %d bytes %d came, or other ones", size, len(got))
		}
		if n := b.users.Load(); n != 0 {
			t.Errorf("%d requests read a body of %d bytes that was answered", n, size)
		}
	}
	if len(connections) != 1 {
		t.Errorf("over %d connections, want one", len(connections))
	}
}

// A buffer that a request still reads from is left to it, also when the client has
// closed the body already.
func TestBufferIsLeftToWhoReadsIt(t *testing.T) {
	var b buffer
	b.reset()
	b.buf = append(b.buf, "first"...)
	body := b.reader(b.buf)
	out, in := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := io.Copy(in, body)
		in.Close()
		done <- err
	}()
	one := make([]byte, 1)
	if _, err := io.ReadFull(out, one); err != nil {
		t.Fatal(err)
	}
	body.Close()
	b.reset()
	b.buf = append(b.buf, "other"...)
	rest, err := io.ReadAll(out)
	if err := errors.Join(err, <-done); err != nil || string(one)+string(rest) != "first" {
		t.Errorf("%q is read, %v; want first", string(one)+string(rest), err)
	}
	if n, err := body.Read(one); n != 0 || err == nil {
		t.Errorf("%d bytes, %v of a body that is closed", n, err)
	}
	body.Close()
	body = b.reader(b.buf)
	was := &b.buf[0]
	body.Close()
	b.reset()
	if b.buf = append(b.buf, "third"...); &b.buf[0] != was {
		t.Error("a buffer that nobody reads is not used again")
	}
}
