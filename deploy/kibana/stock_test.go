package kibana

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// located are documents of clients whose place is known, by country.
func located(t *testing.T, url, namespace string) (clients map[string][]string) {
	t.Helper()
	clients = map[string][]string{"DE": {"203.0.113.1", "203.0.113.2"}, "JP": {"203.0.113.3"}}
	places := map[string]string{"DE": `{"lat":52.5,"lon":13.4}`, "JP": `{"lat":35.7,"lon":139.7}`}
	var body strings.Builder
	for country, addresses := range clients {
		for i, address := range addresses {
			for j, code := range []int{200, 404, 503} {
				fmt.Fprintf(&body, "{\"create\":{\"_id\":\"%s-%d-%d\"}}\n", country, i, j)
				fmt.Fprintf(&body, `{"@timestamp":"2026-11-23T07:00:0%d.000Z","data_stream.type":"logs","data_stream.dataset":"haproxy.log","data_stream.namespace":"%s","source.address":"%s",`+
					`"source.geo.location":%s,"source.geo.country_iso_code":"%s","haproxy.backend_name":"be","haproxy.frontend_name":"fe","http.response.status_code":%d}`+"\n",
					j, namespace, address, places[country], country, code)
			}
		}
	}
	var answer struct{ Errors bool }
	request(t, "POST", url+"/"+stream(namespace)+"/_bulk?refresh=true", body.String(), &answer)
	if answer.Errors {
		t.Fatal("a document is rejected")
	}
	return clients
}

// TestStockDashboardFindsItsFields asks what the four panels of Elastic's own
// dashboard for this integration ask, "[Logs HAProxy] Overview", on real lines and
// on documents with a place.
func TestStockDashboardFindsItsFields(t *testing.T) {
	url, _, lines := indexed(t)
	const placed, places = "placed", 9
	clients := located(t, url, placed)
	count := func(f Filter) (n int) {
		for _, l := range lines {
			if f.holds(l) {
				n++
			}
		}
		return n
	}
	var answer struct {
		Hits         struct{ Total struct{ Value int } }
		Aggregations struct {
			Backends, Frontends, Codes, Tiles struct {
				Buckets []struct {
					Key     any
					Count   int `json:"doc_count"`
					Clients struct{ Value int }
					Time    struct {
						Buckets []struct {
							Count int `json:"doc_count"`
						}
					}
				}
			}
		}
	}
	request(t, "POST", url+"/"+stream(real)+","+stream(placed)+"/_search", `{"size":0,"track_total_hits":true,"query":{"match_phrase":{"data_stream.dataset":"haproxy.log"}},"aggs":{
		"backends":{"terms":{"field":"haproxy.backend_name","size":5,"order":{"_count":"desc"}}},
		"frontends":{"terms":{"field":"haproxy.frontend_name","size":5,"order":{"_count":"desc"}}},
		"codes":{"terms":{"field":"http.response.status_code","size":100},"aggs":{"time":{"date_histogram":{"field":"@timestamp","fixed_interval":"30s","min_doc_count":1}}}},
		"tiles":{"geotile_grid":{"field":"source.geo.location","precision":4},"aggs":{"clients":{"cardinality":{"field":"source.address"}}}}}}`, &answer)
	if n := answer.Hits.Total.Value; n != len(lines)+places {
		t.Errorf("%d documents have the dataset, want %d", n, len(lines)+places)
	}
	a := &answer.Aggregations
	for field, buckets := range map[string]int{backend: len(a.Backends.Buckets), frontend: len(a.Frontends.Buckets)} {
		if buckets != 5 {
			t.Errorf("%s: %d buckets", field, buckets)
		}
	}
	for _, b := range a.Backends.Buckets {
		if want := count(is(backend, b.Key)); b.Count != want {
			t.Errorf("backend %v: %d documents, %d lines", b.Key, b.Count, want)
		}
	}
	for _, b := range a.Frontends.Buckets {
		if want := count(is(frontend, b.Key)); b.Count != want {
			t.Errorf("frontend %v: %d documents, %d lines", b.Key, b.Count, want)
		}
	}
	for _, b := range a.Codes.Buckets {
		want, over := count(is(status, b.Key)), 0
		if b.Key == 200.0 || b.Key == 404.0 || b.Key == 503.0 {
			want += places / 3
		}
		for _, time := range b.Time.Buckets {
			over += time.Count
		}
		if b.Count != want || over != want {
			t.Errorf("status %v: %d documents, %d over time, %d lines", b.Key, b.Count, over, want)
		}
	}
	if len(a.Codes.Buckets) < 10 {
		t.Errorf("%d statuses", len(a.Codes.Buckets))
	}
	different := 0
	for _, b := range a.Tiles.Buckets {
		different += b.Clients.Value
	}
	if len(a.Tiles.Buckets) != len(clients) || different != 3 {
		t.Errorf("the map: %+v", a.Tiles.Buckets)
	}
	// Our own panel of the same.
	for _, p := range Panels() {
		if p.ID != "countries" {
			continue
		}
		got := p.ask(t, url, placed)
		if len(got.parts) != 2 || got.parts[0].key != "DE" || fmt.Sprint(got.parts[0].metrics, got.parts[1].metrics) != "[6 2 2 2] [3 1 1 1]" {
			t.Errorf("countries: %+v", got.parts)
		}
	}
}

// TestADocumentLeadsToItsBytes goes the way from a document in Kibana to what
// HAProxy wrote.
func TestADocumentLeadsToItsBytes(t *testing.T) {
	url, all, _ := indexed(t)
	store, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if err := store.Write(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				Source struct {
					Message string
				} `json:"_source"`
				Fields map[string][]any
			}
		}
	}
	// What the script of the data view's field reads: it cannot be run here.
	request(t, "POST", url+"/"+stream(real)+"/_search", map[string]any{
		"size": 100, "query": map[string]any{"match_all": map[string]any{}}, "sort": []any{map[string]any{"loghaul.archive.row": "desc"}},
		"docvalue_fields": []string{"loghaul.archive.key", "loghaul.archive.row"},
	}, &answer)
	if len(answer.Hits.Hits) != 100 {
		t.Fatalf("%d documents", len(answer.Hits.Hits))
	}
	for _, hit := range answer.Hits.Hits {
		ref, err := audit.ParseRef(fmt.Sprintf("%s#%v", hit.Fields["loghaul.archive.key"][0], hit.Fields["loghaul.archive.row"][0]))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := audit.CatRefs(t.Context(), store, &got, []audit.Ref{ref}, false); err != nil || got.String() != hit.Source.Message+"\n" {
			t.Fatalf("%s: %q, the document has %q: %v", ref, got.String(), hit.Source.Message, err)
		}
	}
}
