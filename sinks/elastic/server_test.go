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
		if !r.Offer(group(t, 100+i, lines(4000))) {
			t.Fatal("refused with an empty queue")
		}
	}
	r.settled()
	if n := r.documents("indexed"); n != 12000 {
		t.Errorf("%d lines are counted as indexed, want 12000", n)
	}
	for query, want := range map[string]int{
		"": 12000, "http.response.status_code:404": 3000, "source.ip:10.0.1.7": 3, `url.path:"/items/77"`: 3,
		"haproxy.server_name:srv1": 3999, "event.outcome:failure": 6000, "message:items": 12000,
		"@timestamp:[2026-11-23T07:21:01.000Z TO 2026-11-23T07:21:01.499Z]": 1500, "event.duration:[0 TO 1000000]": 240,
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
		r.Offer(group(t, 1, lines(3000)))
		r.settled()
	}
	r.Offer(group(t, 1, lines(3500))) // another object with the same lines and more
	r.settled()
	if indexed, exists := r.documents("indexed"), r.documents("exists"); indexed != 3500 || exists != 6000 {
		t.Errorf("%d indexed and %d there already, want 3500 and 6000", indexed, exists)
	}
	if n := count(t, server, "again", ""); n != 3500 {
		t.Errorf("%d documents, want 3500", n)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "bodies")
	c.Bulk = 64 << 10
	r := run(t, c)
	r.Offer(group(t, 1, lines(2000)))
	r.settled()
	// About 1.3 KB per document.
	if n := r.sum(metricRequests, `status="200"`); n < 20 || n > 80 {
		t.Errorf("2000 documents took %d requests of at most 64 KiB", n)
	}
	if n := r.documents("indexed"); n != 2000 {
		t.Errorf("%d indexed, want 2000", n)
	}
}

// untilIndexed offers new lines until some of them arrive.
func (r *running) untilIndexed() {
	r.t.Helper()
	before := r.documents("indexed")
	source := 1000 + before
	testenv.Eventually(r.t, patience, "documents in the index", func() bool {
		source++
		r.Offer(group(r.t, source, lines(20)))
		r.settled()
		return r.documents("indexed") > before
	})
}

// offers offers a group n times and gives the longest time that one took.
func offers(r *running, n int) (longest time.Duration) {
	g := group(r.t, 7, lines(2000))
	for range n {
		start := time.Now()
		r.Offer(g)
		longest = max(longest, time.Since(start))
	}
	return longest
}

func TestFrozenServerCostsNothingButLinesInTheIndex(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "frozen")
	c.Timeout, c.Retries, c.Queue = 300*time.Millisecond, 1, 1<<20
	r := run(t, c)
	r.untilIndexed()
	// A busy machine can take longer than Timeout without any outage.
	was, outages := r.dropped(dropUnreachable), strings.Count(r.log.String(), "the index does not work")

	server.Pause()
	defer server.Resume()
	longest := offers(r, 500)
	t.Logf("the longest of 500 offers took %v", longest)
	if longest > 50*time.Millisecond { // the usual is a microsecond; this is for a busy machine
		t.Errorf("an offer took %v", longest)
	}
	if got := r.queue.size(); got > int64(c.Queue) {
		t.Errorf("the queue holds %d bytes, its limit is %d", got, c.Queue)
	}
	r.settled()
	if full, gone := r.dropped(dropQueueFull), r.dropped(dropUnreachable)-was; full == 0 || gone == 0 || full+gone != 500*2000 {
		t.Errorf("%d dropped because the queue was full, %d because there was no answer; want both, 1000000 in all", full, gone)
	}
	if n := strings.Count(r.log.String(), "the index does not work"); n < 1 || n > outages+1 {
		t.Errorf("the outage is logged %d times, want once:\n%s", n, r.log)
	}

	server.Resume()
	r.untilIndexed()
	if !strings.Contains(r.log.String(), "the index works again") {
		t.Errorf("the end of the outage is not logged:\n%s", r.log)
	}
}

func TestKilledAndOverloadedServer(t *testing.T) {
	server := testenv.Elastic(t, testenv.TinyQueues()...)
	t.Run("overloaded", func(t *testing.T) { overloaded(t, server) })
	t.Run("killed", func(t *testing.T) { killed(t, server) })
}

func killed(t *testing.T, server *testenv.ElasticServer) {
	c := testConfig(server.URL, "killed")
	c.Retries, c.Queue = 1, 1<<20
	r := run(t, c)
	r.untilIndexed()
	server.Kill()
	if longest := offers(r, 500); longest > 50*time.Millisecond {
		t.Errorf("an offer took %v", longest)
	}
	r.settled()
	if full, gone := r.dropped(dropQueueFull), r.dropped(dropUnreachable); full == 0 || gone == 0 || full+gone != 500*2000 {
		t.Errorf("%d dropped because the queue was full, %d because nobody answered; want both, 1000000 in all", full, gone)
	}

	// Another daemon starts while it is down.
	later := run(t, testConfig(server.URL, "later"))
	if !later.Offer(group(t, 1, lines(50))) {
		t.Error("refused although the queue has room")
	}
	testenv.Eventually(t, patience, "a log of the outage", func() bool { return strings.Contains(later.log.String(), "connection refused") })

	server.Start()
	r.untilIndexed()
	later.settled()
	if n := later.documents("indexed"); n != 50 {
		t.Errorf("%d indexed, want the 50 that waited", n)
	}
}

// overloaded makes a real server refuse whole requests and single documents.
func overloaded(t *testing.T, server *testenv.ElasticServer) {
	c := testConfig(server.URL, "overloaded")
	c.Senders, c.Retries, c.Bulk, c.Timeout = 4, 2, 3<<20, 30*time.Second
	var all []*running
	for i := range 3 {
		r := run(t, c)
		all = append(all, r)
		for j := range 6 {
			r.Offer(group(t, 10*i+j, lines(6000)))
		}
	}
	indexed, resent, overload, refused, unanswered := 0, 0, 0, 0, 0
	for _, r := range all {
		r.settled()
		indexed += r.documents("indexed") + r.documents("exists")
		resent += r.sum(metricResent, "")
		overload += r.dropped(dropOverloaded)
		refused += r.sum(metricRequests, `status="429"`)
		unanswered += r.sum(metricRequests, `status="error"`)
	}
	t.Logf("%d indexed, %d dropped, %d sent again, %d requests refused as a whole", indexed, overload, resent, refused)
	if resent == 0 || refused == 0 || overload == 0 {
		t.Errorf("the server was not overloaded: %d sent again, %d requests refused, %d dropped", resent, refused, overload)
	}
	// A request that was not answered in time may have worked all the same.
	n := count(t, server, "overloaded", "")
	if n < indexed || (n > indexed && unanswered == 0) {
		t.Errorf("%d documents, %d are counted, %d requests were not answered", n, indexed, unanswered)
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
	c.Retries = 1
	r := run(t, c)
	r.Offer(group(t, 1, lines(10)))
	r.settled()
	settings := server.URL + "/.ds-logs-haproxy.log-readonly-*/_settings"
	block := func(v string) {
		if code := request(t, http.MethodPut, settings, `{"index.blocks.read_only_allow_delete":`+v+`}`, nil); code != 200 {
			t.Fatalf("HTTP %d", code)
		}
	}
	block("true") // as Elasticsearch does when its disk is full
	r.Offer(group(t, 2, lines(20)))
	r.settled()
	if n := r.dropped(dropOverloaded); n != 20 {
		t.Errorf("%d dropped, want 20", n)
	}
	block("null")
	r.Offer(group(t, 2, lines(20)))
	r.settled()
	if n := r.documents("indexed"); n != 30 {
		t.Errorf("%d indexed, want 30", n)
	}
}

func TestStoppingSendsWhatIsQueued(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "drain")
	c.Senders = 1
	r := run(t, c)
	for i := range 4 {
		r.Offer(group(t, i, lines(1000)))
	}
	testenv.Eventually(t, patience, "the template", func() bool { return r.documents("indexed") > 0 })
	r.stop()
	r.settled()
	if n := r.documents("indexed"); n != 4000 {
		t.Errorf("%d indexed, want 4000", n)
	}
	if r.Offer(group(t, 9, lines(5))) || r.dropped(dropShutdown) != 5 {
		t.Error("a stopped sink takes lines, or does not count them")
	}
}

func TestStoppingIsBounded(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "bounded")
	c.Drain, c.Timeout = 200*time.Millisecond, time.Minute
	r := run(t, c)
	r.Offer(group(t, 1, lines(1)))
	r.settled()
	server.Pause()
	defer server.Resume()
	for i := range 5 {
		r.Offer(group(t, i, lines(1000)))
	}
	start := time.Now()
	r.stop()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("stopping took %v, the bound is %v", d, c.Drain)
	}
	r.settled()
	if n := r.dropped(dropShutdown); n != 5000 {
		t.Errorf("%d dropped for the shutdown, want 5000", n)
	}
}
