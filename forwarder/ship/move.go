package ship

import (
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

// leaving is how far the parting with a server has come.
type leaving uint8

const (
	staying  leaving = iota
	parting          // nothing more is sent; cut when nothing is waited for
	stranded         // nothing more is sent, but there is no other server
	parted           // cut; the link is connecting to another server
)

// Reasons why we cut a connection. They are the values of a metric's label.
const (
	CutLameDuck = "lame_duck"     // the server has said that it is about to stop
	CutNarrow   = "narrow_window" // it has gone bad, see watch
)

// CutReasons lists them all.
func CutReasons() []string { return []string{CutLameDuck, CutNarrow} }

// Cuts counts the connections cut for a reason.
func (st *Stats) Cuts(reason string) *atomic.Int64 {
	if reason == CutLameDuck {
		return &st.lameDuck
	}
	return &st.narrow
}

// TCP is what the connection was like when it was last looked at; nil while
// disconnected, before the first look and in process.
func (st *Stats) TCP() *broker.TCPInfo { return st.tcp.Load() }

// Retransmits counts segments sent again, over all connections.
func (st *Stats) Retransmits() int64 { return st.retransmits.Load() }

// told takes the server's notice that it is about to stop. Its JetStream has
// stopped already; streams are reachable through other servers only.
func (s *Shipper) told(e Event) {
	if e.conn != s.nc || s.leave != staying {
		return
	}
	s.leave = stranded
	if e.others {
		s.leave = parting
	}
	s.setProblem("the broker is about to stop")
	s.log.Info("the broker is about to stop", "other_servers", e.others, "in_flight", len(s.flight))
}

// move parts with a server that is about to stop, or with a connection that
// has gone bad. It says whether nothing may be sent. The link then waits for a
// random moment of Delay.First, as always before it connects: the notice, and
// whatever spoils connections, reaches all nodes at once.
func (s *Shipper) move(now time.Time) bool {
	if s.leave == staying && s.watch.due(now, len(s.flight) > 0) && s.goneBad(now) {
		s.cut(CutNarrow)
	}
	if s.leave == parting && !s.awaiting() {
		s.cut(CutLameDuck)
	}
	return s.leave != staying
}

// awaiting says whether an answer is due.
func (s *Shipper) awaiting() bool {
	for _, b := range s.flight {
		if b.waiting {
			return true
		}
	}
	return false
}

func (s *Shipper) cut(reason string) {
	s.leave = parted
	s.stats.Connected.Store(0)
	s.stats.Cuts(reason).Add(1)
	s.link.socket.Cut()
}

// goneBad looks at the connection.
func (s *Shipper) goneBad(now time.Time) bool {
	info, ok := s.link.socket.Info()
	if !ok {
		s.watch.begin(now)
		return false
	}
	s.stats.retransmits.Add(max(info.Retransmits-s.watch.last.Retransmits, 0))
	s.stats.tcp.Store(&info)
	if !s.watch.look(info, now) {
		return false
	}
	if !s.watch.said {
		s.watch.said = true
		s.log.Warn("the connection to the broker lets too little through; making a new one, at most every ten minutes",
			"send_window", info.SendWindow, "window_scaling", info.Scaled, "rtt", info.RTT, "not_sent", info.NotSent,
			"retransmits", info.Retransmits, "delivery_rate", info.DeliveryRate)
	}
	return true
}
