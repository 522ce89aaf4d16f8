package elastic

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// before puts fn in front of the real server for bulk requests; fn reports
// whether it has answered.
func before(t *testing.T, fn func(w http.ResponseWriter, body []byte) bool) string {
	t.Helper()
	target, err := url.Parse(servers.Elastic(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	next := &httputil.ReverseProxy{Transport: tr, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			body, err := io.ReadAll(r.Body)
			if err != nil || fn(w, body) {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestOddAnswers runs one group of 100 lines against one odd answer; the next
// requests are answered by the real server.
func TestOddAnswers(t *testing.T) {
	items := func(n, status int) string {
		return `{"errors":true,"items":[` + strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"create":{"status":%d,"error":{"type":"t"}}},`, status), n), ",") + `]}`
	}
	for i, c := range []struct {
		name, answer              string
		status                    int
		indexed, resent, rejected int
		dropped                   string
	}{
		{"429", "{}", 429, 100, 100, 0, ""},
		{"503 from a proxy", "<html>", 503, 100, 100, 0, ""},
		{"500", `{"error":{"type":"x","reason":"y"}}`, 500, 100, 100, 0, ""},
		{"every item 429", items(100, 429), 200, 100, 100, 0, ""},
		{"every item 500", items(100, 500), 200, 100, 100, 0, ""}, // as for a mapping that could not be changed in time
		{"every item 400", items(100, 400), 200, 0, 0, 100, ""},
		{"too few items", items(99, 201), 200, 100, 100, 0, ""},
		{"no JSON", "hello", 200, 100, 100, 0, ""},
		{"cut JSON", `{"errors":false,"items":[{"create":{"sta`, 200, 100, 100, 0, ""},
		{"401", `{"error":{"type":"security_exception","reason":"missing credentials"}}`, 401, 0, 0, 0, dropRefused},
		{"404", `{}`, 404, 0, 0, 0, dropRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			target := before(t, func(w http.ResponseWriter, _ []byte) bool {
				if n.Add(1) > 1 {
					return false
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
				return true
			})
			r := run(t, testConfig(target, "odd"))
			r.Offer(group(t, i, lines(100)))
			r.settled()
			type counts struct{ Indexed, Rejected, Dropped int }
			want := counts{c.indexed, c.rejected, 100 - c.indexed - c.rejected}
			got := counts{r.documents("indexed"), r.sum(metricRejected, ""), r.dropped(c.dropped)}
			// The real server may refuse some, too, for its own reasons.
			if resent := r.sum(metricResent, ""); resent < c.resent || (c.resent == 0 && resent > 0) {
				t.Errorf("%d documents were sent again, want %d", resent, c.resent)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooLargeBodiesAreSplit(t *testing.T) {
	const limit = 20_000
	var largest atomic.Int64
	target := before(t, func(w http.ResponseWriter, body []byte) bool {
		if len(body) > limit {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		largest.Store(max(largest.Load(), int64(len(body))))
		return false
	})
	r := run(t, testConfig(target, "split"))
	big := strings.Replace(string(lines(1)), "/items/", "/"+strings.Repeat("x", 2*limit)+"/", 1)
	r.Offer(group(t, 1, append(lines(300), big...)))
	r.settled()
	if indexed, dropped := r.documents("indexed"), r.dropped(dropTooLarge); indexed != 300 || dropped != 1 {
		t.Errorf("%d indexed, %d dropped as too large, want 300 and 1", indexed, dropped)
	}
	if len(r.gaps) != 1 || r.gaps[0].FirstRow != 300 {
		t.Errorf("gaps %+v, want row 300", r.gaps)
	}
}

func TestSomeItemsAreSentAgain(t *testing.T) {
	var n atomic.Int32
	var second atomic.Int64
	target := before(t, func(w http.ResponseWriter, body []byte) bool {
		docs := bytes.Count(body, []byte{'\n'}) / 2
		if n.Add(1) > 1 {
			second.CompareAndSwap(0, int64(docs)) // the real server may refuse some, which are sent once more
			return false
		}
		var items []string
		for i := range docs {
			status := 201
			if i%4 == 0 {
				status = 429
			}
			items = append(items, fmt.Sprintf(`{"create":{"status":%d}}`, status))
		}
		_, _ = io.WriteString(w, `{"errors":true,"items":[`+strings.Join(items, ",")+`]}`)
		return true
	})
	r := run(t, testConfig(target, "some"))
	r.Offer(group(t, 1, lines(100)))
	r.settled()
	if second.Load() != 25 || r.documents("indexed") != 100 || r.sum(metricResent, "") < 25 {
		t.Errorf("%d documents were sent again at first, %d are indexed; want the 25 refused ones, and 100", second.Load(), r.documents("indexed"))
	}
	if found := count(t, servers.Elastic(t), "some", `url.path:"/items/8"`); found != 1 {
		t.Errorf("line 8 was refused at first and is found %d times", found)
	}
	if found := count(t, servers.Elastic(t), "some", `url.path:"/items/9"`); found != 0 {
		t.Errorf("line 9 was not to be sent again and is found %d times", found)
	}
}

func TestAnUnreadableObjectIsCounted(t *testing.T) {
	r := run(t, testConfig(servers.Elastic(t).URL, "unreadable"))
	g := group(t, 1, lines(100))
	g.Body = g.Body[:len(g.Body)/2]
	r.Offer(g)
	r.settled()
	if n := r.dropped(dropUnreadable); n != 100 {
		t.Errorf("%d dropped as unreadable, want 100", n)
	}
}

func TestATemplateThatIsRefusedDoesNotStopTheIndex(t *testing.T) {
	target, err := url.Parse(servers.Elastic(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	next := httputil.NewSingleHostReverseProxy(target)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	next.Transport = tr
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "_index_template") {
			http.Error(w, `{"error":{"type":"security_exception","reason":"action is unauthorized"}}`, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
	defer srv.Close()
	r := run(t, testConfig(srv.URL, "unprivileged"))
	r.Offer(group(t, 1, lines(10)))
	r.settled()
	if n := r.documents("indexed"); n != 10 || !strings.Contains(r.log.String(), "lacks the cluster privilege manage_index_templates") {
		t.Errorf("%d indexed, want 10; log:\n%s", n, r.log)
	}
	r.stop()
}

func TestAnswersThatNeverEndAreGivenUp(t *testing.T) {
	target := before(t, func(w http.ResponseWriter, _ []byte) bool {
		_, _ = io.WriteString(w, `{"errors":`)
		_ = http.NewResponseController(w).Flush()
		// Say nothing more until the client has gone.
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return true
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return true
			}
		}
	})
	c := testConfig(target, "endless")
	c.Timeout, c.Retries, c.Wait = 300*time.Millisecond, 0, 0
	r := run(t, c)
	r.Offer(group(t, 1, lines(10)))
	r.settled()
	if n := r.dropped(dropUnreachable); n != 10 {
		t.Errorf("%d dropped, want 10", n)
	}
}
