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
	// A scenario has so many lines before its fault, during it, and after it.
	before, during, after = 200, 4000, 1000
	// quick are settings of the index that give up soon, hasty ones where nothing
	// is answered.
	quick = "timeout: 10s, wait: 6s, retries: 1"
	hasty = "timeout: 4s, wait: 4s, retries: 1"
	// healLimit bounds how long a gap may stay open once the fault is over.
	healLimit = 3 * time.Minute
)

// How gaps are filled: by the aggregators themselves, or by the command.
const (
	byItself  = "heal: auto"
	byCommand = "heal: off"
)

// outage is a cluster whose lines flow into an index that has trouble.
type outage struct {
	*cluster
	lines  *load
	auto   bool
	killed bool // aggregators were: the ledger has more lines than are missing
}

// newOutage starts everything and returns when the first lines are documents.
// More lines flow then, until the trouble is over at the latest.
func newOutage(t *testing.T, s settings, heal string) *outage {
	t.Helper()
	return newOutageOf(t, s, heal, time.Second/fullRate, during)
}

// newOutageOf is newOutage with another time between two lines, and another
// number of lines.
func newOutageOf(t *testing.T, s settings, heal string, step time.Duration, lines int) *outage {
	t.Helper()
	s.index += ", " + heal
	o := &outage{cluster: newCluster(t, s), auto: heal == byItself}
	o.step = step
	o.start()
	o.lines = startLoadOf(t, o.input, indexRate, step, before)
	o.awaitDocuments()
	o.lines.Allow(lines)
	return o
}

// over says that the trouble is: lines go on, and arrive as documents.
func (o *outage) over() {
	o.t.Helper()
	o.lines.Allow(after)
	o.awaitDocuments()
}

// awaitDocuments waits until there are more documents. A slow machine may drop
// the lines that are there: then more come.
func (o *outage) awaitDocuments() {
	o.t.Helper()
	const documents = "loghaul_index_documents_total"
	was, told := o.index(documents), 0.0
	eventually(o.t, healLimit, "documents in the index", func() bool {
		if now := o.told(); now > told && now == o.index("loghaul_index_offered_lines_total") {
			told = now
			o.lines.Allow(before)
		}
		return o.index(documents) > was
	})
}

// told counts the lines of which is known what became of them in the index.
func (o *outage) told() (sum float64) {
	for _, name := range []string{"documents", "dropped_lines", "rejected_lines", "excluded_lines"} {
		sum += o.index("loghaul_index_" + name + "_total")
	}
	return sum
}

// awaitDropped waits until lines were dropped, for one reason such as
// `reason="unreachable"` or for any.
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
func (o *outage) finish(least float64) {
	o.t.Helper()
	n := o.lines.Stop()
	o.awaitArchived(o.lines.Bytes(), arrivalLimit)
	o.settle()
	count := func(name string, labels ...string) int { return int(o.index("loghaul_index_"+name, labels...)) }
	dropped, rejected := count("dropped_lines_total"), count("rejected_lines_total")
	start := time.Now()
	var how string
	if o.auto {
		gaps := count("gap_lines") / len(o.agg) // each of them knows the whole ledger
		eventually(o.t, healLimit, "no gap is left", func() bool { return count("gap_lines") == 0 })
		how = fmt.Sprintf("%d lines in gaps, healed by itself: %d", gaps, count("filled_lines_total"))
	} else {
		how = "healed by command: " + o.backfill(dropped+rejected).String()
	}
	took := time.Since(start)
	o.checkIndex()
	o.t.Logf("%d lines; offered %d, indexed %d, there already %d, dropped %d, rejected %d, sent again %d; after %.1f s: %s",
		n, count("offered_lines_total"), count("documents_total", `result="indexed"`), count("documents_total", `result="exists"`),
		dropped, rejected, count("resent_documents_total"), took.Seconds(), how)
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
	eventually(o.t, healLimit, "nothing waits for the index", func() bool {
		return o.index("loghaul_index_queue_bytes") == 0 && o.index("loghaul_index_offered_lines_total") == o.told()
	})
}

// filled is the report of `loghaul backfill --output json`, as far as it is
// needed here.
type filled struct {
	Lines, Indexed, Exists, Rejected int
	Left                             map[string]int
}

// String names the counts.
func (f filled) String() string {
	return fmt.Sprintf("%d lines in gaps, %d indexed, %d there already", f.Lines, f.Indexed, f.Exists)
}

// backfill runs the command beside the aggregators, as an operator does, until it
// has filled as many lines as are missing: they write down within seconds what
// they dropped. It wants every one of them filled.
func (o *outage) backfill(missing int) (sum filled) {
	o.t.Helper()
	args := []string{"loghaul", "backfill", "--config", filepath.Join(o.dir, "aggregator-1.yaml"), "--output", "json"}
	defer func() {
		if o.t.Failed() {
			o.t.Logf("the command has said so far: %v; the ledger has %d lines", sum, o.ledger())
		}
	}()
	eventually(o.t, healLimit, fmt.Sprintf("%d lines that the command has filled", missing), func() bool {
		stdout, stderr, code := command(o.t, o.agg[0].env, args...)
		if code != 0 {
			o.t.Fatalf("%s ended with %d:\n%s%s", strings.Join(args, " "), code, stdout, stderr)
		}
		var report filled
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			o.t.Fatalf("backfill --output json printed %s: %v", stdout, err)
		}
		sum.Lines += report.Lines
		sum.Indexed += report.Indexed
		sum.Exists += report.Exists
		return sum.Indexed+sum.Exists >= missing && o.ledger() == 0
	})
	if !o.killed && (sum.Lines != missing || sum.Indexed+sum.Exists != missing) {
		o.t.Errorf("%d lines were not indexed; the ledger had %d, of which %d are indexed now and %d were there", missing, sum.Lines, sum.Indexed, sum.Exists)
	}
	return sum
}
