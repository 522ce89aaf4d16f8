package forwarder

import (
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
)

// Status is what a forwarder has done since it started, over all inputs.
type Status struct {
	// ReadLines and ReadBytes were taken charge of: read, or (bytes) lost
	// before they could be.
	ReadLines, ReadBytes int64
	// AckedLines and AckedBytes are stored by the broker.
	AckedLines, AckedBytes int64
	// InFlightLines and InFlightBytes are read and not stored yet.
	InFlightLines, InFlightBytes int64
	// SentBytes is what went over the network, after compression.
	SentBytes int64
	// Lost holds bytes by reason; reasons without loss are left out.
	Lost map[string]int64
	// LagBytes is what is written to the files and not stored by the broker;
	// Lag is the age of the oldest of it.
	LagBytes int64
	Lag      time.Duration
	// Files is the number of files followed.
	Files int
	// Connected says whether the connection to the broker stands.
	Connected bool
	// Problem is why nothing moves, empty when it does.
	Problem string
}

// Status may be called at any time by anybody.
func (f *Forwarder) Status() Status {
	st, ts := f.ship.Stats(), f.tail.Stats()
	s := Status{
		SentBytes: st.SentBytes.Load(), Lost: map[string]int64{}, Files: int(ts.Files.Load()),
		Connected: st.Connected.Load() != 0,
	}
	var since int64
	f.ledger.Each(func(p *ledger.Account) {
		// Acked first: it must not overtake what is read.
		s.AckedLines += p.AckedLines.Load()
		s.AckedBytes += p.AckedBytes.Load()
		for _, reason := range ledger.Reasons() {
			if n := p.Lost(reason).Bytes.Load(); n > 0 {
				s.Lost[reason] += n
			}
		}
		s.ReadLines += p.ReadLines.Load()
		s.ReadBytes += p.ReadBytes.Load()
		s.LagBytes += p.LagBytes.Load()
		if at := p.LagSince.Load(); at != 0 && (since == 0 || at < since) {
			since = at
		}
	})
	s.InFlightLines = s.ReadLines - s.AckedLines
	s.InFlightBytes = s.ReadBytes - s.AckedBytes
	for _, n := range s.Lost {
		s.InFlightBytes -= n
	}
	if since != 0 {
		s.Lag = time.Since(time.Unix(0, since))
	}
	if err := f.Ready(); err != nil {
		s.Problem = err.Error()
	}
	return s
}
