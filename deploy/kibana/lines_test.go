package kibana

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/elastic"
)

// fields are those of one line, by the names that panels use. They are taken
// from what the parser says, and not from the document.
type fields map[string]any

// corpus reads a file of lines that HAProxy wrote.
func corpus(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(testenv.Root(t), "testdata", "corpus", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// groups archives real lines of two nodes, and some that match no format.
func groups(t *testing.T) (all []*sinks.Group) {
	t.Helper()
	// The corpus was made in a hurry: nothing in it is slow, or waits for one server.
	more := []byte("no line of HAProxy's\nnor is this\n\n" +
		`203.0.113.7:40001 [23/Nov/2026:06:58:59.123] fe be_slow/s1 0/1500/1/2500/4001 200 17 - - ---- 1/1/1/1/+3 2/5 "GET /slow?x HTTP/1.1"` + "\n" +
		`203.0.113.7:40002 [23/Nov/2026:06:59:59.456] fe be_slow/s1 0/900/-1/-1/901 503 217 - - sC-- 1/1/1/1/3 1/0 "GET /slow HTTP/1.1"` + "\n")
	for i, raw := range [][]byte{append(corpus(t, "http/httplog.log.gz"), more...), corpus(t, "tcp/tcplog.log")} {
		o := archive.Options{Formats: archivetest.Formats(t, "httplog", "tcplog"), Writer: "agg-1", CreatedBy: "test"}
		at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
		all = append(all, archivetest.Group(t, o, at.Add(time.Second), archive.Batch{Raw: raw, Header: wire.Header{
			Source: wire.Source{ID: fmt.Sprintf("%024x", i+1), Node: fmt.Sprintf("lb-%d", i+1), Path: "/var/log/haproxy.log"},
			To:     int64(len(raw)), Records: wire.CountRecords(raw), CRC: wire.Checksum(raw), ReadAt: at,
		}}))
	}
	return all
}

// shared is what the tests ask about: indexed once, and then only read.
var shared struct {
	sync.Mutex
	groups []*sinks.Group
	lines  []fields
}

// real is the namespace of the real lines.
const real = "real"

// indexed gives the server that has the real lines, their groups, and what the
// parser says of each line.
func indexed(t *testing.T) (url string, all []*sinks.Group, lines []fields) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	url = servers.Elastic(t).URL
	if shared.groups == nil {
		all := groups(t)
		index(t, url, real, all)
		shared.groups, shared.lines = all, counted(t, all)
	}
	return url, shared.groups, shared.lines
}

// index sends groups as an aggregator does.
func index(t *testing.T, url, namespace string, all []*sinks.Group) {
	t.Helper()
	var log bytes.Buffer
	cfg := elastic.DefaultConfig()
	cfg.URL, cfg.Namespace, cfg.Timeout, cfg.Drain = url, namespace, time.Minute, time.Minute
	counters := metrics.New(elastic.Metrics()...)
	sink, err := elastic.New(cfg, elastic.Deps{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Metrics: counters,
		Gap: func(g elastic.Gap) { t.Errorf("not indexed: %+v", g) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	for _, g := range all {
		if !sink.Offer(g) {
			t.Fatal("the queue is full")
		}
	}
	done := make(chan error, 1)
	go func() { done <- sink.Run(ctx) }()
	want := 0
	for _, g := range all {
		want += g.Lines
	}
	testenv.Eventually(t, 2*time.Minute, "all documents", func() bool {
		var text bytes.Buffer
		return counters.WritePrometheus(&text) == nil &&
			strings.Contains(text.String(), fmt.Sprintf("loghaul_index_documents_total{result=\"indexed\"} %d\n", want))
	})
	stop()
	if err := <-done; err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	request(t, "POST", url+"/"+stream(namespace)+"/_refresh", nil, nil)
}

func stream(namespace string) string { return strings.TrimSuffix(pattern, "*") + namespace }

// counted gives the fields of every line of the groups.
func counted(t *testing.T, all []*sinks.Group) (lines []fields) {
	t.Helper()
	for _, g := range all {
		r, err := archive.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Rows(func(row *archive.Row) error {
			lines = append(lines, fieldsOf(row))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func fieldsOf(row *archive.Row) fields {
	f := fields{"@timestamp": row.At(), host: row.Source.Node, "event.kind": "event"}
	if row.Record == nil {
		f["event.kind"] = "pipeline_error"
		return f
	}
	numbers := map[string]string{
		"ST": status, "B": sent, "rc": retries, "sq": "haproxy.server_queue", "bq": "haproxy.backend_queue", "Tw": queueing,
		"TR": "haproxy.http.request.time_wait_ms", "Tc": "haproxy.connection_wait_time_ms", "Tr": "haproxy.http.request.time_wait_without_data_ms",
	}
	texts := map[string]string{"f": frontend, "ci": client, "b": backend, "s": server, "tsc": state, "ts": state}
	for i, field := range row.Record.Format.Fields() {
		v := &row.Record.Values[i]
		if v.State&parser.Present == 0 {
			continue
		}
		if name := numbers[field.Alias]; name != "" {
			f[name] = v.Int
		}
		if name := texts[field.Alias]; name != "" {
			f[name] = string(v.Text)
		}
		switch field.Alias {
		case "ft":
			f[frontend] = strings.TrimSuffix(string(v.Text), "~")
		case "rc":
			if v.State&parser.Plus != 0 {
				f["haproxy.redispatched"] = true
			}
		case "Ta", "Tt":
			if v.Int >= 0 {
				f[duration] = v.Int * int64(time.Millisecond)
			}
		case "r":
			if _, path, _, _, _, ok := parser.SplitRequest(v.Text); ok {
				f["url.path"] = pathOf(string(path))
			}
		}
	}
	return f
}

// pathOf takes scheme and host off a path that is an absolute URL.
func pathOf(path string) string {
	rest, ok := strings.CutPrefix(path, "http://")
	if !ok {
		if rest, ok = strings.CutPrefix(path, "https://"); !ok {
			return path
		}
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// holds is what a filter means.
func (f Filter) holds(line fields) bool {
	v, there := line[f.Field]
	number, _ := v.(int64)
	switch f.Op {
	case "":
		return true
	case OpIs:
		for _, want := range f.Values {
			if there && fmt.Sprint(want) == fmt.Sprint(v) {
				return true
			}
		}
		return false
	case OpPrefix:
		for _, want := range f.Values {
			if there && strings.HasPrefix(fmt.Sprint(v), fmt.Sprint(want)) {
				return true
			}
		}
		return false
	case OpExists:
		return there
	case OpAtLeast, OpBelow:
		bound, _ := f.Values[0].(int)
		return there && (number >= int64(bound)) == (f.Op == OpAtLeast)
	case OpNot:
		return !f.Of[0].holds(line)
	}
	for _, o := range f.Of {
		if o.holds(line) == (f.Op == OpAny) {
			return f.Op == OpAny
		}
	}
	return f.Op == OpAll
}

// query is what Kibana makes of the filter's KQL.
func (f Filter) query() map[string]any {
	either := func(queries ...map[string]any) map[string]any {
		return map[string]any{"bool": map[string]any{"should": queries, "minimum_should_match": 1}}
	}
	var queries []map[string]any
	switch f.Op {
	case "":
		return map[string]any{"match_all": map[string]any{}}
	case OpIs:
		for _, v := range f.Values {
			kind := "match"
			if _, ok := v.(string); ok {
				kind = "match_phrase"
			}
			queries = append(queries, map[string]any{kind: map[string]any{f.Field: v}})
		}
		return either(queries...)
	case OpPrefix:
		for _, v := range f.Values {
			text := strings.ReplaceAll(fmt.Sprint(v), "-", `\-`) + "*"
			queries = append(queries, map[string]any{"query_string": map[string]any{"fields": []string{f.Field}, "query": text}})
		}
		return either(queries...)
	case OpExists:
		return either(map[string]any{"exists": map[string]any{"field": f.Field}})
	case OpAtLeast:
		return either(map[string]any{"range": map[string]any{f.Field: map[string]any{"gte": f.Values[0]}}})
	case OpBelow:
		return either(map[string]any{"range": map[string]any{f.Field: map[string]any{"lt": f.Values[0]}}})
	case OpNot:
		return map[string]any{"bool": map[string]any{"must_not": f.Of[0].query()}}
	}
	for _, o := range f.Of {
		queries = append(queries, o.query())
	}
	if f.Op == OpAny {
		return either(queries...)
	}
	return map[string]any{"bool": map[string]any{"filter": queries}}
}
