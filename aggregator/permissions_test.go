package aggregator_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
)

// TestPermissionsOfTheDocumentationAreEnough runs an aggregator and publishes as
// a forwarder with exactly what docs/formats/wire.md grants them.
func TestPermissionsOfTheDocumentationAreEnough(t *testing.T) {
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "pw", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	r := &rig{t: t, shards: 2, streams: broker.DefaultStreams()}
	r.streams.MaxBytes = 64 << 20
	s, err := embedded.Start(t.TempDir(), embedded.Options{Configure: func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", -1
		o.Users = []*server.User{
			user("admin", []string{"$JS.API.>"}, []string{"_INBOX.>"}),
			user("forwarder", []string{"raw.*.n1"}, []string{"_INBOX.n1.>"}),
			user("aggregator", []string{"$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.*.archive", "$JS.API.CONSUMER.MSG.NEXT.*.archive", "$JS.ACK.>", "tail.lines.*"}, []string{"_INBOX.a1.>", "tail.ask.>"}),
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	refused := make(chan error, 100)
	as := func(user, name string) (*nats.Conn, broker.Config) {
		c := broker.DefaultConfig()
		c.Servers, c.Delay, c.User, c.Password, c.Shards = []string{s.ClientURL()}, broker.Delay{}, user, "pw", r.shards
		nc, err := broker.Connect(t.Context(), c, broker.Options{Name: name, OnError: func(err error) { refused <- err }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc, c
	}
	admin, _ := as("admin", "setup")
	if r.js, err = jetstream.New(admin); err != nil {
		t.Fatal(err)
	}
	r.setup()
	watch := r.js
	forwarder, _ := as("forwarder", "n1")
	if r.js, err = jetstream.New(forwarder); err != nil {
		t.Fatal(err)
	}
	sent := r.send([]string{"n1"}, 3, 5)
	r.js = watch

	_, login := as("aggregator", "a1")
	c := r.config("a1")
	c.Broker = login
	var archive store
	a, err := aggregator.New(c, aggregator.Deps{Archive: &archive, Broker: broker.Options{OnError: func(err error) { refused <- err }}})
	if err != nil {
		t.Fatal(err)
	}
	run := r.runs(a)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	if err := run.Ready(); err != nil {
		t.Error(err)
	}
	if err := run.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	run.stop()
	archive.same(t, sent)
	select {
	case err := <-refused:
		t.Errorf("refused: %v", err)
	default:
	}
}
