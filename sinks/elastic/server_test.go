package elastic

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

func TestDocumentsArriveAndAreFound(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, testConfig(server.URL, "arrive"))
	for i := range 3 {
		if !r.Offer(group(t, 100+i, lines(1000))) {
			t.Fatal("refused with an empty queue")
		}
	}
	r.settled()
	if n := r.documents("indexed"); n != 3000 {
		t.Errorf("%d lines are counted as indexed, want 3000", n)
	}
	for query, want := range map[string]int{
		"": 3000, "http.response.status_code:404": 750, "source.ip:10.0.1.7": 3, `url.path:"/items/77"`: 3,
		"haproxy.server_name:srv1": 999, "event.outcome:failure": 1500, "message:items": 3000,
		"@timestamp:[2026-11-23T07:21:00.000Z TO 2026-11-23T07:21:00.499Z]": 1500, "event.duration:[0 TO 1000000]": 60,
		`loghaul.archive.row:17`: 3, `source.ip:"10.0.0.0/24"`: 768,
	} {
		if got := count(t, server, "arrive", strings.ReplaceAll(query, " ", "%20")); got != want {
			t.Errorf("%q finds %d documents, want %d", query, got, want)
		}
	}
}

func TestLinesOfferedAgainAreThereAlready(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, testConfig(server.URL, "again"))
	for range 2 {
		r.Offer(group(t, 1, lines(300)))
		r.settled()
	}
	r.Offer(group(t, 1, lines(350))) // another object with the same lines and more
	r.settled()
	if indexed, exists := r.documents("indexed"), r.documents("exists"); indexed != 350 || exists != 600 {
		t.Errorf("%d indexed and %d there already, want 350 and 600", indexed, exists)
	}
	if n := count(t, server, "again", ""); n != 350 {
		t.Errorf("%d documents, want 350", n)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "bodies")
	c.Bulk = 64 << 10
	r := run(t, c)
	r.Offer(group(t, 1, lines(2000)))
	r.settled()
	// About 1.3 KB per document, and the window begins with a quarter. Where the server
	// refuses some, more.
	if n := r.sum(metricRequests, `status="200"`); n < 30 {
		t.Errorf("2000 documents took %d requests of at most 64 KiB, want 30 or more", n)
	}
	if n := r.documents("indexed"); n != 2000 {
		t.Errorf("%d indexed, want 2000", n)
	}
}

func TestRejectedDocumentsAreCountedByType(t *testing.T) {
	server := servers.Elastic(t)
	// Somebody's template says that frontends are addresses.
	if code := request(t, http.MethodPut, server.URL+"/_index_template/wrong", `{"index_patterns":["logs-haproxy.log-rejected"],"priority":900,"data_stream":{},
		"template":{"mappings":{"properties":{"haproxy":{"properties":{"frontend_name":{"type":"ip"}}}}}}}`, nil); code != 200 {
		t.Fatalf("HTTP %d", code)
	}
	r := run(t, testConfig(server.URL, "rejected"))
	bad := string(lines(3))
	good := strings.ReplaceAll(bad, "fe-main", "127.0.0.1")
	r.Offer(group(t, 1, []byte(good+bad+good)))
	r.settled()
	if indexed, rejected := r.documents("indexed"), r.sum(metricRejected, `type="document_parsing_exception"`); indexed != 6 || rejected != 3 {
		t.Errorf("%d indexed, %d rejected, want 6 and 3", indexed, rejected)
	}
	var rows []int
	for _, g := range r.gaps {
		rows = append(rows, g.FirstRow)
	}
	if want := []int{3, 4, 5}; !slices.Equal(rows, want) {
		t.Errorf("rows %v are reported as gaps, want %v", rows, want)
	}
	if n := strings.Count(r.log.String(), "rejects a document"); n != 1 {
		t.Errorf("logged %d times, want one sample:\n%s", n, r.log)
	}
}

func TestReadOnlyIndexRecovers(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "readonly")
	c.Retries = 3
	r := run(t, c)
	r.untilIndexed()
	before := r.documents("indexed")
	settings := server.URL + "/.ds-logs-haproxy.log-readonly-*/_settings"
	block := func(v string) {
		if code := request(t, http.MethodPut, settings, `{"index.blocks.read_only_allow_delete":`+v+`}`, nil); code != 200 {
			t.Fatalf("HTTP %d", code)
		}
	}
	block("true") // as Elasticsearch does when its disk is full
	r.Offer(group(t, 2, lines(20)))
	r.settled()
	if n := r.documents("indexed"); n != before || r.dropped(dropOverloaded) < 20 {
		t.Errorf("%d more indexed, %d dropped; want none, and 20 or more", n-before, r.dropped(dropOverloaded))
	}
	block("null")
	r.untilIndexed()
}

func TestStoppingSendsWhatIsQueued(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "drain")
	c.Senders = 1
	r := run(t, c)
	for i := range 4 {
		r.Offer(group(t, i, lines(500)))
	}
	testenv.Eventually(t, patience, "the template", func() bool { return r.documents("indexed") > 0 })
	r.stop()
	r.settled()
	if n := r.documents("indexed"); n != 2000 {
		t.Errorf("%d indexed, want 2000", n)
	}
	if r.Offer(group(t, 9, lines(5))) || r.dropped(dropShutdown) != 5 {
		t.Error("a stopped sink takes lines, or does not count them")
	}
}

func TestStoppingIsBounded(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "bounded")
	c.Drain = 200 * time.Millisecond // and Timeout is a minute
	r := run(t, c)
	r.Offer(group(t, 1, lines(1)))
	r.settled()
	server.Pause()
	defer server.Resume()
	for i := range 5 {
		r.Offer(group(t, i, lines(1000)))
	}
	r.stop()
	r.settled()
	// After a minute it would be unreachable.
	if n := r.dropped(dropShutdown); n != 5000 {
		t.Errorf("%d dropped for the shutdown, want 5000", n)
	}
}
