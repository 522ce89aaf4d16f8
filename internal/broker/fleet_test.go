package broker_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

// fleet is the three brokers of deploy/nats/fleet.conf.
type fleet struct {
	dir     string
	ca      *testenv.CA
	servers []*testenv.NATSServer
	urls    []string
	seeds   []string // of users.conf, in its order: web-1, aggregator-1, operator, reader
}

// deploy starts three servers with exactly the files of deploy/nats: only
// names, ports, paths and keys are replaced.
func deploy(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{dir: t.TempDir()}
	f.ca = testenv.NewCA(t, f.dir)
	cert, key := f.ca.Issue("broker")
	users := read(t, "users.conf")
	users = regexp.MustCompile(`nkey: U\w{55}`).ReplaceAllStringFunc(users, func(string) string {
		public, seed := newUser(t, f.dir, fmt.Sprintf("user-%d.nk", len(f.seeds)))
		f.seeds = append(f.seeds, seed)
		return "nkey: " + public
	})
	if len(f.seeds) != 4 {
		t.Fatalf("users.conf has %d keys, want 4", len(f.seeds))
	}
	ports := testenv.FreeNATSPorts(t, 3)
	for i, p := range ports {
		dir := filepath.Join(f.dir, fmt.Sprint("n", i))
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "users.conf"), []byte(users), 0o600); err != nil {
			t.Fatal(err)
		}
		conf := read(t, "fleet.conf")
		for was, is := range map[string]string{
			"server_name: loghaul-a":          fmt.Sprint("server_name: loghaul-", i),
			`"az:a"`:                          fmt.Sprintf(`"az:%d"`, i),
			"listen: 0.0.0.0:4222":            fmt.Sprint("listen: 127.0.0.1:", p.Client),
			"http: 127.0.0.1:8222":            fmt.Sprint("http: 127.0.0.1:", p.Monitor),
			"listen: 0.0.0.0:6222":            fmt.Sprint("listen: 127.0.0.1:", p.Cluster),
			"nats://broker-a:6222":            fmt.Sprint("nats://127.0.0.1:", ports[0].Cluster),
			"nats://broker-b:6222":            fmt.Sprint("nats://127.0.0.1:", ports[1].Cluster),
			"nats://broker-c:6222":            fmt.Sprint("nats://127.0.0.1:", ports[2].Cluster),
			"cert_file: /etc/nats/server.pem": "cert_file: " + cert,
			"key_file: /etc/nats/server.key":  "key_file: " + key,
			"ca_file: /etc/nats/ca.pem":       "ca_file: " + f.ca.File,
			"store_dir: /data":                "store_dir: " + filepath.Join(dir, "data"),
		} {
			if strings.Count(conf, was) != 1 {
				t.Fatalf("fleet.conf holds %q %d times", was, strings.Count(conf, was))
			}
			conf = strings.Replace(conf, was, is, 1)
		}
		f.servers = append(f.servers, testenv.NATSWith(t, dir, conf, p))
		f.urls = append(f.urls, fmt.Sprint("tls://127.0.0.1:", p.Client))
	}
	for _, s := range f.servers {
		s.Ready()
	}
	return f
}

// config is that of a client: certificate of its own, key of a user.
func (f *fleet) config(name string, user int) broker.Config {
	c := fast(f.urls...)
	c.Shards = 2
	c.TLS.CA = f.ca.File
	c.TLS.Cert, c.TLS.Key = f.ca.Issue(name)
	c.NKey = f.seeds[user]
	return c
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Root(t), "deploy", "nats", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// newUser makes an NKey and the file with its seed.
func newUser(t *testing.T, dir, name string) (public, file string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, name)
	if err := os.WriteFile(file, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return public, file
}

// errorLog collects what belongs to no call.
type errorLog struct {
	mu   sync.Mutex
	errs []error
}

func (e *errorLog) add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errs = append(e.errs, err)
}

func (e *errorLog) denied(subject string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range e.errs {
		if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
			return true
		}
	}
	return false
}

// onlyItself checks the rights of a forwarder on node: its own subject is
// stored, everything else is refused and said.
func onlyItself(t *testing.T, nc *nats.Conn, errs *errorLog, node string, shards int) {
	t.Helper()
	own := wire.Subject(node, shards)
	answer, err := nc.Request(own, []byte("batch"), 10*time.Second)
	if err != nil || !strings.Contains(string(answer.Data), `"stream":"`+wire.StreamName(wire.Shard(node, shards))+`"`) {
		t.Fatalf("own subject: %v %v", answer, err)
	}
	for _, subject := range []string{
		"raw.00.other", "raw.01.other", "raw.00." + node + ".x", "$JS.API.STREAM.INFO.RAW-00", "$JS.API.STREAM.DELETE.RAW-00",
		"$JS.API.CONSUMER.MSG.NEXT.RAW-00.archive", "$JS.ACK.x", "_INBOX.other.x",
	} {
		if err := nc.Publish(subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the publish to "+subject+" is refused", func() bool { return errs.denied(subject) })
	}
	for _, subject := range []string{"raw.>", "_INBOX.other.>", "_INBOX.>", ">"} {
		if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the subscription to "+subject+" is refused", func() bool { return errs.denied(subject) })
	}
}

// TestDeployedFleet runs the configuration that is documented.
func TestDeployedFleet(t *testing.T) {
	f := deploy(t)
	operator, err := jetstream.New(connect(t, f.config("operator", 2), broker.Options{Name: "operator"}))
	if err != nil {
		t.Fatal(err)
	}
	c := setup(2)
	c.Streams.Replicas = 3
	if r, err := broker.Setup(ctx(t), operator, c); err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}

	var errs errorLog
	web := connect(t, f.config("web-1", 0), broker.Options{Name: "web-1", OnError: errs.add})
	if got := web.MaxPayload(); got != int64(broker.DefaultStreams().MaxMessage) {
		t.Errorf("max_payload is %d", got)
	}
	onlyItself(t, web, &errs, "web-1", 2)

	aggregator, err := jetstream.New(connect(t, f.config("aggregator-1", 1), broker.Options{Name: "aggregator-1"}))
	if err != nil {
		t.Fatal(err)
	}
	stream := wire.StreamName(wire.Shard("web-1", 2))
	consumer, err := aggregator.Consumer(ctx(t), stream, wire.ConsumerName)
	if err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(ctx(t)); err != nil || string(m.Data()) != "batch" {
		t.Fatal(err, string(m.Data()))
	}

	// Nobody gets in without a certificate, or with that alone.
	for name, change := range map[string]func(*broker.Config){
		"certificate": func(c *broker.Config) { c.TLS.Cert, c.TLS.Key = "", "" },
		"key":         func(c *broker.Config) { c.NKey = "" },
		"CA":          func(c *broker.Config) { c.TLS.CA = "" },
	} {
		c := f.config("web-1", 0)
		change(&c)
		if _, err := broker.Connect(t.Context(), c, broker.Options{Name: "web-1", Once: true}); err == nil {
			t.Errorf("connected without a %s", name)
		}
	}

	// One broker gone and one that accepts and says nothing: the third serves.
	f.servers[0].Kill()
	slow := silent(t)
	some := f.config("web-1", 0)
	some.Servers = []string{f.urls[0], "tls://" + slow, f.urls[1]}
	some.Timeout = time.Second
	for range 3 {
		nc := connect(t, some, broker.Options{Name: "web-1"})
		eventually(t, "a batch is stored through the broker that is left", func() bool {
			_, err := nc.Request(wire.Subject("web-1", 2), []byte("batch"), time.Second)
			return err == nil
		})
	}
}

// silent listens and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
