package objectstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// exchange is what minio-go does not pass on of a request: its answer's
// header, that it shall use a connection of its own, and what the answer has to
// be. One request at a time may use it.
type exchange struct {
	fresh bool
	// root is the XML element that a good answer must begin with; minio-go takes
	// any document for an empty listing, also a proxy's login page.
	root   string
	header http.Header // of the last answer, nil if there was none
}

type exchangeKey struct{}

// in gives a context whose next request is told about in x.
func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// rootWithin is how much of an answer is looked at for its root.
const rootWithin = 512

// wire sends requests over kept connections, or over a fresh one if their
// exchange says so: a connection that a firewall or a balancer has forgotten
// takes bytes and gives no answer.
type wire struct {
	kept, fresh *http.Transport
}

func newWire(tr *http.Transport) *wire {
	w := &wire{kept: tr, fresh: tr.Clone()}
	w.fresh.DisableKeepAlives = true
	return w
}

// RoundTrip follows http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return w.kept.RoundTrip(req)
	}
	tr := w.kept
	if x.fresh {
		tr = w.fresh
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	x.header = resp.Header
	if x.root == "" || resp.StatusCode != http.StatusOK {
		return resp, nil
	}
	body := bufio.NewReader(resp.Body)
	// At most an XML declaration and a comment stand before it.
	head, err := body.Peek(rootWithin)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, resp.Body.Close())
	}
	if len(head) > 0 && !bytes.Contains(head, []byte("<"+x.root)) {
		_ = resp.Body.Close() // its content is of no use
		return nil, fmt.Errorf("the answer is no %s but %.60q: is this an S3 server?", x.root, head)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
	return resp, nil
}

// CloseIdleConnections lets go of the connections that nobody uses.
func (w *wire) CloseIdleConnections() { w.kept.CloseIdleConnections() }
