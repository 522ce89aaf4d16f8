package elastic

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestVictoriaLogs answers as v1.52.1 does, which was asked by hand (see
// docs/elasticsearch.md): one path for bulk requests, no other question known.
func TestVictoriaLogs(t *testing.T) {
	var unknown, documents atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		switch r.URL.Path {
		case "/insert/elasticsearch/":
			_, _ = io.WriteString(w, `{"version":{"number":"8.9.0"}}`)
		case "/insert/elasticsearch/_bulk":
			if q := r.URL.Query(); q.Get("_time_field") != "@timestamp" || q.Get("_msg_field") != "message" || q.Get("_stream_fields") == "" {
				t.Errorf("query %v", q)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			n := bytes.Count(body, []byte("\n")) / 2
			documents.Add(int64(n))
			_, _ = fmt.Fprintf(w, `{"took":1,"errors":false,"items":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ","))
		default:
			unknown.Add(1)
			http.Error(w, fmt.Sprintf("unsupported path requested: %q", r.URL.Path), http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	c := testConfig(srv.URL+"/insert/elasticsearch", "victoria")
	r := run(t, c)
	r.Offer(group(t, 1, lines(500)))
	r.settled()
	if n := r.documents("indexed"); n != 500 || documents.Load() != 500 || unknown.Load() != 0 {
		t.Errorf("%d lines are counted as indexed, %d were sent, %d requests were not understood", n, documents.Load(), unknown.Load())
	}
	if said, err := setUp(t, c); err != nil || said != "OK server: "+c.URL+" is VictoriaLogs\n" {
		t.Errorf("%v: %s", err, said)
	}
	c.URL = srv.URL + "/other/insert/elasticsearch"
	if said, err := setUp(t, c); err == nil || !strings.Contains(said, "is not VictoriaLogs") {
		t.Errorf("%v: %s", err, said)
	}
}
