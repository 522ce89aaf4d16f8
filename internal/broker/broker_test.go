package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, dir string, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, cfg broker.Config, o broker.Options) *nats.Conn {
	t.Helper()
	nc, err := broker.Connect(ctx(t), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return c
}

func inProcess(t *testing.T, s *embedded.Server) jetstream.JetStream {
	t.Helper()
	nc := connect(t, broker.DefaultConfig(), broker.Options{Name: "test", Extra: []nats.Option{s.Option()}})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func setup(shards int) broker.SetupConfig {
	c := broker.SetupConfig{Shards: shards, Streams: broker.DefaultStreams()}
	c.Streams.MaxBytes = 64 << 20
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, testenv.Patience, what, ok)
}

func TestSetupMakesWhatDaemonsBindTo(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	js := inProcess(t, s)

	if _, err := broker.Bind(ctx(t), js, 1); !errors.Is(err, broker.ErrMissing) ||
		!strings.Contains(err.Error(), "stream RAW-01 is missing: run `loghaul broker setup --config FILE`") {
		t.Fatalf("bind before set-up: %v", err)
	}
	r, err := broker.Status(ctx(t), js, setup(3))
	if err != nil || !errors.Is(r.Err(), broker.ErrMissing) {
		t.Fatalf("status before set-up: %v, %v", err, r.Err())
	}
	if r, err = broker.Setup(ctx(t), js, setup(3)); err != nil || r.Err() != nil {
		t.Fatalf("setup: %v, %v", err, r.Err())
	}
	for _, s := range r.Shards {
		if s.StreamOutcome != broker.Created || s.ConsumerOutcome != broker.Created {
			t.Errorf("first set-up: %+v", s)
		}
	}
	if r, err = broker.Setup(ctx(t), js, setup(3)); err != nil || r.Err() != nil {
		t.Fatalf("setup again: %v, %v", err, r.Err())
	}
	for _, s := range r.Shards {
		if s.StreamOutcome != broker.Same || s.ConsumerOutcome != broker.Same || len(s.Diffs) > 0 {
			t.Errorf("second set-up: %+v", s)
		}
	}
	b, err := broker.Bind(ctx(t), js, 2)
	if err != nil {
		t.Fatal(err)
	}
	if b.AckWait != 90*time.Second || b.MaxMessage != 4<<20 {
		t.Errorf("binding: %+v", b)
	}
	c := b.Consumer.CachedInfo().Config
	if c.AckPolicy != jetstream.AckExplicitPolicy || c.MaxDeliver != -1 || c.AckWait != 90*time.Second || c.MaxAckPending != 4096 {
		t.Errorf("consumer: %+v", c)
	}
	str, err := js.Stream(ctx(t), "RAW-02")
	if err != nil {
		t.Fatal(err)
	}
	sc := str.CachedInfo().Config
	if sc.Retention != jetstream.WorkQueuePolicy || sc.Discard != jetstream.DiscardNew || sc.MaxAge != 0 ||
		sc.Storage != jetstream.FileStorage || sc.Compression != jetstream.NoCompression || sc.MaxBytes != 64<<20 {
		t.Errorf("stream: %+v", sc)
	}
	if err := str.DeleteConsumer(ctx(t), wire.ConsumerName); err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Bind(ctx(t), js, 2); !errors.Is(err, broker.ErrMissing) || !strings.Contains(err.Error(), "consumer RAW-02/archive is missing") {
		t.Errorf("bind without consumer: %v", err)
	}
}

func TestSetupReportsDifferencesAndChangesThemOnlyWhenTold(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	js := inProcess(t, s)
	if _, err := broker.Setup(ctx(t), js, setup(2)); err != nil {
		t.Fatal(err)
	}
	c := setup(2)
	c.Streams.MaxBytes = 32 << 20
	c.Streams.AckWait = 30 * time.Second
	r, err := broker.Setup(ctx(t), js, c)
	if err != nil {
		t.Fatal(err)
	}
	want := "stream.max_bytes is 64MiB, configured 32MiB; consumer.ack_wait is 1m30s, configured 30s"
	if err := r.Err(); !errors.Is(err, broker.ErrDiffers) || strings.Count(err.Error(), want) != 2 {
		t.Fatalf("differences: %v", err)
	}
	if r, _ := broker.Status(ctx(t), js, setup(2)); r.Err() != nil {
		t.Fatalf("set-up without the flag changed something: %v", r.Err())
	}
	c.Update = true
	if r, err = broker.Setup(ctx(t), js, c); err != nil || r.Err() != nil || r.Shards[1].StreamOutcome != broker.Updated || r.Shards[1].ConsumerOutcome != broker.Updated {
		t.Fatalf("update: %+v, %v, %v", r, err, r.Err())
	}
	c.Update = false
	if r, err = broker.Status(ctx(t), js, c); err != nil || r.Err() != nil {
		t.Fatalf("after the update: %v, %v", err, r.Err())
	}
}

func TestSetupRefusesAStreamOfAnotherKind(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	js := inProcess(t, s)
	if _, err := js.CreateStream(ctx(t), jetstream.StreamConfig{Name: "RAW-00", Subjects: []string{"raw.00.>"}, Retention: jetstream.LimitsPolicy}); err != nil {
		t.Fatal(err)
	}
	c := setup(1)
	c.Update = true
	r, err := broker.Setup(ctx(t), js, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); !errors.Is(err, broker.ErrDiffers) || !strings.Contains(err.Error(), "stream.retention is Limits, configured WorkQueue (cannot be changed in place") {
		t.Fatalf("another retention: %v", err)
	}
}

func TestStatusFindsStreamsBeyondTheShards(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	js := inProcess(t, s)
	if _, err := broker.Setup(ctx(t), js, setup(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx(t), "raw.02.node", []byte("x")); err != nil {
		t.Fatal(err)
	}
	r, err := broker.Status(ctx(t), js, setup(2))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "RAW-02") || !strings.Contains(err.Error(), "holds 1 batches") {
		t.Fatalf("a stream beyond the shards: %v", err)
	}
}

func TestSetupSaysWhenStorageIsTooSmall(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{MaxStore: 100 << 20})
	js := inProcess(t, s)
	_, err := broker.Setup(ctx(t), js, setup(3))
	if err == nil || !strings.Contains(err.Error(), "3 shards of 64MiB reserve 192MiB") || !strings.Contains(err.Error(), "streams.max_bytes") {
		t.Fatalf("too little storage: %v", err)
	}
}

func TestSetupSaysWhenReplicasCannotBe(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	js := inProcess(t, s)
	c := setup(1)
	c.Streams.Replicas = 3
	if _, err := broker.Setup(ctx(t), js, c); err == nil || !strings.Contains(err.Error(), "set streams.replicas to 1 on a single server") {
		t.Fatalf("replicas on a single server: %v", err)
	}
}

func TestEmbeddedKeepsMessagesOverARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, embedded.Options{})
	js := inProcess(t, s)
	if _, err := broker.Setup(ctx(t), js, setup(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx(t), "raw.00.node", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Stop()
	if _, err := s.InProcessConn(); err == nil {
		t.Fatal("a stopped server took a connection")
	}
	r, err := broker.Status(ctx(t), inProcess(t, start(t, dir, embedded.Options{})), setup(1))
	if err != nil || r.Shards[0].Messages != 1 {
		t.Fatalf("after a restart: %+v, %v", r, err)
	}
}

func TestEmbeddedSaysWhyItCannotStart(t *testing.T) {
	_, err := embedded.Start(t.TempDir()+"/store", embedded.Options{Configure: func(o *server.Options) { o.Port, o.DontListen, o.Host = 1, false, "256.0.0.1" }})
	if err == nil || !strings.Contains(err.Error(), "start the embedded broker in") {
		t.Fatalf("an address that is none: %v", err)
	}
}
