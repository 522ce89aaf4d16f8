package elastic

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/metrics"
)

// filler gives a Sink that does not run.
func filler(t *testing.T, c Config) *Sink {
	t.Helper()
	s, err := New(c, Deps{Logger: slog.New(slog.DiscardHandler), Metrics: metrics.New(Metrics()...), Gap: func(g Gap) {
		t.Errorf("Fill tells of the gap %+v", g)
	}})
	if err != nil {
		t.Fatal(err)
	}
	hurry(s)
	t.Cleanup(s.client.close)
	return s
}

func TestFillIndexesTheRowsItIsGiven(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, testConfig(server.URL, "filled"))
	g := group(t, 1, lines(200))
	r.Offer(group(t, 1, lines(20))) // the same lines, as another object
	r.settled()
	s := filler(t, testConfig(server.URL, "filled"))
	got, err := s.Fill(t.Context(), g, []Span{{10, 19}, {50, 50}, {180, 199}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Filled{Indexed: 21, Exists: 10}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := count(t, server, "filled", ""); n != 41 {
		t.Errorf("%d documents, want 41", n)
	}
	for row, want := range map[string]int{"50": 1, "51": 0, "179": 0, "180": 1, "199": 1} {
		if n := count(t, server, "filled", "loghaul.archive.row:"+row); n != want {
			t.Errorf("row %s is found %d times, want %d", row, n, want)
		}
	}
	// The same again, beside offers of a running Sink.
	r.Offer(group(t, 2, lines(30)))
	if got, err = r.Fill(t.Context(), g, []Span{{0, 199}}); err != nil || got.Indexed != 159 || got.Exists != 41 {
		t.Errorf("the rest: %+v, %v; want 159 indexed, 41 there already", got, err)
	}
	r.settled()
	if n := r.sum(metricFilled, `result="indexed"`); n != 159 {
		t.Errorf("%d lines are counted as filled, want 159", n)
	}
}

func TestFillSaysWhatIsLeft(t *testing.T) {
	g := group(t, 1, lines(100))
	rejecting := `{"errors":true,"items":[{"create":{"status":400,"error":{"type":"t","reason":"r"}}},` +
		strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, 9), ",") + `]}`
	for name, c := range map[string]struct {
		status int
		answer string
		err    error
		want   Filled
	}{
		"pushback":    {429, `{}`, ErrPushback, Filled{Left: []Gap{{g.Key, 5, 9, 5, dropOverloaded}, {g.Key, 20, 24, 5, dropOverloaded}}}},
		"busy":        {503, `{}`, ErrPushback, Filled{Left: []Gap{{g.Key, 5, 9, 5, dropOverloaded}, {g.Key, 20, 24, 5, dropOverloaded}}}},
		"no rights":   {403, `{}`, ErrUnavailable, Filled{Left: []Gap{{g.Key, 5, 9, 5, dropRefused}, {g.Key, 20, 24, 5, dropRefused}}}},
		"no sense":    {200, `{}`, ErrUnavailable, Filled{Left: []Gap{{g.Key, 5, 9, 5, dropUnreachable}, {g.Key, 20, 24, 5, dropUnreachable}}}},
		"rejects one": {200, rejecting, nil, Filled{Indexed: 9, Rejected: 1, Left: []Gap{{g.Key, 5, 5, 1, reasonRejected}}}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer srv.Close()
			cfg := testConfig(srv.URL, "left")
			cfg.Retries = 1
			s := filler(t, cfg)
			for range 3 { // each call waits until it may try again
				got, err := s.Fill(t.Context(), g, []Span{{5, 9}, {20, 24}})
				if !errors.Is(err, c.err) || (c.err == nil && err != nil) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFillEndsWithTheContext(t *testing.T) {
	var asked atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		asked.Add(1)
		cancel()
		<-r.Context().Done()
	}))
	defer srv.Close()
	s := filler(t, testConfig(srv.URL, "ctx"))
	g := group(t, 1, lines(10))
	got, err := s.Fill(ctx, g, []Span{{0, 9}})
	want := Filled{Left: []Gap{{g.Key, 0, 9, 10, dropShutdown}}}
	if diff := cmp.Diff(want, got); !errors.Is(err, context.Canceled) || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err = s.Fill(ctx, g, []Span{{0, 9}}); !errors.Is(err, context.Canceled) || asked.Load() != 1 {
		t.Errorf("an ended context: %v, %d requests", err, asked.Load())
	}
}

func TestFillOfAnUnreadableObject(t *testing.T) {
	s := filler(t, testConfig("http://127.0.0.1:1", "unreadable"))
	g := group(t, 1, lines(10))
	g.Body = g.Body[:len(g.Body)/2]
	got, err := s.Fill(t.Context(), g, []Span{{2, 3}})
	if err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrPushback) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(Filled{Left: []Gap{{g.Key, 2, 3, 2, dropUnreadable}}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Fill waits while a group is queued, and goes on when it has been sent.
func TestFillWaitsForWhatIsOffered(t *testing.T) {
	hold := make(chan struct{})
	var order []string
	target := before(t, func(_ http.ResponseWriter, body []byte) bool {
		<-hold
		order = append(order, string(body[18:18+24])) // the source of the first document
		return false
	})
	r := run(t, testConfig(target, "order"))
	for i := range 3 {
		r.Offer(group(t, i, lines(5)))
	}
	done := make(chan error)
	go func() {
		_, err := r.Fill(t.Context(), group(t, 99, lines(5)), []Span{{0, 4}})
		done <- err
	}()
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.settled()
	// The server may refuse a request for its own reasons; it is sent again then.
	if order = slices.Compact(order); len(order) != 4 || !strings.HasSuffix(order[3], "63") {
		t.Errorf("sent in the order %v, want what was offered first", order)
	}
}
