// Package elastic offers archived objects to an Elasticsearch data stream. The
// index is a disposable copy for searching: a Sink never blocks whoever offers
// and never waits for Elasticsearch for longer than a bound. What it can't
// deliver it drops, and counts, and reports as a Gap that can be filled from
// the archive.
//
// What is queued are the archive's own objects; they are decoded when they are
// sent. So memory is bounded by compressed bytes, and filling a gap later runs
// the same code.
package elastic

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

// Gap is a stretch of rows of an archived object that is not in the index.
type Gap struct {
	// Key is the object, FirstRow and LastRow the stretch, both inclusive.
	Key               string
	FirstRow, LastRow int
	// Lines is how many rows of the stretch are missing.
	Lines int
	// Reason is why, see the metric of dropped lines; "rejected" for
	// documents that Elasticsearch refused for what they hold.
	Reason string
}

// Deps is what a Sink uses.
type Deps struct {
	Logger *slog.Logger
	// Metrics must hold Metrics().
	Metrics *metrics.Registry
	// Gap is told what was dropped. It must return at once and be safe for
	// concurrent use. It may be nil.
	Gap func(Gap)
	// Settled is told the key of each group that was offered, once, also of one
	// that was refused: every row of it is in the index, excluded, or was told
	// to Gap. It must return at once and be safe for concurrent use. It may be
	// nil.
	Settled func(key string)
}

// Sink is a sinks.BestEffort for one data stream. Run has to be running for
// what is offered to be sent.
type Sink struct {
	cfg     Config
	log     *slog.Logger
	gap     func(Gap)
	settled func(key string)
	client  *client
	target  string      // path and query of a bulk request
	strict  atomic.Bool // ask for requireStream
	queue   *queue
	gate    *gate
	fillers sync.Pool // of *sender
	asking  asking

	reg     *metrics.Registry
	counts  counts
	resent  *metrics.Counter
	seconds *metrics.Histogram

	health  health
	samples samples

	rules   *Rules // nil without any
	geo     *Geo   // nil without databases
	version string // of the server, once it was asked: see Config.IndexTemplate
}

// counts are the counters of what is offered.
type counts struct{ offered, indexed, exists *metrics.Counter }

var _ sinks.BestEffort = (*Sink)(nil)

// New checks the configuration and makes a Sink. It does not contact
// Elasticsearch.
func New(cfg Config, d Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	rules, err := NewRules(cfg.Rules, cfg.MaskKey)
	if err != nil {
		return nil, err
	}
	geo, err := OpenGeo(cfg.GeoIP, d.Logger)
	if err != nil {
		return nil, err
	}
	wait := min(serverWait, cfg.Timeout/2)
	s := &Sink{
		cfg: cfg, log: d.Logger, gap: d.Gap, settled: d.Settled, reg: d.Metrics, client: client, queue: newQueue(int64(cfg.Queue)),
		target: fmt.Sprintf("/%s/_bulk?filter_path=%s&timeout=%dms", cfg.stream(), filterPath, wait.Milliseconds()),
		counts: counts{
			offered: d.Metrics.Counter(metricOffered),
			indexed: d.Metrics.Counter(metricDocuments, "indexed"),
			exists:  d.Metrics.Counter(metricDocuments, "exists"),
		},
		rules: rules, geo: geo,
		resent:  d.Metrics.Counter(metricResent),
		seconds: d.Metrics.Histogram(metricSeconds),
	}
	s.strict.Store(true)
	if cfg.isVictoria() {
		s.target = victoria
		s.strict.Store(false)
		s.asking.forbidden.Store(true) // it has no ids
	}
	s.gate = newGate(int(cfg.Bulk), cfg.Senders, s.queue.busy)
	s.queue.idle = s.gate.look
	if s.gap == nil {
		s.gap = func(Gap) {}
	}
	if s.settled == nil {
		s.settled = func(string) {}
	}
	s.gauges()
	return s, nil
}

// Offer queues g if there is room and reports whether there was. It takes
// microseconds whatever Elasticsearch does. What it refuses is counted.
func (s *Sink) Offer(g *sinks.Group) bool {
	s.counts.offered.Add(g.Lines)
	why := s.queue.offer(g)
	if why != "" {
		s.dropGroup(g, why)
		s.settled(g.Key)
	}
	return why == ""
}

// Run sends what is offered until ctx ends, then for at most Config.Drain what
// is still queued, and drops the rest. It returns nil.
func (s *Sink) Run(ctx context.Context) error {
	defer s.client.close()
	defer s.geo.watch()()
	// sending outlives ctx by the time to drain.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	stopDraining := context.AfterFunc(ctx, func() {
		s.queue.close()
		t := time.AfterFunc(s.cfg.Drain, stop)
		context.AfterFunc(sending, func() { t.Stop() })
	})
	defer stopDraining()

	// Nothing is sent before all is prepared, and nobody waits for that longer than
	// for a server that does not answer.
	s.gate.hold(true)
	var wg sync.WaitGroup
	for range s.cfg.Senders {
		wg.Go(func() { newSender(s).run(sending) })
	}
	if s.prepare(ctx) {
		s.gate.hold(false)
	} else {
		s.queue.close()
		stop()
	}
	wg.Wait()
	for e := s.queue.take(sending); e.Group != nil; e = s.queue.take(sending) {
		s.dropGroup(e.Group, dropShutdown)
		s.done(e.Group)
	}
	return nil
}

// done gives back the room of a group whose rows are all accounted for.
func (s *Sink) done(g *sinks.Group) {
	s.queue.done(g)
	s.settled(g.Key)
}

// dropGroup counts a whole group as dropped.
func (s *Sink) dropGroup(g *sinks.Group, reason string) {
	if g.Lines > 0 {
		s.dropRows(g.Key, 0, g.Lines-1, reason)
	}
}

// dropRows counts all rows from first to last as dropped.
func (s *Sink) dropRows(key string, first, last int, reason string) {
	lines := last - first + 1
	s.reg.Counter(metricDropped, reason).Add(lines)
	s.gap(Gap{Key: key, FirstRow: first, LastRow: last, Lines: lines, Reason: reason})
	if s.samples.first("drop " + reason) {
		s.log.Warn("the index does not take all lines; they are in the archive",
			"reason", reason, "object", key, "lines", lines, "last_failure", s.health.cause())
	}
}

// samples lets one message per subject and minute through.
type samples struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const maxSubjects = 64

func (s *samples) first(subject string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t, ok := s.last[subject]; ok && now.Sub(t) < time.Minute {
		return false
	}
	if s.last == nil || len(s.last) >= maxSubjects {
		s.last = map[string]time.Time{}
	}
	s.last[subject] = now
	return true
}
