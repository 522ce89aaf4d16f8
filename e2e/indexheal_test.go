package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// indexRate is the load of the tests of the index, in lines a second:
	// Elasticsearch has a share of two cores.
	indexRate = 1000
	// quick are settings of the index that give up soon.
	quick = "timeout: 3s, wait: 3s, retries: 1"
	// healLimit bounds how long a gap may stay open once the fault is over.
	healLimit = 60 * time.Second
)

// How gaps are filled: by the aggregators themselves, or by the command.
const (
	byItself  = "heal: auto"
	byCommand = "heal: off"
)

// outage is a cluster whose lines flow into an index that has trouble.
type outage struct {
	*cluster
	lines *load
}

// newOutage starts everything and returns when the first lines are documents.
func newOutage(t *testing.T, s settings) *outage {
	t.Helper()
	return newOutageOf(t, s, time.Second/fullRate)
}

// newOutageOf is newOutage with another time between two lines.
func newOutageOf(t *testing.T, s settings, step time.Duration) *outage {
	t.Helper()
	o := &outage{cluster: newCluster(t, s)}
	o.step = step
	o.start()
	o.lines = startLoadOf(t, o.input, indexRate, step)
	o.awaitDocuments(1)
	return o
}

// awaitDocuments waits until the aggregators have counted so many documents
// more than now.
func (o *outage) awaitDocuments(more float64) {
	o.t.Helper()
	const name = "loghaul_index_documents_total"
	was := max(0, o.index(name))
	eventually(o.t, healLimit, "documents in the index", func() bool { return o.index(name) >= was+more })
}

// awaitDropped waits until lines were dropped or rejected for one of reasons,
// each a label such as `reason="unreachable"`, or for any.
func (o *outage) awaitDropped(least float64, labels ...string) {
	o.t.Helper()
	eventually(o.t, healLimit, fmt.Sprintf("%v dropped lines %v", least, labels), func() bool {
		return o.index("loghaul_index_dropped_lines_total", labels...) >= least
	})
}

// index adds up a metric of the aggregators that run.
func (c *cluster) index(name string, labels ...string) (sum float64) {
	for _, a := range c.agg {
		sum += max(0, a.metric(name, labels...))
	}
	return sum
}

// finish is the end of each scenario: the lines stop, all of them are in the
// archive, nothing waits for the index any more, the gaps are filled, and the
// documents are the archive's lines, one to one. least is how many lines the
// outage must have kept out of the index, else the test proves nothing.
func (o *outage) finish(least float64, auto bool) {
	o.t.Helper()
	n := o.lines.Stop()
	o.awaitArchived(o.lines.Bytes(), arrivalLimit)
	o.settle()
	gaps := o.index("loghaul_index_gap_lines") // of the ledger, and each aggregator knows all of it
	start := time.Now()
	var report string
	if auto {
		eventually(o.t, healLimit, "no gap is left", func() bool { return o.index("loghaul_index_gap_lines") == 0 })
	} else {
		report = o.backfill()
	}
	o.checkIndex()
	count := func(name string, labels ...string) int {
		return int(o.index("loghaul_index_"+name+"_total", labels...))
	}
	dropped, rejected := count("dropped_lines"), count("rejected_lines")
	o.t.Logf("%d lines; offered %d, indexed %d, there already %d, dropped %d, rejected %d, sent again %d; %v in gaps, healed in %.1f s %s",
		n, count("offered_lines"), count("documents", `result="indexed"`), count("documents", `result="exists"`), dropped, rejected, count("resent_documents"),
		gaps, time.Since(start).Seconds(), report)
	if float64(dropped+rejected) < least {
		o.t.Errorf("%d lines were dropped and %d rejected, want %v: the test proves nothing", dropped, rejected, least)
	}
	o.stop()
	o.checkLines(n)
	o.checkManifests()
}

// settle waits until each line that was offered has been indexed or dropped.
func (o *outage) settle() {
	o.t.Helper()
	eventually(o.t, healLimit, "nothing waits for the index", func() bool { return o.index("loghaul_index_queue_bytes") == 0 })
	offered := o.index("loghaul_index_offered_lines_total")
	told := o.index("loghaul_index_documents_total") + o.index("loghaul_index_dropped_lines_total") +
		o.index("loghaul_index_rejected_lines_total") + o.index("loghaul_index_excluded_lines_total")
	if offered != told {
		o.t.Errorf("%v lines were offered to the index, %v are accounted for", offered, told)
	}
}

// backfill runs the command, as an operator does, and gives its report.
func (c *cluster) backfill(more ...string) string {
	c.t.Helper()
	args := append([]string{"loghaul", "backfill", "--config", filepath.Join(c.dir, "aggregator-1.yaml"), "--output", "json"}, more...)
	stdout, stderr, code := command(c.t, c.agg[0].env, args...)
	if code != 0 {
		c.t.Fatalf("%s ended with %d:\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	if !json.Valid([]byte(stdout)) {
		c.t.Fatalf("backfill --output json printed %s", stdout)
	}
	return stdout
}
