//go:build !race

// Other tests show the race detector the same code, without one more server.

package elastic

import (
	"net/http"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// NextMajorVersion runs what matters against the next major version of
// Elasticsearch, which begins with nothing.
func NextMajorVersion(t *testing.T, server *testenv.ElasticServer) {
	t.Helper()
	samePriority(t, server)
	templates(t, server)
	r := run(t, testConfig(server.URL, "next"))
	for range 2 {
		r.Offer(group(t, 1, lines(3000)))
		r.settled()
	}
	if indexed, exists := r.documents("indexed"), r.documents("exists"); indexed != 3000 || exists != 3000 {
		t.Errorf("%d indexed and %d there already, want 3000 of each", indexed, exists)
	}
	for query, want := range map[string]int{"": 3000, "http.response.status_code:404": 750, `source.ip:"10.0.1.0/24"`: 256, "message:items": 3000} {
		if got := count(t, server, "next", query); got != want {
			t.Errorf("%q finds %d documents, want %d", query, got, want)
		}
	}
}

// samePriority has another template with our priority in the way of ours, as
// Elasticsearch refuses.
func samePriority(t *testing.T, server *testenv.ElasticServer) {
	mine := server.URL + "/_index_template/theirs"
	if code := request(t, http.MethodPut, mine, `{"index_patterns":["logs-haproxy.log-*"],"priority":300,"data_stream":{}}`, nil); code != 200 {
		t.Fatalf("HTTP %d", code)
	}
	c := testConfig(server.URL, "same")
	if said, err := setUp(t, c); err == nil || !strings.Contains(said, "same priority") {
		t.Errorf("error %v:\n%s", err, said)
	}
	// The daemon goes on without.
	r := run(t, c)
	r.untilIndexed()
	if n := strings.Count(r.log.String(), "same priority"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, r.log)
	}
	r.stop()
	// A template that is in use can't go, but may change.
	if code := request(t, http.MethodPut, mine, `{"index_patterns":["logs-haproxy.log-same"],"priority":299,"data_stream":{}}`, nil); code != 200 {
		t.Fatalf("HTTP %d", code)
	}
}
