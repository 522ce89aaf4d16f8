package elastic

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestRolloverBeforeARetry loses the answer to a request that was carried out, and
// has the data stream roll over before it is sent again: what is there in the old
// backing index is not made a second time in the new one.
func TestRolloverBeforeARetry(t *testing.T) {
	server := servers.Elastic(t)
	for _, c := range []struct {
		name string
		lose func(r *http.Response)
	}{
		{"no_answer", nil},
		{"502_of_a_proxy", func(r *http.Response) {
			r.StatusCode, r.Body = http.StatusBadGateway, io.NopCloser(strings.NewReader("<html>"))
		}},
	} {
		if testing.Short() && c.lose != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			namespace := "rollover_" + c.name
			lost, rolled := make(chan struct{}), make(chan struct{})
			var once sync.Once
			var questions atomic.Int64
			target := reverse(t, func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/_search") {
					questions.Add(1)
				}
				return false
			}, func(r *http.Response) error {
				if !strings.HasSuffix(r.Request.URL.Path, "/_bulk") || r.StatusCode != http.StatusOK {
					return nil
				}
				text, err := io.ReadAll(r.Body)
				if err != nil {
					return err
				}
				r.Body = io.NopCloser(bytes.NewReader(text))
				if !bytes.Contains(text, []byte(`"status":201`)) {
					return nil // the server refused it all; it is sent again
				}
				once.Do(func() {
					close(lost)
					<-rolled
					if c.lose == nil {
						panic(http.ErrAbortHandler)
					}
					r.Header.Del("Content-Length")
					r.ContentLength = -1
					c.lose(r)
				})
				return nil
			})
			r := run(t, testConfig(target, namespace))
			r.Offer(group(t, 1, lines(100)))
			<-lost
			testenv.Eventually(t, patience, "the rollover", func() bool {
				return request(t, http.MethodPost, server.URL+"/logs-haproxy.log-"+namespace+"/_rollover", "", nil) == http.StatusOK
			})
			close(rolled)
			r.settled()
			if indexed, exists := r.documents("indexed"), r.documents("exists"); indexed+exists != 100 || exists == 0 || questions.Load() == 0 {
				t.Errorf("%d lines are indexed, %d there already after %d questions; want 100 of both, and a question", indexed, exists, questions.Load())
			}
			if n := count(t, server, namespace, ""); n != 100 {
				t.Errorf("%d documents, want 100", n)
			}
		})
	}
}
