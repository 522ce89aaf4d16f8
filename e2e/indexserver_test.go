package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// serverFaults are those of a whole server, one after the other.
func serverFaults(t *testing.T) {
	server := testenv.Elastic(t, testenv.TinyQueues()...)
	s := settings{elastic: server, index: quick}
	t.Run("frozen", func(t *testing.T) { frozen(t, s) })
	t.Run("overloaded", func(t *testing.T) { overloaded(t, s) })
	t.Run("killed", func(t *testing.T) { killed(t, s) })
}

// frozen: connections stay open and nobody answers. What lay in their buffers
// is indexed when the server goes on, though nobody waits for the answer any
// more. Then the data stream gets another backing index: whoever fills the gaps
// must not index those lines a second time there.
func frozen(t *testing.T, s settings) {
	s.index = hasty
	o := newOutage(t, s, byCommand)
	o.elastic.Pause()
	o.awaitDropped(1000, `reason="unreachable"`)
	o.elastic.Resume()
	o.over()
	o.settle() // what was sent again is told of; what was dropped is not sent by anybody
	o.rollover()
	o.over()
	o.finish(1000)
}

// killed: nobody listens, until the server is there again.
func killed(t *testing.T, s settings) {
	o := newOutage(t, s, byItself)
	o.elastic.Kill()
	o.awaitDropped(1000, `reason="unreachable"`)
	o.elastic.Start()
	o.over()
	o.finish(1000)
}

// overloaded: others send more than the server takes. It refuses whole requests
// and single documents with 429.
func overloaded(t *testing.T, s settings) {
	o := newOutage(t, s, byCommand)
	whole, single, stop := noise(t, o.api())
	eventually(t, healLimit, "refused requests and documents, and dropped lines", func() bool {
		return o.index("loghaul_index_requests_total", `status="429"`) > 0 && o.index("loghaul_index_resent_documents_total") > 0 &&
			o.index("loghaul_index_dropped_lines_total", `reason="overloaded"`) > 0 && whole.Load() > 0 && single.Load() > 0
	})
	stop()
	t.Logf("of the others' requests %d were refused as a whole and %d in part", whole.Load(), single.Load())
	o.over()
	o.finish(1)
}

// wrongCredentials: one aggregator has a wrong password, and the other one does
// not know the authority of the server's certificate. Both say so, archive, and
// note what is not indexed. Then they are put right and started again.
func wrongCredentials(t *testing.T) {
	admin := testenv.ElasticUser{Name: "admin", Password: "admin-secret", Role: "superuser"}
	shipper := testenv.ElasticUser{Name: "shipper", Password: "shipper-secret", Role: `{"cluster":["manage_index_templates"],
		"indices":[{"names":["logs-haproxy.log-*"],"privileges":["create_doc","auto_configure","read","maintenance"]}]}`}
	server, ca := testenv.SecureElastic(t, admin, shipper)
	s := settings{elastic: server, ca: ca, user: admin, index: quick + ", " + byItself + ", ca: " + ca}
	o := &outage{cluster: newCluster(t, s), auto: true}
	const name = "LOGHAUL_ELASTIC_PASSWORD="
	o.env("LOGHAUL_ELASTIC_USER="+shipper.Name, name+shipper.Password)
	right := o.agg[0].env
	o.agg[0].env = append(slices.Clone(right), name+"wrong")
	good := o.aggregatorConfig("aggregator-2", o.agg[1].http, o.url, s)
	o.write("aggregator-2.yaml", strings.Replace(good, ", ca: "+ca, "", 1))
	o.start()
	o.lines = startLoadOf(t, o.input, indexRate, o.step, during)
	for _, a := range o.agg {
		eventually(t, healLimit, a.name+" has lines that it cannot index", func() bool { return a.metric("loghaul_index_offered_lines_total") >= 500 })
	}
	for i, want := range []string{"LOGHAUL_ELASTIC_PASSWORD", "certificate"} {
		a := o.agg[i]
		a.Stop()
		if log := a.proc.Output(); !strings.Contains(log, want) {
			t.Errorf("%s does not speak of the %s:\n%s", a.name, want, log)
		}
	}
	if n := o.ledger(); n < 1000 {
		t.Errorf("the ledger has %d lines, want those of both", n)
	}
	o.agg[0].env = right
	o.write("aggregator-2.yaml", good)
	for _, a := range o.agg {
		a.Start()
	}
	o.over()
	o.finish(0)
}

// noise sends bulk requests to another index, more than the server takes, until
// stop. It counts the requests that were refused as a whole, and those of which
// documents were.
func noise(t *testing.T, e elasticAPI) (whole, single *atomic.Int64, stop func()) {
	t.Helper()
	whole, single = new(atomic.Int64), new(atomic.Int64)
	e.want(http.MethodPut, "/noise", `{"settings":{"number_of_shards":2,"number_of_replicas":0},"mappings":{"dynamic":false}}`, nil)
	body := strings.Repeat("{\"index\":{}}\n{\"text\":\""+strings.Repeat("x", 130)+"\"}\n", 5000)
	var all sync.WaitGroup
	var ended atomic.Bool
	for range 14 {
		all.Go(func() {
			for !ended.Load() {
				code, text, err := e.do(t.Context(), http.MethodPost, "/noise/_bulk?filter_path=items.*.status", body)
				switch {
				case err != nil: // the test is over, or the server is
					return
				case code == http.StatusTooManyRequests:
					whole.Add(1)
				case strings.Contains(text, fmt.Sprintf(`"status":%d`, http.StatusTooManyRequests)):
					single.Add(1)
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		ended.Store(true)
		all.Wait()
		e.want(http.MethodDelete, "/noise", "", nil)
	})
	t.Cleanup(func() {
		ended.Store(true)
		all.Wait()
	})
	return whole, single, stop
}
