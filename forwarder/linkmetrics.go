package forwarder

import (
	"time"

	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/metrics"
)

// Names of the metrics of the connection to the broker.
const (
	mAck         = "loghaul_forwarder_ack_seconds"
	mTry         = "loghaul_forwarder_try_seconds"
	mCuts        = "loghaul_forwarder_connections_cut_total"
	mTCPWindow   = "loghaul_forwarder_tcp_send_window_bytes"
	mTCPScaled   = "loghaul_forwarder_tcp_window_scaling"
	mTCPRTT      = "loghaul_forwarder_tcp_rtt_seconds"
	mTCPNotSent  = "loghaul_forwarder_tcp_not_sent_bytes"
	mTCPRate     = "loghaul_forwarder_tcp_delivery_rate_bytes"
	mTCPResent   = "loghaul_forwarder_tcp_retransmits_total"
	whenLookedAt = " As of the last look, every 10 s while data flows; 0 while disconnected."
)

// ackBuckets go from an answer out of memory over an fsync to an outage.
func ackBuckets() []float64 {
	return []float64{
		.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900,
	}
}

func linkMetrics() []metrics.Desc {
	gauge := func(name, help string) metrics.Desc {
		return metrics.Desc{Name: name, Kind: metrics.KindGauge, Help: help + whenLookedAt}
	}
	return []metrics.Desc{
		{Name: mAck, Kind: metrics.KindHistogram, Buckets: ackBuckets(), Help: "Time from the first publish of a batch to the broker's answer that it is stored."},
		{Name: mTry, Kind: metrics.KindHistogram, Buckets: ackBuckets(), Help: "The part of it that the last publish took: the broker's own time, without outages and waits before repetitions."},
		{Name: mCuts, Kind: metrics.KindCounter, Labels: []string{"reason"}, Help: "Connections that we cut to make a new one: lame_duck (the server is about to stop), narrow_window (it let too little through)."},
		gauge(mTCPWindow, "What the broker's host takes at a time."),
		gauge(mTCPScaled, "1 if the connection has window scaling; without it the window is 65,535 bytes at most."),
		gauge(mTCPRTT, "Round-trip time of the connection to the broker."),
		gauge(mTCPNotSent, "Bytes that wait in the socket because the window is full."),
		gauge(mTCPRate, "Bytes a second that were last delivered."),
		{Name: mTCPResent, Kind: metrics.KindCounter, Help: "TCP segments sent again."},
	}
}

// meterLink registers what is measured as it happens.
func meterLink(s *ship.Shipper, reg *metrics.Registry) {
	ack, try := reg.Histogram(mAck), reg.Histogram(mTry)
	s.OnAck(func(total, last time.Duration) {
		ack.Observe(total.Seconds())
		if last >= 0 {
			try.Observe(last.Seconds())
		}
	})
	st := s.Stats()
	gauge := func(name string, of func(*broker.TCPInfo) float64) {
		reg.Gauge(name, func() float64 {
			if i := st.TCP(); i != nil {
				return of(i)
			}
			return 0
		})
	}
	gauge(mTCPWindow, func(i *broker.TCPInfo) float64 { return float64(i.SendWindow) })
	gauge(mTCPRTT, func(i *broker.TCPInfo) float64 { return i.RTT.Seconds() })
	gauge(mTCPNotSent, func(i *broker.TCPInfo) float64 { return float64(i.NotSent) })
	gauge(mTCPRate, func(i *broker.TCPInfo) float64 { return float64(i.DeliveryRate) })
	gauge(mTCPScaled, func(i *broker.TCPInfo) float64 {
		if i.Scaled {
			return 1
		}
		return 0
	})
}

// updateLink copies the counters.
func updateLink(st *ship.Stats, reg *metrics.Registry) {
	for _, r := range ship.CutReasons() {
		reg.Counter(mCuts, r).Set(uint64(st.Cuts(r).Load())) //nolint:gosec // counters are not negative
	}
	reg.Counter(mTCPResent).Set(uint64(st.Retransmits())) //nolint:gosec // counters are not negative
}
