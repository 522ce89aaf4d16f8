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
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

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
// anything to be sent.
type Sink struct {
	cfg       Config
	log       *slog.Logger
	gap       func(Gap)
	settled   func(key string)
	client    *elastictransport.Client
	transport *http.Transport
	queue     *queue

	reg     *metrics.Registry
	offered *metrics.Counter
	indexed *metrics.Counter
	exists  *metrics.Counter
	resent  *metrics.Counter
	seconds *metrics.Histogram

	down    atomic.Bool
	samples samples
}

var _ sinks.BestEffort = (*Sink)(nil)

// New checks the configuration and makes a Sink. It does not contact
// Elasticsearch.
func New(cfg Config, d Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	urls, err := cfg.addresses()
	if err != nil {
		return nil, fmt.Errorf("index URL %q: %w", cfg.URL, err)
	}
	s := &Sink{
		cfg: cfg, log: d.Logger, gap: d.Gap, settled: d.Settled, reg: d.Metrics, queue: newQueue(int64(cfg.Queue)),
		offered: d.Metrics.Counter(metricOffered),
		indexed: d.Metrics.Counter(metricDocuments, "indexed"),
		exists:  d.Metrics.Counter(metricDocuments, "exists"),
		resent:  d.Metrics.Counter(metricResent),
		seconds: d.Metrics.Histogram(metricSeconds),
		transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			MaxIdleConnsPerHost:   cfg.Senders + 1,
			IdleConnTimeout:       time.Minute,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
	}
	if s.gap == nil {
		s.gap = func(Gap) {}
	}
	if s.settled == nil {
		s.settled = func(string) {}
	}
	d.Metrics.Gauge(metricQueue, func() float64 { return float64(s.queue.size()) })
	d.Metrics.Gauge(metricQueueLimit, func() float64 { return float64(cfg.Queue) })
	d.Metrics.Gauge(metricUp, func() float64 {
		if s.down.Load() {
			return 0
		}
		return 1
	})
	options := []elastictransport.Option{
		elastictransport.WithURLs(urls...), elastictransport.WithTransport(s.transport), elastictransport.WithUserAgent("loghaul"),
		elastictransport.WithDisableRetry(), // this package counts and bounds attempts
	}
	switch {
	case cfg.APIKey != "":
		options = append(options, elastictransport.WithAPIKey(cfg.APIKey))
	case cfg.User != "":
		options = append(options, elastictransport.WithBasicAuth(cfg.User, cfg.Password))
	}
	if cfg.CA != "" {
		ca, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the CA certificates of the index: %w", err)
		}
		options = append(options, elastictransport.WithCACert(ca))
	}
	s.client, err = elastictransport.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", cfg.URL, err)
	}
	return s, nil
}

// Offer queues g if there is room and reports whether there was. It takes
// microseconds whatever Elasticsearch does. What it refuses is counted.
func (s *Sink) Offer(g *sinks.Group) bool {
	s.offered.Add(g.Lines)
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
	defer s.transport.CloseIdleConnections()
	// sending outlives ctx by the time to drain.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	stopDraining := context.AfterFunc(ctx, func() {
		s.queue.close()
		t := time.AfterFunc(s.cfg.Drain, stop)
		context.AfterFunc(sending, func() { t.Stop() })
	})
	defer stopDraining()

	if !s.install(ctx) {
		// Nobody can have sent anything: the template comes first.
		s.queue.close()
		stop()
	}
	var wg sync.WaitGroup
	for range s.cfg.Senders {
		wg.Go(func() { newSender(s).run(sending) })
	}
	wg.Wait()
	for g := s.queue.take(sending); g != nil; g = s.queue.take(sending) {
		s.dropGroup(g, dropShutdown)
		s.done(g)
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
	s.dropRows(g.Key, 0, g.Lines-1, g.Lines, reason)
}

func (s *Sink) dropRows(key string, first, last, lines int, reason string) {
	if lines == 0 {
		return
	}
	s.reg.Counter(metricDropped, reason).Add(lines)
	s.gap(Gap{Key: key, FirstRow: first, LastRow: last, Lines: lines, Reason: reason})
	if s.samples.first("drop " + reason) {
		s.log.Warn("the index does not take all lines; they are in the archive", "reason", reason, "object", key, "lines", lines)
	}
}

// answered notes how a bulk request ended and logs the changes.
func (s *Sink) answered(err error) {
	switch {
	case err == nil:
		if s.down.CompareAndSwap(true, false) {
			s.log.Info("the index works again", "url", s.cfg.URL)
		}
	case !errors.Is(err, context.Canceled) && s.down.CompareAndSwap(false, true):
		s.log.Warn("the index does not work; the archive is not affected", "url", s.cfg.URL, "error", err)
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
