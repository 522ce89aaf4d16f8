package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// countingIndex answers as Elasticsearch to what index verify asks: the archive's
// own counts, changed by change.
func countingIndex(t *testing.T, archiveURL string, change func(n int64) int64) string {
	t.Helper()
	store, err := objectstore.Open(t.Context(), archiveURL, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var buckets []string
	_, err = audit.Hours(t.Context(), store, audit.HoursOptions{Warn: func(err error) { t.Error(err) }}, func(n audit.HourCount) error {
		buckets = append(buckets, fmt.Sprintf(`{"key":{"hour":%d,"node":%q,"source":%q},"doc_count":%d}`, n.Hour.UnixMilli(), n.Node, n.Source, change(n.Lines)))
		return nil
	})
	if err != nil || len(buckets) == 0 {
		t.Fatalf("%d counts, %v", len(buckets), err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		if strings.HasSuffix(r.URL.Path, "/_search") {
			fmt.Fprintf(w, `{"timed_out":false,"_shards":{"failed":0},"aggregations":{"by":{"buckets":[%s]}}}`, strings.Join(buckets, ","))
			return
		}
		_, _ = io.WriteString(w, `{"version":{"number":"8.19.4"}}`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestIndexVerify: output and exit codes; what it compares is tested against real
// servers in sinks/elastic.
func TestIndexVerify(t *testing.T) {
	archiveURL := demoArchive(t, 1)
	same := countingIndex(t, archiveURL, func(n int64) int64 { return n })
	code, out, errs := call(t, "index", "verify", "--archive", archiveURL, "--index", same)
	if code != exitDone || errs != "" || !strings.HasSuffix(out, "the index has what the archive has.\n") || strings.Count(out, "\n") != 1 {
		t.Errorf("exit code %d, %s%s", code, errs, out)
	}
	fewer := countingIndex(t, archiveURL, func(n int64) int64 { return n - 7 })
	code, out, errs = call(t, "index", "verify", "--archive", archiveURL, "--index", fewer)
	if code != exitDifference || errs != "" || !strings.Contains(out, "MISSING") || !strings.Contains(out, strings.Repeat("0a", 12)) || !strings.Contains(out, "7 missing (0 in the gap ledger), 0 extra") {
		t.Errorf("exit code %d, %s%s", code, errs, out)
	}
	code, out, _ = call(t, "index", "verify", "--archive", archiveURL, "--index", fewer, "--output", "json")
	var last struct {
		Total struct{ Missing, Differences int64 }
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || code != exitDifference || last.Total.Missing != 7*last.Total.Differences || int(last.Total.Differences) != len(lines)-1 {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
	if code, _, errs := call(t, "index", "verify", "--archive", archiveURL, "--index", "http://127.0.0.1:9"); code != exitFailed || !strings.Contains(errs, "nothing listens there") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestIndexSetup(t *testing.T) {
	code, role, errs := call(t, "index", "setup", "--print-role")
	deployed, err := os.ReadFile("../../deploy/elasticsearch/role.json")
	if err != nil || code != exitDone || errs != "" || role != string(deployed) {
		t.Errorf("exit code %d, %s, %v: %s", code, errs, err, role)
	}
	code, template, errs := call(t, "index", "setup", "--print")
	if !json.Valid([]byte(template)) || code != exitDone || errs != "" || template != string(elastic.DefaultConfig().IndexTemplate("")) {
		t.Errorf("exit code %d, %s: %s", code, errs, template)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "say which index"},
		{[]string{"--index", "localhost:9200"}, exitUsage, "index.url: want http://host:port"},
		{[]string{"--index", "http://127.0.0.1:9", "--namespace", "a-b"}, exitUsage, "index.namespace"},
		{[]string{"--index", "http://127.0.0.1:9", "--ca", "nowhere.pem"}, exitUsage, "nowhere.pem"},
		{[]string{"--config", "nowhere.yaml"}, exitUsage, "nowhere.yaml"},
		{[]string{"--print", "--print-role"}, exitUsage, "keep one of the two"},
		{[]string{"--indx", "x"}, exitUsage, "did you mean --index?"},
		{[]string{"--index", "http://127.0.0.1:9"}, exitFailed, "the index is not set up"},
	} {
		code, out, errs := call(t, append([]string{"index", "setup"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, want %d: %s%s", c.args, code, c.code, errs, out)
		}
	}
}
