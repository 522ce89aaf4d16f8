package forwarder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
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
	// InFlightBatches is the number of batches that the broker has not answered.
	InFlightBatches int64
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

// do has fn run by the goroutine of Run, and waits for its end.
func (f *Forwarder) do(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case f.calls <- func() { fn(); close(done) }:
	case <-f.ended:
		return errors.New("the forwarder has ended")
	case <-ctx.Done():
		return fmt.Errorf("ask the forwarder: %w", ctx.Err())
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ask the forwarder: %w", ctx.Err())
	}
}

// Sources tells about every source. It may be called by anybody while Run runs.
func (f *Forwarder) Sources(ctx context.Context) (all []source.Status, err error) {
	err = f.do(ctx, func() {
		for _, feed := range f.feeds {
			all = append(all, feed.Report()...)
		}
	})
	return all, err
}

// Accounts gives the ledger. It may be called at any time by anybody.
func (f *Forwarder) Accounts() []*ledger.Account { return f.ledger.Accounts() }

// Status may be called at any time by anybody.
func (f *Forwarder) Status() Status {
	st, ts := f.ship.Stats(), f.tail.Stats()
	s := Status{
		SentBytes: st.SentBytes.Load(), InFlightBatches: st.InFlight.Load(), Lost: map[string]int64{}, Files: int(ts.Files.Load()),
		Connected: st.Connected.Load() != 0,
	}
	var since int64
	f.ledger.Each(func(p *ledger.Account) {
		// Acked first: it must not overtake what is read.
		s.AckedLines += p.AckedLines.Load()
		s.AckedBytes += p.AckedBytes.Load()
		for reason, l := range p.Losses() {
			s.Lost[reason] += l.Bytes.Load()
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
