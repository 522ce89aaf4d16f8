package forwarder

import (
	"slices"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/wire"
)

// Names of the metrics.
const (
	mReadBytes   = "loghaul_forwarder_read_bytes_total"
	mReadLines   = "loghaul_forwarder_read_lines_total"
	mAckedBytes  = "loghaul_forwarder_acked_bytes_total"
	mAckedLines  = "loghaul_forwarder_acked_lines_total"
	mLost        = "loghaul_forwarder_lost_bytes_total"
	mLostLines   = "loghaul_forwarder_lost_lines_total"
	mCut         = "loghaul_forwarder_cut_lines_total"
	mFlightBytes = "loghaul_forwarder_in_flight_bytes"
	mLag         = "loghaul_forwarder_lag_bytes"
	mLagSeconds  = "loghaul_forwarder_lag_seconds"
	mBatches     = "loghaul_forwarder_batches_total"
	mSent        = "loghaul_forwarder_sent_bytes_total"
	mInFlight    = "loghaul_forwarder_in_flight_batches"
	mDuplicates  = "loghaul_forwarder_duplicate_batches_total"
	mRetries     = "loghaul_forwarder_retries_total"
	mConnected   = "loghaul_forwarder_connected"
	mFiles       = "loghaul_forwarder_files"
	mOpen        = "loghaul_forwarder_open_files"
	mTruncations = "loghaul_forwarder_truncations_total"
	mUnlinked    = "loghaul_forwarder_links_refused_total"
	mScans       = "loghaul_forwarder_scans_total"
	mSaves       = "loghaul_forwarder_position_writes_total"
	mSaveErrors  = "loghaul_forwarder_position_write_errors_total"
)

// Metrics describes what a forwarder counts. Per path: bytes read = acked + in
// flight + lost.
func Metrics() []metrics.Desc {
	counter := func(name, help string, labels ...string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindCounter, Help: help, Labels: labels}
	}
	gauge := func(name, help string, labels ...string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindGauge, Help: help, Labels: labels}
	}
	return append([]metrics.Desc{
		counter(mReadBytes, "Bytes taken charge of: read into a batch, or known to be lost before they could be read.", "path"),
		counter(mReadLines, "Lines read into batches.", "path"),
		counter(mAckedBytes, "Bytes that the broker has stored.", "path"),
		counter(mAckedLines, "Lines that the broker has stored.", "path"),
		counter(mLost, "Bytes that are lost: truncated (a file was cut short or overwritten), gone (deleted while not held open), spool_full, spool_damaged, kernel_dropped. At least that many.", "path", "reason"),
		counter(mLostLines, "Lines that are lost, where their number is known: spool_full, kernel_dropped, haproxy_dropped (by HAProxy itself).", "path", "reason"),
		counter(mCut, "Lines longer than tail.max_line, which were cut.", "path"),
		gauge(mFlightBytes, "Bytes read that are neither stored by the broker nor lost.", "path"),
		gauge(mLag, "Bytes written to the files and not stored by the broker yet.", "path"),
		gauge(mLagSeconds, "Age of the oldest of those bytes since it was seen.", "path"),
		counter(mBatches, "Batches cut, each counted once however often it is sent."),
		counter(mSent, "Bytes of their payloads after compression."),
		gauge(mInFlight, "Batches that the broker has not answered."),
		counter(mDuplicates, "Batches that the broker had stored before, after an answer was lost."),
		counter(mRetries, "Batches sent again: stream_full, busy, no_responders, timeout, disconnected, refused.", "reason"),
		gauge(mConnected, "1 while connected to the broker."),
		gauge(mFiles, "Files that are followed."),
		gauge(mOpen, "Files that are held open."),
		counter(mTruncations, "Files found cut short or written anew."),
		counter(mUnlinked, "Rotated files with unread bytes that could not be linked into the state folder: another file system, or not the owner."),
		counter(mScans, "Looks through the folders."),
		counter(mSaves, "Writes of the positions."),
		counter(mSaveErrors, "Writes of the positions that failed."),
	}, slices.Concat(linkMetrics(), inputMetrics())...)
}

const (
	// meterEvery is how often counters are brought up to date at most.
	meterEvery = 500 * time.Millisecond
	// meterLatest is when we wake up for nothing else.
	meterLatest = 1500 * time.Millisecond
)

// meter copies the tiers' own counters into the registry. It belongs to the
// goroutine of the Forwarder.
type meter struct {
	reg   *metrics.Registry
	paths map[*ledger.Account]*pathMeter
	last  time.Time
	next  time.Time
	seen  [4]int64
}

type pathMeter struct {
	readBytes, readLines, ackedBytes, ackedLines, cut *metrics.Counter
	lostBytes, lostLines                              []*metrics.Counter // by wire.Reasons
}

func newMeter(f *Forwarder, reg *metrics.Registry) *meter {
	m := &meter{reg: reg, paths: map[*ledger.Account]*pathMeter{}}
	if reg == nil {
		return m
	}
	meterLink(f.ship, reg)
	meterInputs(f.intakes, reg)
	st, ts := f.ship.Stats(), f.tail.Stats()
	reg.Gauge(mInFlight, func() float64 { return float64(st.InFlight.Load()) })
	reg.Gauge(mConnected, func() float64 { return float64(st.Connected.Load()) })
	reg.Gauge(mFiles, func() float64 { return float64(ts.Files.Load()) })
	reg.Gauge(mOpen, func() float64 { return float64(ts.Open.Load()) })
	m.update(f, time.Now())
	return m
}

// step brings the metrics up to date, at most every meterEvery. It asks to be
// called again only when something has happened.
func (m *meter) step(f *Forwarder, now time.Time) {
	st, ts := f.ship.Stats(), f.tail.Stats()
	seen := [4]int64{st.Batches.Load(), st.InFlight.Load(), ts.Scans.Load(), f.saver.writes.Load()}
	m.next = time.Time{}
	if at := m.last.Add(meterEvery); now.Before(at) {
		if seen != m.seen {
			m.next = m.last.Add(meterLatest)
		}
		return
	}
	m.seen = seen
	m.update(f, now)
}

func (m *meter) update(f *Forwarder, now time.Time) {
	m.last = now
	f.tail.UpdateLag()
	f.intakes.updateLag()
	if m.reg == nil {
		return
	}
	set := func(c *metrics.Counter, v int64) { c.Set(uint64(v)) } //nolint:gosec // counters are not negative
	f.ledger.Each(func(p *ledger.Account) {
		pm := m.paths[p]
		if pm == nil {
			pm = m.path(p)
			m.paths[p] = pm
		}
		set(pm.readBytes, p.ReadBytes.Load())
		set(pm.readLines, p.ReadLines.Load())
		set(pm.ackedBytes, p.AckedBytes.Load())
		set(pm.ackedLines, p.AckedLines.Load())
		for i, reason := range wire.Reasons() {
			set(pm.lostBytes[i], p.Lost(reason).Bytes.Load())
			set(pm.lostLines[i], p.Lost(reason).Lines.Load())
		}
		set(pm.cut, p.CutLines.Load())
	})
	st := f.ship.Stats()
	set(m.reg.Counter(mBatches), st.Batches.Load())
	set(m.reg.Counter(mSent), st.SentBytes.Load())
	set(m.reg.Counter(mDuplicates), st.Duplicates.Load())
	for _, r := range ship.Reasons() {
		set(m.reg.Counter(mRetries, r), st.Retries(r).Load())
	}
	updateLink(st, m.reg)
	set(m.reg.Counter(mTruncations), f.tail.Stats().Truncations.Load())
	set(m.reg.Counter(mUnlinked), f.tail.Stats().LinksRefused.Load())
	set(m.reg.Counter(mScans), f.tail.Stats().Scans.Load())
	set(m.reg.Counter(mSaves), f.saver.writes.Load())
	set(m.reg.Counter(mSaveErrors), f.saver.errors.Load())
}

func (m *meter) path(p *ledger.Account) *pathMeter {
	m.reg.Gauge(mFlightBytes, func() float64 { return float64(p.InFlight()) }, p.Path)
	m.reg.Gauge(mLag, func() float64 { return float64(p.LagBytes.Load()) }, p.Path)
	m.reg.Gauge(mLagSeconds, func() float64 {
		since := p.LagSince.Load()
		if since == 0 {
			return 0
		}
		return time.Since(time.Unix(0, since)).Seconds()
	}, p.Path)
	pm := &pathMeter{
		readBytes: m.reg.Counter(mReadBytes, p.Path), readLines: m.reg.Counter(mReadLines, p.Path),
		ackedBytes: m.reg.Counter(mAckedBytes, p.Path), ackedLines: m.reg.Counter(mAckedLines, p.Path),
		cut: m.reg.Counter(mCut, p.Path),
	}
	for _, reason := range wire.Reasons() {
		pm.lostBytes = append(pm.lostBytes, m.reg.Counter(mLost, p.Path, reason))
		pm.lostLines = append(pm.lostLines, m.reg.Counter(mLostLines, p.Path, reason))
	}
	return pm
}
