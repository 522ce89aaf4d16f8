package elastic

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
	"github.com/loghaul/loghaul/sinks"
)

const podPath = "/var/log/pods/edge_lb-0_0a1b/haproxy/0.log"

// contained has what a container wrote: a line in one record, one in three, and
// a line of another format that begins with a variable named as a label.
func contained(t *testing.T, rest bool) *sinks.Group {
	t.Helper()
	line := strings.TrimSuffix(string(lines(1)), "\n")
	const at = "2026-11-23T07:22:00.5Z stdout "
	raw := []byte(at + "F " + line + "\n" + at + "P " + line[:50] + "\n" + at + "P " + line[50:60] + "\n" + at + "F " + line[60:] + "\n" + at + "F of the line 200|x\n")
	labels, err := wire.NewLabels(map[string]string{"cluster": "a\"<é", "zone": ""})
	if err != nil {
		t.Fatal(err)
	}
	other, err := parser.Compile("of the line %ST|%(cluster)[var(txn.x)]")
	if err != nil {
		t.Fatal(err)
	}
	httplog, err := parser.Compile("httplog")
	if err != nil {
		t.Fatal(err)
	}
	e, err := archive.NewEncoder(archive.Options{Formats: []*parser.Format{httplog, other}, Writer: "agg-1", Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 7, 22, 0, 0, time.UTC)
	o, err := e.Encode([]archive.Batch{{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("0c", 12), Node: "lb-1", Path: podPath}, Labels: labels, Rest: rest,
		To: int64(len(raw)), Records: wire.CountRecords(raw), ReadAt: now,
	}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return &sinks.Group{Key: o.Key, Body: o.Body, SHA256: o.SHA256, Lines: o.Lines, RawBytes: o.RawBytes}
}

func TestLabelsAndContainers(t *testing.T) {
	line := strings.TrimSuffix(string(lines(1)), "\n")
	var got [][6]any
	for doc := range bytes.Lines(documents(t, contained(t, false).Body, &Documents{})) {
		if err := sound(bytes.TrimSuffix(doc, []byte("\n"))); err != nil {
			t.Errorf("%v: %s", err, doc)
		}
		var m map[string]any
		if err := json.Unmarshal(doc, &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, [6]any{
			m["message"], m["labels.cluster"], m["labels.zone"],
			m["kubernetes.namespace"], m["kubernetes.pod.name"], m["kubernetes.container.name"],
		})
		if m["stream"] != "stdout" || m["container.id"] != nil {
			t.Errorf("%s", doc)
		}
	}
	want := [][6]any{
		{line, "a\"<é", "", "edge", "lb-0", "haproxy"},
		{line, "a\"<é", "", "edge", "lb-0", "haproxy"},
		{"of the line 200|x", "x", "", "edge", "lb-0", "haproxy"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	doc, _, _ := bytes.Cut(documents(t, contained(t, true).Body, &Documents{}), []byte("\n"))
	if !bytes.Contains(doc, []byte(`"error.message":"the rest of a line that was longer than the forwarder's bound"`)) {
		t.Errorf("the rest of a line: %s", doc)
	}
}

// TestLabelsAreKeywords asks a real server for them, and offers it an object
// that has nothing but losses.
func TestLabelsAreKeywords(t *testing.T) {
	server := servers.Elastic(t)
	r := run(t, testConfig(server.URL, "labels"))
	e, err := archive.NewEncoder(archive.Options{Writer: "agg-1"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := e.Encode([]archive.Batch{{Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("0d", 12), Node: "lb-1", Path: podPath}, To: 10, Lost: "gone", Encoding: wire.Plain, ReadAt: time.UnixMilli(1),
	}}}, time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Offer(&sinks.Group{Key: o.Key, Body: o.Body, SHA256: o.SHA256}) || !r.Offer(contained(t, false)) {
		t.Fatal("the queue is full")
	}
	r.settled()
	if n := r.documents("indexed"); n != 3 {
		t.Fatalf("%d documents are indexed", n)
	}
	for query, want := range map[string]int{
		`labels.cluster:"a\"<é"`: 2, "labels.cluster:x": 1, "labels.zone:*": 3, "kubernetes.namespace:edge": 3,
		"kubernetes.pod.name:lb-0": 3, "kubernetes.container.name:haproxy": 3, "kubernetes.pod.name:lb": 0,
	} {
		if n := count(t, server, "labels", url.QueryEscape(query)); n != want {
			t.Errorf("%s: %d documents, want %d", query, n, want)
		}
	}
	var mapping map[string]struct {
		Mappings struct {
			Properties struct {
				Labels struct {
					Properties map[string]struct{ Type string }
				}
			}
		}
	}
	request(t, "GET", server.URL+"/logs-haproxy.log-labels/_mapping", "", &mapping)
	for index, m := range mapping {
		for _, name := range []string{"cluster", "zone"} {
			if got := m.Mappings.Properties.Labels.Properties[name].Type; got != "keyword" {
				t.Errorf("%s: labels.%s is a %q", index, name, got)
			}
		}
	}
	if len(mapping) != 1 {
		t.Errorf("%d indices", len(mapping))
	}
}
