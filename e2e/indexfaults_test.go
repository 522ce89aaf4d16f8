package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIndexIsMadeWhole is promise 2 with its second half: the index has every
// kind of trouble while lines flow, the archive does not notice, and afterwards
// the documents are the archive's lines, one to one. Most of the time is
// waiting, so the scenarios run at the same time: those of one data stream, or of
// the way to it, share a server; those of a whole server follow one another.
func TestIndexIsMadeWhole(t *testing.T) {
	shared := servers.Elastic(t)
	var all sync.WaitGroup // t.Parallel runs no more of them at once than there are cores
	for name, scenario := range map[string]func(*testing.T, settings){
		"read-only":            readOnly,
		"mapping conflict":     mappingConflict,
		"half the shards gone": halfTheShards,
		"slow network":         slowNetwork,
		"aggregators killed":   aggregatorsKilled,
		"an hour dropped":      hourDropped,
	} {
		all.Go(func() {
			t.Run(name, func(t *testing.T) { scenario(t, settings{elastic: shared, index: quick}) })
		})
	}
	all.Go(func() { t.Run("wrong credentials", wrongCredentials) })
	all.Go(func() { t.Run("server", serverFaults) })
	all.Wait()
}

// readOnly is what Elasticsearch does to its indices when its disk is full.
func readOnly(t *testing.T, s settings) {
	o := newOutage(t, s, byItself)
	o.want(http.MethodPut, "/"+o.stream()+"/_settings", `{"index.blocks.read_only_allow_delete":true}`)
	o.awaitDropped(1, `reason="overloaded"`)
	o.want(http.MethodPut, "/"+o.stream()+"/_settings", `{"index.blocks.read_only_allow_delete":null}`)
	o.over()
	o.finish(1)
}

// mappingConflict: somebody's template gives a field another type, so that many
// of the lines are rejected for what they hold. The template is put right, the
// data stream gets another backing index, and the rejected lines go there.
func mappingConflict(t *testing.T, s settings) {
	o := newOutage(t, s, byCommand)
	wrong := o.template(map[string]any{"mappings": map[string]any{"properties": map[string]any{
		"source": map[string]any{"properties": map[string]any{"port": map[string]any{"type": "byte"}}},
	}}})
	o.rollover()
	eventually(t, healLimit, "rejected lines", func() bool { return o.index("loghaul_index_rejected_lines_total") >= 1000 })
	o.want(http.MethodDelete, "/_index_template/"+wrong, "")
	o.rollover()
	o.over()
	o.finish(1000)
}

// halfTheShards: one of two primaries is not there. Bulk requests wait for it,
// and what belongs to the other one is indexed all the same.
func halfTheShards(t *testing.T, s settings) {
	o := newOutage(t, s, byCommand)
	name := o.template(map[string]any{"settings": map[string]any{"index": map[string]any{
		"number_of_shards": 2, "routing": map[string]any{"allocation": map[string]any{"total_shards_per_node": 1}},
	}}})
	o.rollover()
	o.awaitDropped(500)
	o.want(http.MethodDelete, "/_index_template/"+name, "")
	o.want(http.MethodPut, "/"+o.stream()+"/_settings", `{"index.routing.allocation.total_shards_per_node":null}`)
	o.over()
	o.finish(500)
}

// slowNetwork: a byte a second arrives.
func slowNetwork(t *testing.T, s settings) {
	proxy := newTCPProxy(t, strings.TrimPrefix(s.elastic.URL, "http://"))
	s.indexURL, s.index = "http://"+proxy.Addr, hasty
	o := newOutage(t, s, byItself)
	proxy.Set(crawl)
	o.awaitDropped(1000)
	proxy.Set(freely)
	o.over()
	o.finish(1000)
}

// aggregatorsKilled: what was archived and acknowledged waits in the queues of
// two aggregators when they are killed. Nobody has told anybody of it.
func aggregatorsKilled(t *testing.T, s settings) {
	proxy := newTCPProxy(t, strings.TrimPrefix(s.elastic.URL, "http://"))
	s.indexURL, s.index = "http://"+proxy.Addr, "timeout: 1m, wait: 5m"
	o := newOutage(t, s, byCommand)
	proxy.Set(held)
	var waiting float64
	eventually(t, healLimit, "lines that wait in both queues", func() bool {
		waiting = o.index("loghaul_index_offered_lines_total") - o.index("loghaul_index_documents_total")
		return o.agg[0].metric("loghaul_index_queue_bytes") > 0 && o.agg[1].metric("loghaul_index_queue_bytes") > 0 && waiting > 2000
	})
	for _, a := range o.agg {
		a.Kill()
	}
	proxy.Cut() // the requests that were under way are gone as well
	for _, a := range o.agg {
		a.Start()
	}
	eventually(t, healLimit, fmt.Sprintf("the %v lines that waited are known as gaps", waiting), func() bool {
		return float64(o.ledger()) >= waiting
	})
	o.killed = true
	proxy.Mend()
	o.over()
	o.finish(0)
}

// hourDropped: nobody answers during an hour of traffic, which goes by faster
// here, and the command makes all of it good.
func hourDropped(t *testing.T, s settings) {
	proxy := newTCPProxy(t, strings.TrimPrefix(s.elastic.URL, "http://"))
	s.indexURL = "http://" + proxy.Addr
	const lines = 10_000
	o := newOutageOf(t, s, byCommand, time.Hour/lines, 0)
	proxy.Cut()
	o.lines.Allow(lines)
	o.awaitDropped(lines)
	proxy.Mend()
	o.over()
	o.finish(lines)
}

// want asks Elasticsearch for what has to succeed.
func (o *outage) want(method, path, body string) {
	o.t.Helper()
	o.api().want(method, path, body, nil)
}

// rollover gives the data stream another backing index, made by the templates
// of now.
func (o *outage) rollover() {
	o.t.Helper()
	o.want(http.MethodPost, "/"+o.stream()+"/_rollover?wait_for_active_shards=0", "")
}

// template puts a changed copy of our template before it, for this data stream
// alone, and gives its name.
func (o *outage) template(change map[string]any) string {
	o.t.Helper()
	var got struct {
		Templates []struct {
			Template map[string]any `json:"index_template"`
		} `json:"index_templates"`
	}
	o.api().want(http.MethodGet, "/_index_template/loghaul-haproxy", "", &got)
	if len(got.Templates) != 1 {
		o.t.Fatal("the index template is not there")
	}
	own := got.Templates[0].Template
	merge(own, map[string]any{"index_patterns": []string{o.stream()}, "priority": 400, "template": change})
	text, err := json.Marshal(own)
	if err != nil {
		o.t.Fatal(err)
	}
	name := "e2e-" + o.namespace()
	o.want(http.MethodPut, "/_index_template/"+name, string(text))
	return name
}

// merge puts the values of from into the same places of into.
func merge(into, from map[string]any) {
	for key, value := range from {
		deeper, ok := value.(map[string]any)
		if old, is := into[key].(map[string]any); ok && is {
			merge(old, deeper)
		} else {
			into[key] = value
		}
	}
}
