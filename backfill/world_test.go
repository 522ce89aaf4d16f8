package backfill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

var servers testenv.Shared

func TestMain(m *testing.M) {
	code := servers.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const patience = testenv.Patience

// noon is when the lines of the tests begin.
var noon = time.Date(2025, 11, 26, 12, 0, 0, 0, time.UTC)

// world is an archive with a ledger, and the name of a data stream.
type world struct {
	t         *testing.T
	store     objectstore.Store
	namespace string
	ledger    *gaps.Ledger
	objects   []*sinks.Group
}

func newWorld(t *testing.T, namespace string, s objectstore.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, namespace: namespace}
	w.ledger = gaps.New(backfill.LedgerStore{Store: s}, "logs-haproxy.log-"+namespace)
	return w
}

func folder(t *testing.T) objectstore.Store {
	t.Helper()
	s, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// archive stores an object of n lines of a writer, sealed at the given time. Its
// lines have the seconds before that as their times.
func (w *world) archive(writer string, sealed time.Time, n int) *sinks.Group {
	w.t.Helper()
	var raw bytes.Buffer
	for i := range n {
		at := sealed.Add(time.Duration(i-n) * time.Second)
		fmt.Fprintf(&raw, "10.0.0.%d:%d [%s] fe be/s1 0/0/0/1/1 200 %d - - ---- 1/1/0/0/0 0/0 \"GET /%d HTTP/1.1\"\n",
			i%250, 1024+i%60000, at.Format("02/Jan/2006:15:04:05.000"), i, i)
	}
	// The lines of each object are a source of their own.
	id := fmt.Sprintf("%x%020x", len(writer), sealed.UnixNano()+int64(n))
	g := archivetest.Group(w.t, archive.Options{Formats: archivetest.Formats(w.t, "httplog"), Writer: writer}, sealed, archive.Batch{Raw: raw.Bytes(), Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("0", 24-len(id)) + id, Node: "web-1", Path: "/var/log/haproxy.log"},
		To:     int64(raw.Len()), Records: n, ReadAt: sealed,
	}})
	if err := w.store.Write(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	w.objects = append(w.objects, g)
	return g
}

func (w *world) lines() (n int) {
	for _, g := range w.objects {
		n += g.Lines
	}
	return n
}

func (w *world) config(url string) elastic.Config {
	c := elastic.DefaultConfig()
	c.URL, c.Namespace, c.Wait, c.Drain = url, w.namespace, 0, 0
	c.Retries, c.Timeout = 0, 20*time.Second
	return c
}

// sink makes a Sink; its template is installed.
func (w *world) sink(url string, d elastic.Deps) *elastic.Sink {
	w.t.Helper()
	d.Logger, d.Metrics = slog.New(slog.DiscardHandler), metrics.New(elastic.Metrics()...)
	s, err := elastic.New(w.config(url), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// real gives a Sink for the shared server.
func (w *world) real() *elastic.Sink {
	w.t.Helper()
	s := w.sink(servers.Elastic(w.t).URL, elastic.Deps{})
	if err := s.Prepare(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// keeper makes a Keeper that is quick.
func (w *world) keeper(name string) *gapkeeper.Keeper {
	return gapkeeper.New(gapkeeper.Deps{Ledger: w.ledger, Name: name, Timing: gapkeeper.Timing{
		Flush: 20 * time.Millisecond, Beat: 50 * time.Millisecond, Look: 50 * time.Millisecond, Dead: 800 * time.Millisecond,
		First: 10 * time.Millisecond, Max: 50 * time.Millisecond,
	}})
}

// live is what an aggregator has for its index: a Sink, and a keeper of what it drops.
type live struct {
	*gapkeeper.Keeper
	sink *elastic.Sink
	stop func()
}

// live runs both until stop is called.
func (w *world) live(name, url string) *live {
	w.t.Helper()
	k := w.keeper(name)
	k.Start(w.t.Context())
	keeping, stopKeeping := context.WithCancel(w.t.Context())
	sending, stopSending := context.WithCancel(w.t.Context())
	s := w.sink(url, elastic.Deps{Settled: k.Settled, Gap: func(g elastic.Gap) {
		k.Gap(gaps.Gap{Key: g.Key, Rows: gaps.Span{First: g.FirstRow, Last: g.LastRow}, Lines: g.Lines, Reason: g.Reason})
	}})
	var keeper, sender sync.WaitGroup
	keeper.Go(func() { k.Run(keeping) })
	sender.Go(func() {
		if err := s.Run(sending); err != nil {
			w.t.Error(err)
		}
	})
	return &live{k, s, func() {
		stopSending()
		sender.Wait()
		stopKeeping()
		keeper.Wait()
		k.Finish(w.t.Context())
	}}
}

// offer offers stored objects to the index.
func (l *live) offer(objects []*sinks.Group) {
	for _, g := range objects {
		win := l.Open(time.Now())
		win.Storing(g.Key)
		win.Close()
		l.sink.Offer(g)
	}
}

// eventuallyLacks waits until the index lacks n lines, as the gauge says.
func (l *live) eventuallyLacks(t *testing.T, n int) {
	t.Helper()
	testenv.Eventually(t, patience, fmt.Sprintf("%d lines that the index lacks", n), func() bool { all, _ := l.Lines(); return all == int64(n) })
}

// dropAll offers all objects to an index that nobody serves.
func (w *world) dropAll(name string) {
	w.t.Helper()
	l := w.live(name, fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(w.t)))
	l.offer(w.objects)
	l.eventuallyLacks(w.t, w.lines())
	l.stop()
}

// options are those of an Engine for the world.
func (w *world) options(index backfill.Index) backfill.Options {
	return backfill.Options{
		Archive: w.store, Ledger: w.ledger, Index: index, Patience: patience, BusyPatience: patience, First: 10 * time.Millisecond, Max: 100 * time.Millisecond,
		Warn: func(err error) { w.t.Log("warned:", err) },
	}
}

func (w *world) heal(o backfill.Options) backfill.Report {
	w.t.Helper()
	r, err := backfill.New(o).Heal(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) survey() *gaps.Survey {
	w.t.Helper()
	s, err := w.ledger.Survey(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// wantHealed compares the documents with the lines of the archive, one to one.
func (w *world) wantHealed() {
	w.t.Helper()
	if s := w.survey(); s.Lines != 0 || len(s.Files) > 0 {
		w.t.Errorf("the ledger still has %d lines in %v", s.Lines, s.Files)
	}
	var want []string
	for _, g := range w.objects {
		for row := range g.Lines {
			want = append(want, fmt.Sprintf("%s#%d", g.Key, row))
		}
	}
	slices.Sort(want)
	if got := w.documents(); !slices.Equal(got, want) {
		w.t.Errorf("%d documents, want one for each of %d lines", len(got), len(want))
	}
}

// documents gives the archived line of each document, in order.
func (w *world) documents() []string {
	w.t.Helper()
	url := servers.Elastic(w.t).URL + "/logs-haproxy.log-" + w.namespace
	request(w.t, http.MethodPost, url+"/_refresh", "", nil)
	var answer struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			}
		}
	}
	request(w.t, http.MethodPost, url+"/_search", `{"size":10000,"_source":["loghaul.archive.*"]}`, &answer)
	var out []string
	for _, h := range answer.Hits.Hits {
		out = append(out, fmt.Sprintf("%v#%v", h.Source["loghaul.archive.key"], h.Source["loghaul.archive.row"]))
	}
	slices.Sort(out)
	return out
}

func request(t *testing.T, method, url, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
}
