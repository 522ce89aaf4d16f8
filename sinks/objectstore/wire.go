package objectstore

import (
	"context"
	"net/http"
)

// exchange is what minio-go does not pass on of a request: its answer's
// header, and that it shall use a connection of its own. One request at a time
// may use it.
type exchange struct {
	fresh  bool
	header http.Header // of the answer, nil if there was none
}

type exchangeKey struct{}

// in gives a context whose next request is told about in x.
func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

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
	if err == nil {
		x.header = resp.Header
	}
	return resp, err
}

// CloseIdleConnections lets go of the connections that nobody uses.
func (w *wire) CloseIdleConnections() { w.kept.CloseIdleConnections() }
