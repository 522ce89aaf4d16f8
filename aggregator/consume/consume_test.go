package consume_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/aggregator/consume"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	js  jetstream.JetStream
	nc  *nats.Conn
	cfg broker.SetupConfig
}

func start(t *testing.T, shards int, change func(*broker.Streams)) *rig {
	t.Helper()
	s, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	r := &rig{cfg: broker.SetupConfig{Shards: shards, Streams: broker.DefaultStreams()}}
	r.cfg.Streams.MaxBytes = 256 << 20
	if change != nil {
		change(&r.cfg.Streams)
	}
	if r.nc, err = broker.Connect(t.Context(), broker.DefaultConfig(), broker.Options{Name: "test", InProcess: s}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.nc.Close)
	if r.js, err = jetstream.New(r.nc); err != nil {
		t.Fatal(err)
	}
	if rep, err := broker.Setup(t.Context(), r.js, r.cfg); err != nil || rep.Err() != nil {
		t.Fatal(err, rep.Err())
	}
	return r
}

// run pulls until the test ends.
func (r *rig) run(t *testing.T, c consume.Config) (_ *consume.Source, stopPulling func()) {
	t.Helper()
	s, err := consume.New(r.nc, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pull, stopPulling := context.WithCancel(context.Background())
	care, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(care, pull)
	}()
	t.Cleanup(func() {
		stopPulling()
		stop()
		<-done
	})
	return s, stopPulling
}

func (r *rig) publish(t *testing.T, shard, count, size int) {
	t.Helper()
	payload := []byte(strings.Repeat("x", size))
	for range count {
		if _, err := r.js.Publish(t.Context(), strings.TrimSuffix(wire.StreamSubjects(shard), ">")+"n", payload); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, testenv.Patience, what, ok)
}

// TestPullsAreBoundedInBytes: a pull by count gets a client disconnected that
// does not read 64 MiB in time. Here nobody reads at all.
func TestPullsAreBoundedInBytes(t *testing.T) {
	r := start(t, 4, func(s *broker.Streams) { s.MaxMessage = 1 << 20 })
	for n := range 4 {
		r.publish(t, n, 40, 1<<20-1024) // 160 MiB
	}
	s, _ := r.run(t, consume.Config{Shards: 4, Bytes: 16 << 20})
	eventually(t, "each shard has pulled what it may", func() bool { return s.Held() >= 12 })
	for range 20 {
		if n := s.Held(); n > 16 {
			t.Fatalf("%d messages of 1 MiB were pulled ahead, the bound is 16 MiB", n)
		}
		if err := r.nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for range 160 {
		m := <-s.Messages()
		if m.Delivered != 1 || len(m.Payload) != 1<<20-1024 {
			t.Fatalf("delivery %d, %d bytes", m.Delivered, len(m.Payload))
		}
		if err := s.Ack(t.Context(), []*consume.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.nc.Stats().Reconnects; n != 0 {
		t.Errorf("disconnected %d times", n)
	}
	eventually(t, "nothing is left", func() bool {
		b, err := s.Backlog(t.Context())
		return err == nil && b.Empty() && s.Held() == 0
	})
}

// TestShardsTakeTurnsWhenMessagesAreLarge: more shards than messages that fit.
func TestShardsTakeTurnsWhenMessagesAreLarge(t *testing.T) {
	r := start(t, 6, func(s *broker.Streams) { s.MaxMessage, s.MaxBytes = 4<<20, 64<<20 })
	for n := range 6 {
		r.publish(t, n, 3, 3<<20)
	}
	s, _ := r.run(t, consume.Config{Shards: 6, Bytes: 9 << 20})
	for i := range 18 {
		if n := s.Held(); n > 4 {
			t.Fatalf("%d messages of 3 MiB are held, want at most 9 MiB and those in our hands", n)
		}
		select {
		case m := <-s.Messages():
			if err := s.Ack(t.Context(), []*consume.Message{m}); err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("message %d did not come: a shard starves", i)
		}
	}
}

func TestHeldMessagesAreNotDeliveredAgain(t *testing.T) {
	r := start(t, 1, func(s *broker.Streams) { s.AckWait = time.Second })
	r.publish(t, 0, 5, 10)
	s, stop := r.run(t, consume.Config{Shards: 1, Bytes: 1 << 20})
	m := <-s.Messages()
	stop() // also while it ends
	for end := time.After(2500 * time.Millisecond); ; {
		select {
		case m := <-s.Messages():
			if m != nil && m.Delivered > 1 {
				t.Fatalf("message %d was delivered again", m.Sequence)
			}
			continue
		case <-end:
		}
		break
	}
	rep, err := broker.Status(t.Context(), r.js, r.cfg)
	if err != nil || rep.Shards[0].Redelivered != 0 || rep.Shards[0].Messages != 5 {
		t.Fatalf("%+v, %v", rep.Shards[0], err)
	}
	if err := s.Ack(t.Context(), []*consume.Message{m}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ack arrived", func() bool {
		rep, err := broker.Status(t.Context(), r.js, r.cfg)
		return err == nil && rep.Shards[0].Messages == 4
	})
}

func TestSourceRefusesWhatCannotWork(t *testing.T) {
	for _, c := range []consume.Config{{Shards: 0, Bytes: 1}, {Shards: 101, Bytes: 1}, {Shards: 1, Bytes: 0}, {Shards: 1, Bytes: consume.MaxBytes + 1}} {
		if _, err := consume.New(nil, c, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
