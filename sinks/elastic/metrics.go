package elastic

import "github.com/loghaul/loghaul/internal/metrics"

// Why lines were dropped: values of the label reason.
const (
	dropQueueFull   = "queue_full"
	dropShutdown    = "shutdown"
	dropUnreachable = "unreachable" // no answer, or not in time
	dropOverloaded  = "overloaded"  // 429, 502, 503, 504, of the request or the document
	dropRefused     = "refused"     // any other answer to a request
	dropTooLarge    = "too_large"   // 413 for a single document
	dropUnreadable  = "unreadable"  // the object could not be decoded
)

// reasonRejected is the reason of a gap that no other attempt fills: metrics count
// such lines apart from those dropped.
const reasonRejected = "rejected"

const (
	metricOffered    = "loghaul_index_offered_lines_total"
	metricDocuments  = "loghaul_index_documents_total"
	metricDropped    = "loghaul_index_dropped_lines_total"
	metricRejected   = "loghaul_index_rejected_lines_total"
	metricResent     = "loghaul_index_resent_documents_total"
	metricRequests   = "loghaul_index_requests_total"
	metricSeconds    = "loghaul_index_request_seconds"
	metricQueue      = "loghaul_index_queue_bytes"
	metricQueueLimit = "loghaul_index_queue_limit_bytes"
	metricUp         = "loghaul_index_up"
	metricBody       = "loghaul_index_body_limit_bytes"
	metricSlots      = "loghaul_index_request_limit"
	metricBreaker    = "loghaul_index_breaker"
	metricMended     = "loghaul_index_unmapped_lines_total"
	metricExcluded   = "loghaul_index_excluded_lines_total"
	metricFilled     = "loghaul_index_filled_lines_total"
)

// Metrics describes what a Sink counts. Once the queue is empty, offered is
// the sum of documents, dropped, rejected and excluded.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{Name: metricOffered, Kind: metrics.KindCounter, Help: "Archived lines that were offered to the index."},
		{
			Name: metricDocuments, Kind: metrics.KindCounter, Labels: []string{"result"},
			Help: "Lines that are in the index: indexed now, or exists, because they had been indexed before.",
		},
		{
			Name: metricDropped, Kind: metrics.KindCounter, Labels: []string{"reason"},
			Help: "Lines that were not indexed and not tried again: queue_full, unreachable, overloaded, refused, too_large, unreadable, shutdown. They are in the archive.",
		},
		{
			Name: metricRejected, Kind: metrics.KindCounter, Labels: []string{"type"},
			Help: "Lines that Elasticsearch rejected for what they hold, by its type of error. They are in the archive.",
		},
		{
			Name: metricExcluded, Kind: metrics.KindCounter, Labels: []string{"rule"},
			Help: "Lines that a rule (index.rules) leaves out of the index on purpose. They are in the archive.",
		},
		{Name: metricResent, Kind: metrics.KindCounter, Help: "Documents that were sent again after a failure or refusal."},
		{
			Name: metricRequests, Kind: metrics.KindCounter, Labels: []string{"status"},
			Help: "Bulk requests by HTTP status, or error when there was no answer.",
		},
		{Name: metricSeconds, Kind: metrics.KindHistogram, Help: "How long bulk requests took until their answer or failure."},
		{Name: metricQueue, Kind: metrics.KindGauge, Help: "Size of the archived objects that wait for the index or are being sent."},
		{Name: metricQueueLimit, Kind: metrics.KindGauge, Help: "The most that the queue of the index may hold."},
		{Name: metricUp, Kind: metrics.KindGauge, Help: "1 while the last bulk request was answered with success, else 0."},
		{
			Name: metricBody, Kind: metrics.KindGauge,
			Help: "The most that the body of a bulk request may have now: it grows slowly up to index.bulk and halves when Elasticsearch pushes back.",
		},
		{
			Name: metricSlots, Kind: metrics.KindGauge,
			Help: "The most bulk requests that may run at once now: it grows slowly up to index.senders and halves when Elasticsearch pushes back.",
		},
		{
			Name: metricBreaker, Kind: metrics.KindGauge, Labels: []string{"state"},
			Help: "1 for the state of the circuit breaker, 0 for the others: closed, open (no answers: one request at growing intervals), half_open (that request runs).",
		},
		{
			Name: metricMended, Kind: metrics.KindCounter,
			Help: "Lines that Elasticsearch rejected for one field and that were sent again without it (index.unmapped).",
		},
		{
			Name: metricFilled, Kind: metrics.KindCounter, Labels: []string{"result"},
			Help: "Lines of gaps that were filled: indexed, exists (it was there before), excluded (by the rules), rejected (by Elasticsearch, for what it holds).",
		},
	}
}

// gauges shows the state of the queue and of sending.
func (s *Sink) gauges() {
	s.reg.Gauge(metricQueue, func() float64 { return float64(s.queue.size()) })
	s.reg.Gauge(metricQueueLimit, func() float64 { return float64(s.cfg.Queue) })
	s.reg.Gauge(metricUp, func() float64 { return truth(s.health.up()) })
	s.reg.Gauge(metricBody, func() float64 { return float64(s.gate.bodySize()) })
	s.reg.Gauge(metricSlots, func() float64 { return float64(s.gate.slots()) })
	for _, state := range []string{breakerClosed, breakerOpen, breakerHalfOpen} {
		s.reg.Gauge(metricBreaker, func() float64 { return truth(s.gate.state() == state) }, state)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
