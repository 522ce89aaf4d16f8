package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// noteGap writes the first two rows of the archive's first object into its ledger.
func noteGap(t *testing.T, archiveURL string) {
	t.Helper()
	store, err := objectstore.Open(t.Context(), archiveURL, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ledger := gaps.New(backfill.LedgerStore{Store: store}, "logs-haproxy.log-default")
	objects, err := ledger.Objects(t.Context(), "agg-1", time.Unix(1_800_000_000, 0), time.Unix(1_800_000_001, 0))
	if err != nil || len(objects) == 0 {
		t.Fatal(objects, err)
	}
	info, err := archive.ParseKey(objects[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	entry := gaps.Entry{Key: objects[0].Key, Rows: []gaps.Span{{First: 0, Last: 1}}, Lines: 2, Reason: "queue_full", At: time.Now().UnixMilli()}
	if _, err := ledger.Write(t.Context(), gaps.SlotOf(info, entry.Reason), []gaps.Entry{entry}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// TestBackfillCommand: output and exit codes; what it indexes is tested against a real
// server in backfill.
func TestBackfillCommand(t *testing.T) {
	archiveURL := demoArchive(t, 1)
	noteGap(t, archiveURL)
	// It takes every document.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		answer := `{"version":{"number":"8.19.4"},"acknowledged":true,"index_templates":[],"hits":{"hits":[]}}`
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			n := strings.Count(string(body), "\n") / 2
			answer = `{"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ",") + `]}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	for _, c := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{[]string{"--dry-run"}, exitDone, "queue_full 2", ""},
		{[]string{"--index", "http://127.0.0.1:9"}, exitFailed, "", "nothing listens there"},
		{[]string{"--dry-run", "--output", "json"}, exitDone, `"queue_full":2`, ""},
		{[]string{"--index", srv.URL}, exitDone, "2 lines in 1 gaps of 1 files: 2 indexed", ""},
		{[]string{"--index", srv.URL, "--output", "json"}, exitDone, `"indexed":0`, ""},
		{[]string{"--index", srv.URL, "--from", "2020-01-01"}, exitDone, "nothing is missing any more", ""},
	} {
		code, out, errs := call(t, append([]string{"backfill", "--archive", archiveURL}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, out, errs)
		}
		if c.code == exitDone && strings.Contains(strings.Join(c.args, " "), "json") && !json.Valid([]byte(out)) {
			t.Errorf("%v: %s", c.args, out)
		}
	}
}
