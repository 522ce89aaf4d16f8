package backfill_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
)

// door stands before Elasticsearch.
type door struct {
	way atomic.Int32
	*httptest.Server
}

// What a door does.
const (
	opened int32 = iota
	refusing
	cut
)

// newDoor makes a door for the shared server.
func newDoor(t *testing.T) *door {
	t.Helper()
	to, err := url.Parse(servers.Elastic(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{DisableKeepAlives: true},
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch d.way.Load() {
		case refusing:
			http.Error(w, `{"error":{"type":"security_exception"},"status":401}`, http.StatusUnauthorized)
		case cut:
			panic(http.ErrAbortHandler)
		default:
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(d.Close)
	return d
}

// TestHealsByItself: credentials are wrong at the start, and later the server is away. Each
// time what was archived meanwhile becomes gaps, and when the server takes documents again
// they are filled without anybody's doing, each line once.
func TestHealsByItself(t *testing.T) {
	w := newWorld(t, "itself", folder(t))
	d := newDoor(t)
	d.way.Store(refusing)
	l := w.live("agg-1", d.URL)
	reg := metrics.New(backfill.Metrics()...)
	h := backfill.NewHealer(backfill.HealerDeps{
		Options: backfill.Options{Archive: w.store, Ledger: w.ledger, Index: l.sink},
		Name:    "agg-1", Files: l.Files, Healed: l.Look, Logger: slog.New(slog.DiscardHandler), Metrics: reg,
		Timing: backfill.HealerTiming{Every: 50 * time.Millisecond, Max: 200 * time.Millisecond, Rejected: time.Hour, Others: time.Hour},
	})
	healing, stop := context.WithCancel(t.Context())
	var healer sync.WaitGroup
	healer.Go(func() { h.Run(healing) })
	for i, way := range []int32{refusing, cut} {
		d.way.Store(way)
		before := len(w.objects)
		for n := range 5 {
			w.archive("agg-1", noon.Add(time.Duration(3*i)*time.Hour+time.Duration(n)*20*time.Minute), 20+n)
		}
		l.offer(w.objects[before:])
		l.eventuallyLacks(t, 110)
		testenv.Eventually(t, patience, "the gaps to be written", func() bool { return w.survey().Lines == 110 })
		d.way.Store(opened)
		l.eventuallyLacks(t, 0)
		w.wantHealed()
	}
	stop()
	healer.Wait()
	l.stop()
	w.wantHealed()
}
