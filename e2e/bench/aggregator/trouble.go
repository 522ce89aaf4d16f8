package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A trouble is what an index does all the time of a run.
const (
	indexOff    = "off"    // there is none
	indexDead   = "dead"   // nobody listens
	indexFrozen = "frozen" // connections are accepted, and nothing happens on them
	indexRefuse = "refuse" // every bulk request is answered with 429
	indexCrawl  = "crawl"  // a byte a second is read
)

// trouble starts an index of the given kind on loopback and gives its URL, ""
// for off. It answers what is asked before the first document as Elasticsearch
// does, or a daemon would not come to sending any.
func trouble(ctx context.Context, kind string) (url string, stop func(), err error) {
	if kind == indexOff {
		return "", func() {}, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	url = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})
	end := make(chan struct{})
	switch kind {
	case indexDead:
		return url, func() {}, l.Close()
	case indexFrozen:
		mux.HandleFunc("/{stream}/_bulk", func(http.ResponseWriter, *http.Request) { <-end })
	case indexRefuse:
		mux.HandleFunc("/{stream}/_bulk", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.WriteHeader(http.StatusTooManyRequests)
		})
	case indexCrawl:
		mux.HandleFunc("/{stream}/_bulk", func(_ http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for b := make([]byte, 1); ; {
				if _, err := r.Body.Read(b); err != nil {
					return
				}
				select {
				case <-end:
					return
				case <-tick.C:
				}
			}
		})
	default:
		_ = l.Close()
		return "", nil, fmt.Errorf("-index: there is no %q", kind)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // ends by Close
	return url, func() {
		close(end)
		_ = s.Close()
	}, nil
}
