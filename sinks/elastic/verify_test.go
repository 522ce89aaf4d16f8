package elastic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit/indexed"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// hourly are lines of an hour of 23 November 2026.
func hourly(n, hour int) []byte {
	return bytes.ReplaceAll(elastic.Lines(n), []byte("2026:07:"), fmt.Appendf(nil, "2026:%02d:", hour))
}

// compared is an archive and a data stream that should have the same.
type compared struct {
	t      *testing.T
	server *testenv.ElasticServer
	cfg    elastic.Config
	store  objectstore.Store
	ledger *gaps.Ledger
}

func (c *compared) archive(groups ...*sinks.Group) {
	c.t.Helper()
	for _, g := range groups {
		if err := c.store.Write(c.t.Context(), g); err != nil {
			c.t.Fatal(err)
		}
	}
}

// verify gives the report and the differences, without what they say.
func (c *compared) verify(from, to time.Time) (indexed.Report, []indexed.Difference, string) {
	c.t.Helper()
	server, err := elastic.Connect(c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	defer server.Close()
	warn := func(err error) { c.t.Error(err) }
	ledger, err := indexed.ReadLedger(c.t.Context(), c.ledger, warn)
	if err != nil {
		c.t.Fatal(err)
	}
	if !server.Refresh(c.t.Context()) {
		c.t.Fatal("no refresh")
	}
	var all []indexed.Difference
	var why strings.Builder
	report, err := indexed.Verify(c.t.Context(), indexed.Options{
		Archive: c.store, Index: server.Counts(from, to), From: from, To: to, Leave: server.Leave(), Ledger: ledger, Warn: warn,
		Difference: func(d indexed.Difference) error {
			fmt.Fprintln(&why, d.Why)
			d.Why = ""
			all = append(all, d)
			return nil
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return report, all, why.String()
}

// ask sends a request and decodes the answer.
func (c *compared) ask(method, path, body string, into any) {
	c.t.Helper()
	// The server refuses what is too much for it, and it is made to be easily so.
	testenv.Eventually(c.t, time.Minute, method+" "+path, func() bool {
		req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			c.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && into != nil {
			err = json.Unmarshal(text, into)
		}
		if resp.StatusCode == http.StatusTooManyRequests {
			return false
		}
		if err != nil || resp.StatusCode >= 300 {
			c.t.Fatalf("%s %s: HTTP %d, %v: %s", method, path, resp.StatusCode, err, text)
		}
		return true
	})
}

// remove deletes the documents that a query finds from their index.
func (c *compared) remove(query string) (n int) {
	c.t.Helper()
	var found struct {
		Hits struct {
			Hits []struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	c.ask(http.MethodPost, "/"+c.cfg.Stream()+"/_refresh", "", nil)
	c.ask(http.MethodGet, "/"+c.cfg.Stream()+"/_search?size=1000&_source=false&q="+query, "", &found)
	for _, h := range found.Hits.Hits {
		c.ask(http.MethodDelete, "/"+h.Index+"/_doc/"+h.ID, "", nil)
	}
	return len(found.Hits.Hits)
}

func TestIndexVerify(t *testing.T) { verifies(t, elastic.SharedServer(t)) }

// verifies compares an archive of three sources and four hours with its index,
// and then with one that lacks something and has too much of another.
func verifies(t *testing.T, server *testenv.ElasticServer) {
	store, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &compared{t: t, server: server, cfg: elastic.ConfigOf(server.URL, "verify"), store: store}
	c.ledger = gaps.New(backfill.LedgerStore{Store: store}, c.cfg.Stream())
	hour := func(h int) time.Time { return time.Date(2026, 11, 23, h, 0, 0, 0, time.UTC) }
	a, b := elastic.Group(t, 1, append(hourly(1000, 7), hourly(500, 8)...)), elastic.Group(t, 2, hourly(700, 8))
	odd := elastic.Group(t, 3, append(hourly(300, 10), "this has no format\n"...))
	again := elastic.Group(t, 1, append(hourly(1000, 7), hourly(800, 8)...)) // a's lines, and more
	all := []*sinks.Group{a, b, odd, again}
	c.archive(all...)
	elastic.Indexed(t, c.cfg, all...)

	report, differences, _ := c.verify(time.Time{}, time.Time{})
	want := indexed.Report{Archived: 2801, Indexed: 2801, Compared: 5}
	report.Read.Pruned = nil
	read := report.Read
	if report.Read = want.Read; !cmp.Equal(report, want) || len(differences) > 0 {
		t.Fatalf("an index that has everything: %+v, %v", report, differences)
	}
	if read.Duplicates != 1500 || read.Scanned != 4 {
		t.Errorf("read: %+v", read)
	}
	if report, differences, _ = c.verify(hour(8), hour(9)); report.Archived != 1500 || report.Indexed != 1500 || len(differences) > 0 {
		t.Errorf("one hour: %+v, %v", report, differences)
	}

	// Ten documents of source 1 at 7 o'clock, those of source 3, and foreign ones.
	id := func(n int) string { return fmt.Sprintf("%024x", n) }
	if n := c.remove("loghaul.source:" + id(1) + "%20AND%20log.offset:<2000%20AND%20@timestamp:<2026-11-23T08"); n == 0 || n > 20 {
		t.Fatalf("%d documents are deleted", n)
	}
	gone := c.remove("loghaul.source:" + id(3))
	c.ask(http.MethodPost, "/"+c.cfg.Stream()+"/_doc?refresh=true", `{"@timestamp":"2026-11-23T06:30:00Z","message":"foreign"}`, nil)
	c.ask(http.MethodPost, "/"+c.cfg.Stream()+"/_doc?refresh=true", `{"@timestamp":"2026-11-23T08:30:00Z","host.name":"lb-1","loghaul.source":"`+id(2)+`"}`, nil)
	// The ledger knows of source 3, but for the last line.
	var set gaps.Set
	if err := set.Add(gaps.Gap{Key: odd.Key, Rows: gaps.Span{First: 0, Last: gone - 2}, Lines: gone - 1, Reason: "queue_full"}, hour(11)); err != nil {
		t.Fatal(err)
	}
	writeLedger(t, c.ledger, &set, hour(11))

	_, differences, why := c.verify(time.Time{}, time.Time{})
	path := "/var/log/haproxy.log"
	removed := differences[1].Missing
	expect := []indexed.Difference{
		{Hour: hour(6), Indexed: 1, Extra: 1},
		{Hour: hour(7), Node: "lb-1", Source: id(1), Path: path, Archived: 1001 - 1, Indexed: 1000 - removed, Missing: removed},
		{Hour: hour(7), Node: "lb-1", Source: id(3), Path: path, Archived: 1, Missing: 1},
		{Hour: hour(8), Node: "lb-1", Source: id(2), Path: path, Archived: 700, Indexed: 701, Extra: 1},
		{Hour: hour(10), Node: "lb-1", Source: id(3), Path: path, Archived: 300, Missing: 300, Known: 300},
	}
	if diff := cmp.Diff(expect, differences); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lines := strings.Split(why, "\n"); len(lines) != 6 || lines[0] != "loghaul has not written them" || !strings.HasPrefix(lines[1], "not in the gap ledger") ||
		!strings.HasPrefix(lines[2], "not in the gap ledger") || !strings.Contains(lines[3], "expired there, or of another archive") || !strings.HasPrefix(lines[4], "in the gap ledger") {
		t.Errorf("the causes:\n%s", why)
	}
}

// TestIndexVerifyKnowsRules: lines that rules leave out are not missing; those
// that were indexed before there were rules are extra, and why is said.
func TestIndexVerifyKnowsRules(t *testing.T) {
	server := elastic.SharedServer(t)
	store, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &compared{t: t, server: server, cfg: elastic.ConfigOf(server.URL, "verifyrules"), store: store}
	c.ledger = gaps.New(backfill.LedgerStore{Store: store}, c.cfg.Stream())
	g := elastic.Group(t, 1, hourly(1000, 7))
	c.archive(g)
	c.cfg.Rules = []elastic.Rule{{Name: "errors-only", When: "ST<400", Skip: true}}
	elastic.Indexed(t, c.cfg, g)
	if report, differences, _ := c.verify(time.Time{}, time.Time{}); report.Archived != 500 || report.Excluded != 500 || len(differences) > 0 {
		t.Errorf("%+v, %v", report, differences)
	}
	rules := c.cfg.Rules
	c.cfg.Rules = nil
	elastic.Indexed(t, c.cfg, g) // the others too
	c.cfg.Rules = rules
	_, differences, why := c.verify(time.Time{}, time.Time{})
	if len(differences) != 1 || differences[0].Extra != 500 || differences[0].Excluded != 500 || !strings.Contains(why, "rules leave lines out now") {
		t.Errorf("%v: %s", differences, why)
	}
}

func TestCountsOfNothing(t *testing.T) {
	server := elastic.SharedServer(t)
	s, err := elastic.Connect(elastic.ConfigOf(server.URL, "nothing"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Counts(time.Time{}, time.Time{}).Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("error %v of a data stream that is not there", err)
	}
	gone, err := elastic.Connect(elastic.ConfigOf("http://127.0.0.1:9", "nothing"))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	if _, err := gone.Counts(time.Time{}, time.Time{}).Next(t.Context()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v without a server", err)
	}
}

// writeLedger writes all of a set.
func writeLedger(t *testing.T, l *gaps.Ledger, set *gaps.Set, made time.Time) {
	t.Helper()
	for _, slot := range set.Slots() {
		if _, err := l.Write(t.Context(), slot, set.Entries(slot), made); err != nil {
			t.Fatal(err)
		}
	}
}
