package aggregator

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
)

// Metrics describes what an aggregator counts, those of sinks.Retry, of the
// notary and of the live view included.
func Metrics() []metrics.Desc {
	counter := func(name, help string, labels ...string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindCounter, Help: help, Labels: labels}
	}
	gauge := func(name, help string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindGauge, Help: help}
	}
	seconds := func(name, help string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindHistogram, Help: help}
	}
	return append([]metrics.Desc{
		counter("loghaul_aggregator_messages_total", "Messages taken from the broker, repeats and malformed ones included."),
		counter("loghaul_aggregator_bytes_total", "Bytes of their payloads, compressed as they came."),
		counter("loghaul_aggregator_redelivered_messages_total", "Messages that had been delivered before, to this aggregator or another."),
		counter("loghaul_aggregator_duplicate_batches_total", "Batches left out because they were archived, or are being archived, by this aggregator already."),
		counter("loghaul_aggregator_quarantined_messages_total", "Messages stored as they came, below _quarantine/ in the archive: malformed (is no batch), unverified (could not be encoded).", "reason"),
		counter("loghaul_aggregator_refused_objects_total", "Objects that could not be made, or were not what went into them when they were read back, by attempt: first (made again), again (written in the raw fall-back encoding), raw (tried with half of the window, a single batch quarantined).", "attempt"),
		counter("loghaul_aggregator_masked_lines_total", "Lines of which fields were masked."),
		counter("loghaul_aggregator_unmasked_lines_total", "Lines that do not tell for certain where a field to be masked is, by what became of them: kept (as they came, but for what could be masked), blanked (overwritten).", "result"),
		counter("loghaul_archive_lines_total", "Lines in objects that the archive has confirmed."),
		counter("loghaul_archive_raw_bytes_total", "Bytes of those lines, line ends included."),
		counter("loghaul_archive_unparsed_lines_total", "Archived lines that matched no format and are no events."),
		counter("loghaul_archive_event_lines_total", "Archived lines that are no requests: HAProxy tells of a server, a proxy or itself."),
		counter("loghaul_archive_raw_kept_lines_total", "Archived lines that matched a format and keep their bytes because the columns do not give them back."),
		counter("loghaul_archive_fallback_lines_total", "Archived lines in objects of the raw fall-back encoding: their bytes are there, their fields are not. They are not among the unparsed ones."),
		counter("loghaul_archive_rest_lines_total", "Archived rests of lines that a forwarder had cut because they were longer than its bound."),
		counter("loghaul_archive_lost_bytes_total", "Bytes that forwarders declared as lost, in objects that the archive has confirmed: "+strings.Join(wire.Reasons(), ", ")+", or other.", "reason"),
		counter("loghaul_archive_lost_lines_total", "Lines that were declared as lost, where their number is known.", "reason"),
		counter("loghaul_archive_objects_total", "Objects that the archive has confirmed."),
		counter("loghaul_archive_object_bytes_total", "Bytes of those objects."),
		counter("loghaul_aggregator_index_offered_objects_total", "Archived objects that the index took into its queue."),
		counter("loghaul_aggregator_index_refused_objects_total", "Archived objects that the index did not take; backfill can bring them."),
		gauge("loghaul_aggregator_window_lines", "Lines in the window that is being filled."),
		gauge("loghaul_aggregator_in_flight_messages", "Messages that were delivered to this aggregator and not acknowledged."),
		gauge("loghaul_aggregator_shards", "Shards that this aggregator pulls from; all of them when it is ready."),
		seconds("loghaul_aggregator_encode_seconds", "Time to parse and encode a window, read the object back and compare it with the received bytes."),
		seconds("loghaul_aggregator_store_seconds", "Time until the archive has confirmed an object, attempts that failed included."),
		seconds("loghaul_aggregator_ack_seconds", "Time until the broker has got the acknowledgements of a window."),
	}, slices.Concat(sinks.Metrics(), notary.Metrics(), live.Metrics())...)
}

// counts is where an Aggregator counts.
type counts struct {
	messages, bytes, redelivered, duplicates            *metrics.Counter
	malformed, unverified                               *metrics.Counter
	refusedFirst, refusedAgain, refusedRaw              *metrics.Counter
	lines, rawBytes, unparsed, events, rawKept, objects *metrics.Counter
	masked, maskKept, maskBlanked                       *metrics.Counter
	rests, fallback                                     *metrics.Counter
	lostBytes, lostLines                                map[string]*metrics.Counter // by reason
	stored                                              *metrics.Counter
	offered, refused                                    *metrics.Counter
	encode, put, ack                                    *metrics.Histogram

	fill atomic.Int64 // lines in the window
}

func (c *counts) register(r *metrics.Registry, a *Aggregator) {
	c.messages = r.Counter("loghaul_aggregator_messages_total")
	c.bytes = r.Counter("loghaul_aggregator_bytes_total")
	c.redelivered = r.Counter("loghaul_aggregator_redelivered_messages_total")
	c.duplicates = r.Counter("loghaul_aggregator_duplicate_batches_total")
	c.malformed = r.Counter("loghaul_aggregator_quarantined_messages_total", "malformed")
	c.unverified = r.Counter("loghaul_aggregator_quarantined_messages_total", "unverified")
	c.refusedFirst = r.Counter("loghaul_aggregator_refused_objects_total", "first")
	c.refusedAgain = r.Counter("loghaul_aggregator_refused_objects_total", "again")
	c.refusedRaw = r.Counter("loghaul_aggregator_refused_objects_total", "raw")
	c.masked = r.Counter("loghaul_aggregator_masked_lines_total")
	c.maskKept = r.Counter("loghaul_aggregator_unmasked_lines_total", "kept")
	c.maskBlanked = r.Counter("loghaul_aggregator_unmasked_lines_total", "blanked")
	c.lines = r.Counter("loghaul_archive_lines_total")
	c.rawBytes = r.Counter("loghaul_archive_raw_bytes_total")
	c.unparsed = r.Counter("loghaul_archive_unparsed_lines_total")
	c.events = r.Counter("loghaul_archive_event_lines_total")
	c.rawKept = r.Counter("loghaul_archive_raw_kept_lines_total")
	c.rests = r.Counter("loghaul_archive_rest_lines_total")
	c.fallback = r.Counter("loghaul_archive_fallback_lines_total")
	c.lostBytes, c.lostLines = map[string]*metrics.Counter{}, map[string]*metrics.Counter{}
	for _, reason := range append(wire.Reasons(), otherReason) {
		c.lostBytes[reason] = r.Counter("loghaul_archive_lost_bytes_total", reason)
		c.lostLines[reason] = r.Counter("loghaul_archive_lost_lines_total", reason)
	}
	c.objects = r.Counter("loghaul_archive_objects_total")
	c.stored = r.Counter("loghaul_archive_object_bytes_total")
	c.offered = r.Counter("loghaul_aggregator_index_offered_objects_total")
	c.refused = r.Counter("loghaul_aggregator_index_refused_objects_total")
	c.encode = r.Histogram("loghaul_aggregator_encode_seconds")
	c.put = r.Histogram("loghaul_aggregator_store_seconds")
	c.ack = r.Histogram("loghaul_aggregator_ack_seconds")
	r.Gauge("loghaul_aggregator_window_lines", func() float64 { return float64(c.fill.Load()) })
	r.Gauge("loghaul_aggregator_in_flight_messages", func() float64 { return float64(a.Status().InFlight) })
	r.Gauge("loghaul_aggregator_shards", func() float64 { return float64(a.Status().Shards) })
}

func (c *counts) archived(o *archive.Object) {
	c.lines.Add(o.Lines)
	c.rawBytes.AddInt64(o.RawBytes)
	if o.Fallback {
		c.fallback.Add(o.Lines)
	} else {
		c.unparsed.Add(o.Unparsed)
	}
	c.events.Add(o.Events)
	c.rawKept.Add(o.RawKept)
	c.rests.Add(o.Rests)
	for i := range o.Losses {
		c.lost(&o.Losses[i])
	}
	c.duplicates.Add(o.Duplicates)
	c.objects.Inc()
	c.stored.Add(len(o.Body))
}

// lost counts a loss that is archived. The same loss in two objects counts
// twice, as a line does.
func (c *counts) lost(l *archive.Loss) {
	if l.Reason == archive.Joined {
		return
	}
	reason := l.Reason
	if c.lostBytes[reason] == nil {
		reason = otherReason
	}
	c.lostBytes[reason].AddInt64(l.Bytes())
	c.lostLines[reason].AddInt64(l.Lines)
}

// otherReason counts for all that forwarders of this version do not give, so that
// nobody can make metrics without end.
const otherReason = "other"

// Status is what an aggregator has done since it was made.
type Status struct {
	// Lines, RawBytes, Objects and ObjectBytes are archived: confirmed by the
	// store. Unparsed, Events and RawKept are among Lines.
	Lines, RawBytes, Objects, ObjectBytes, Unparsed, Events, RawKept uint64
	// Duplicates are batches that were left out, Quarantined messages that
	// are no batches.
	Duplicates, Quarantined uint64
	// Window is the lines in the window that is being filled.
	Window int64
	// InFlight is the messages delivered and not acknowledged.
	InFlight int
	// Shards is how many shards are bound.
	Shards int
	// Trouble says why the aggregator is not ready, empty if it is.
	Trouble string
}

// Status may be called at any time, from any goroutine.
func (a *Aggregator) Status() Status {
	c := &a.count
	s := Status{
		Lines: c.lines.Get(), RawBytes: c.rawBytes.Get(), Objects: c.objects.Get(), ObjectBytes: c.stored.Get(),
		Unparsed: c.unparsed.Get(), Events: c.events.Get(), RawKept: c.rawKept.Get(),
		Duplicates: c.duplicates.Get(), Quarantined: c.malformed.Get() + c.unverified.Get(),
		Window: c.fill.Load(),
	}
	if err := a.Ready(); err != nil {
		s.Trouble = err.Error()
	}
	a.mu.Lock()
	source := a.source
	a.mu.Unlock()
	if source != nil {
		s.InFlight, s.Shards = source.Held(), source.Bound()
	}
	return s
}
