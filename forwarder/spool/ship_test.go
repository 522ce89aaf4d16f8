package spool

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
)

// TestShipped has the real shipper send a spool to a real JetStream, with losses
// between the lines, and the process end in the middle: each offset is stored,
// as a line or as a loss.
func TestShipped(t *testing.T) {
	srv, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := nats.Connect("", srv.Option())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	streams := broker.DefaultStreams()
	streams.MaxBytes = 64 << 20
	streams.MaxMessage = config.Size(64 << 10)
	if r, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: 1, Streams: streams}); err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	cfg := Config{Dir: t.TempDir(), Node: "n", Path: "udp://:514", Bytes: 1 << 20, SyncEvery: time.Millisecond, Batch: 16 << 10, Linger: time.Millisecond}
	id, pos, lines, lost := "", int64(-1), 0, 0
	for range 3 {
		account := ledger.New().Account("p")
		s, err := Open(cfg, pos, id, account, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- s.Run(running) }()
		for range 500 {
			if err := s.Append(fmt.Appendf(nil, "line %d of a log\n", lines), 1); err != nil {
				t.Fatal(err)
			}
			if lines++; lines%100 == 0 {
				s.Lose(wire.KernelDropped, 3, 0)
				lost += 3
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		send(ctx, t, s, srv)
		id, pos = s.Position()
		if account.InFlight() != 0 || pos != s.end {
			t.Fatalf("%d bytes in flight, position %d of %d", account.InFlight(), pos, s.end)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		pos /= 2 // the positions on disk are older: half of it is sent again
	}
	wantStored(ctx, t, js, id, lines, lost)
}

// send does what the forwarder's loop does, until everything is confirmed.
func send(ctx context.Context, t *testing.T, s *Spool, srv *embedded.Server) {
	t.Helper()
	b := broker.DefaultConfig()
	b.Shards, b.Delay = 1, broker.Delay{Step: time.Millisecond, Max: time.Millisecond}
	b.Servers = []string{srv.ClientURL()}
	sh := ship.New(ship.Config{Node: "n", Batch: 16 << 10, MaxMessage: 64 << 10, Encoding: wire.S2, InFlight: 4, AckTimeout: time.Second, Broker: b},
		broker.Options{InProcess: srv}, slog.New(slog.DiscardHandler))
	sh.Start(ctx)
	defer sh.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for s.acked < s.end {
		now := time.Now()
		sh.Tick(now)
		for sh.Ready(now) {
			src := s.Next(now)
			if src == nil {
				break
			}
			if _, err := sh.Ship(src, now); err != nil {
				t.Fatal(err)
			}
		}
		timer.Reset(5 * time.Millisecond)
		select {
		case e := <-sh.Events():
			sh.Handle(e, time.Now())
		case <-s.Wake():
		case <-timer.C:
		case <-ctx.Done():
			t.Fatalf("acked %d of %d: %v", s.acked, s.end, sh.Problem())
		}
	}
}

// wantStored wants every line and every loss in the stream, and nothing between.
func wantStored(ctx context.Context, t *testing.T, js jetstream.JetStream, id string, lines, lost int) {
	t.Helper()
	dec, err := wire.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	st, err := js.Stream(ctx, wire.StreamName(0))
	if err != nil {
		t.Fatal(err)
	}
	all := &storedStream{losses: map[int64]int64{}}
	info := st.CachedInfo().State
	for seq := info.FirstSeq; seq <= info.LastSeq; seq++ {
		m, err := st.GetMsg(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		h, err := wire.DecodeHeader(m.Header)
		if err != nil || h.Source.ID != id || h.Source.Path != "udp://:514" {
			t.Fatalf("%+v: %v", h, err)
		}
		if h.Lost != "" {
			all.losses[h.From] = int64(h.Records)
			continue
		}
		raw, err := dec.Decode(nil, &h, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if n := h.To - int64(len(all.data)); n > 0 {
			all.data = append(all.data, make([]byte, n)...)
		}
		copy(all.data[h.From:], raw)
	}
	text := ""
	for off := int64(0); off < int64(len(all.data)) || all.losses[off] > 0; {
		if n := all.losses[off]; n > 0 {
			off += n
			lost -= int(n)
			continue
		}
		text += string(all.data[off])
		off++
	}
	want := ""
	for i := range lines {
		want += fmt.Sprintf("line %d of a log\n", i)
	}
	if text != want || lost != 0 {
		t.Errorf("%d bytes of lines are stored, want %d; %d lost lines are missing", len(text), len(want), lost)
	}
}

type storedStream struct {
	data   []byte
	losses map[int64]int64
}
