package forwarder

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestLinesArriveOnceAndInPlace(t *testing.T) {
	for _, enc := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
		t.Run(enc.String(), func(t *testing.T) {
			s := newSite(t, nil)
			s.setup(64 << 20)
			s.cfg.Batch.Compression, s.cfg.Batch.MaxMessage = enc.String(), 64<<10
			s.write(5000)
			s.start()
			s.awaitAcked(5000)
			s.write(1)
			s.awaitAcked(5001)
			if err := os.Rename(s.log, s.log+".1"); err != nil {
				t.Fatal(err)
			}
			s.write(2000)
			s.awaitAcked(7001)
			s.ledger()
			if err := s.fwd.Ready(); err != nil {
				t.Errorf("Ready: %v", err)
			}
			s.end()
			s.start() // nothing is sent again after a clean end
			s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
			s.write(10)
			s.awaitAcked(10)
			if st := s.fwd.Status(); st.ReadLines != 10 {
				t.Errorf("%d lines read after a clean restart, want 10", st.ReadLines)
			}
			s.stored(7011)
		})
	}
}

func TestCrashesRepeatButNeverLose(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Batch.Bytes, s.cfg.Batch.MaxMessage = 16<<10, 64<<10
	var saved []byte
	for i := range 8 {
		s.write(2000)
		s.start()
		want := 300 * (i + 1)
		s.eventually("some lines", func() bool { return s.fwd.Status().AckedLines >= int64(min(want, 1000)) })
		if i == 3 {
			if err := os.Rename(s.log, s.log+".1"); err != nil {
				t.Fatal(err)
			}
		}
		keep := s.positions()
		s.crash(saved)
		saved = keep
	}
	s.start()
	s.eventually("everything", func() bool { st := s.fwd.Status(); return st.LagBytes == 0 && st.AckedLines > 0 })
	s.ledger()
	s.stored(16_000)
}

func TestBrokerAwayAndBack(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Batch.Bytes, s.cfg.Batch.MaxMessage = 16<<10, 64<<10
	s.write(3000)
	s.start()
	s.eventually("some lines", func() bool { return s.fwd.Status().AckedLines > 0 })
	for range 3 {
		s.srv.Stop()
		s.write(3000)
		s.eventually("not ready", func() bool { return s.fwd.Ready() != nil })
		s.serve()
		s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	}
	s.awaitAcked(12_000)
	s.ledger()
	s.stored(12_000)
}

func TestBrokerAwayAtTheStart(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.srv.Stop()
	s.write(100)
	s.start()
	s.eventually("it says so", func() bool { return strings.Contains(s.out.String(), "cannot reach the broker") })
	s.serve()
	s.awaitAcked(100)
	s.stored(100)
}

func TestStoppingWhileTheBrokerIsAwayIsBounded(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.DrainTimeout = 200 * time.Millisecond
	s.write(100)
	s.start()
	s.awaitAcked(100)
	s.srv.Stop()
	s.write(100)
	begin := time.Now()
	s.end()
	if d := time.Since(begin); d > 15*time.Second {
		t.Errorf("ending took %v", d)
	}
	s.serve()
	s.start()
	s.awaitAcked(100)
	s.stored(200)
}

func TestFullStream(t *testing.T) {
	s := newSite(t, nil)
	s.setup(256 << 10)
	s.cfg.Batch.Bytes, s.cfg.Batch.MaxMessage, s.cfg.Batch.Compression = 16<<10, 64<<10, "none"
	s.write(10_000) // 1 MB
	s.start()
	s.eventually("it says that the stream is full", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "RAW-00 takes no more")
	})
	if n := strings.Count(s.out.String(), "takes no more"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	s.admin(func(ctx context.Context, js jetstream.JetStream) { // the aggregators catch up
		st := broker.DefaultStreams()
		st.MaxMessage, st.MaxBytes = 64<<10, 64<<20
		if _, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: 1, Streams: st, Update: true}); err != nil {
			t.Fatal(err)
		}
	})
	s.awaitAcked(10_000)
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	s.ledger()
	s.stored(10_000)
}

func TestMissingStream(t *testing.T) {
	s := newSite(t, nil)
	s.start() // nothing to ship yet: it must be said all the same
	s.eventually("it says what to do", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "RAW-00 is missing") && strings.Contains(err.Error(), "loghaul broker setup")
	})
	s.write(100)
	s.setup(64 << 20)
	s.awaitAcked(100)
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	s.stored(100)
}

// TestStreamThatGoesAway has it removed under a working forwarder.
func TestStreamThatGoesAway(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(100)
	s.start()
	s.awaitAcked(100)
	s.admin(func(ctx context.Context, js jetstream.JetStream) {
		if err := js.DeleteStream(ctx, wire.StreamName(0)); err != nil {
			t.Fatal(err)
		}
	})
	s.write(100)
	s.eventually("it says what to do", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "loghaul broker setup")
	})
	s.setup(64 << 20)
	s.awaitAcked(200)
	s.ledger()
}

func TestPermissionIsMissing(t *testing.T) {
	allowed := "raw.00.other"
	s := newSite(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "fwd", Password: "p", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{allowed}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.node.>"}},
			}},
			{Username: "admin", Password: "p"},
		}
		o.NoAuthUser = "admin"
	})
	s.setup(64 << 20)
	s.cfg.Broker.User, s.cfg.Broker.Password = "fwd", "p"
	s.write(100)
	s.start()
	s.eventually("it says what to grant", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "raw.00.node") && strings.Contains(strings.ToLower(err.Error()), "permissions violation")
	})
	s.srv.Stop()
	allowed = "raw.*.node"
	s.serve()
	s.awaitAcked(100)
	s.stored(100)
}

func TestTwoForwardersOnOneState(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	_, err := New(s.cfg, Deps{Logger: s.fwd.log})
	if err == nil || !strings.Contains(err.Error(), "another forwarder") {
		t.Errorf("the second forwarder: %v", err)
	}
}

// TestLineThatCompressesBadly is longer than a message may be.
func TestLineThatCompressesBadly(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Batch.MaxMessage = 64 << 10
	r := rand.New(rand.NewPCG(1, 2))
	line := make([]byte, 300<<10)
	for i := range line {
		line[i] = byte('0' + r.IntN(200))
	}
	line = bytes.ReplaceAll(line, []byte{'\n'}, []byte{'x'})
	if err := os.WriteFile(s.log, slices.Concat([]byte("before\n"), line, []byte("\nafter\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.eventually("all of it", func() bool { return s.fwd.Status().AckedBytes == int64(len(line)+14) })
	s.ledger()
}

// TestStopShipsWhatLingers: the last second of a node that goes away.
func TestStopShipsWhatLingers(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(10)
	s.start()
	s.awaitAcked(10)
	s.end()
	s.cfg.Batch.Linger = time.Hour
	s.start()
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	s.write(10)
	s.eventually("it knows of them", func() bool {
		all, err := s.fwd.Sources(t.Context())
		return err == nil && len(all) == 1 && all[0].State == "live" && all[0].Size > all[0].Acked
	})
	if n := s.fwd.Status().AckedLines; n != 0 {
		t.Fatalf("%d lines are stored before the linger is over", n)
	}
	fwd := s.fwd
	s.end()
	if n := fwd.Status().AckedLines; n != 10 {
		t.Errorf("%d lines are stored at the end, want 10", n)
	}
	if _, err := fwd.Sources(t.Context()); err == nil {
		t.Error("a forwarder that has ended answers")
	}
	s.stored(20)
}

// TestReload changes what can be changed while lines flow.
func TestReload(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(100)
	s.start()
	s.awaitAcked(100)
	cfg := s.cfg
	cfg.Node = "another"
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "node was changed, which needs a restart") {
		t.Errorf("another node: %v", err)
	}
	cfg = s.cfg
	cfg.Spool.Bytes *= 2
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "spool was changed, which needs a restart") {
		t.Errorf("another spool: %v", err)
	}
	cfg = s.cfg
	cfg.InFlight = 0
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "in_flight") {
		t.Errorf("no batch in flight: %v", err)
	}
	s.write(100)
	s.awaitAcked(200)
	s.ledger()
}
