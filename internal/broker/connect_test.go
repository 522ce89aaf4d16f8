package broker_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/testenv"
)

// listening makes the embedded server listen on loopback.
func listening(port int, more ...func(*server.Options)) embedded.Options {
	return embedded.Options{Configure: func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", port
		for _, f := range more {
			f(o)
		}
	}}
}

// fast is a configuration without delays.
func fast(urls ...string) broker.Config {
	c := broker.DefaultConfig()
	c.Servers, c.Delay = urls, broker.Delay{}
	return c
}

func TestConnectComesBackAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, listening(-1))
	url := s.ClientURL()
	var l testenv.Log
	var up, down atomic.Int32
	nc := connect(t, fast(url), broker.Options{Name: "n", Logger: l.Logger(), OnState: func(s broker.State) {
		switch s {
		case broker.Connected:
			up.Add(1)
		case broker.Disconnected:
			down.Add(1)
		case broker.Closed:
		}
	}})
	s.Stop()
	eventually(t, "the loss is noticed", func() bool { return down.Load() == 1 })
	if err := nc.Publish("x", nil); err == nil {
		t.Error("a publish while disconnected was taken: it must fail at once")
	}
	port := portOf(t, url)
	start(t, dir, listening(port))
	eventually(t, "the connection is back", func() bool { return up.Load() == 2 && nc.IsConnected() })
	if n := l.Count("cannot reach the broker"); n != 1 {
		t.Errorf("the loss was logged %d times, want once:\n%s", n, l.String())
	}
	if n := l.Count("connected to the broker again"); n != 1 {
		t.Errorf("the return was logged %d times, want once:\n%s", n, l.String())
	}
}

func TestConnectWaitsForABrokerThatIsNotThereYet(t *testing.T) {
	s := start(t, t.TempDir(), listening(-1))
	url := s.ClientURL()
	port := portOf(t, url)
	s.Stop()
	var l testenv.Log
	got := make(chan error, 1)
	go func() {
		nc, err := broker.Connect(ctx(t), fast(url), broker.Options{Name: "n", Logger: l.Logger()})
		if err == nil {
			nc.Close()
		}
		got <- err
	}()
	eventually(t, "the failure is logged", func() bool { return l.Count("cannot reach the broker") == 1 })
	start(t, t.TempDir(), listening(port))
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if n := l.Count("cannot reach the broker"); n != 1 || l.Count("connected to the broker again") != 1 {
		t.Errorf("want one line when it starts failing and one when it ends:\n%s", l.String())
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	c, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := broker.Connect(c, fast("nats://127.0.0.1:1"), broker.Options{Name: "n"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err = broker.Connect(t.Context(), fast("nats://127.0.0.1:1", "nats://127.0.0.1:2"), broker.Options{Once: true}); err == nil {
		t.Fatal("connected to nothing")
	}
}

func TestWrongLoginSaysWhatToDoAndIsTriedAgain(t *testing.T) {
	s := start(t, t.TempDir(), listening(-1, func(o *server.Options) { o.Username, o.Password = "lh", "right" }))
	c := fast(s.ClientURL())
	c.User, c.Password = "lh", "wrong"
	var l testenv.Log
	cc, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := broker.Connect(cc, c, broker.Options{Name: "n", Logger: l.Logger()}); err == nil {
			t.Error("connected with a wrong password")
		}
	}()
	eventually(t, "the advice is logged", func() bool { return l.Count("LOGHAUL_NATS_PASSWORD") == 1 })
	cancel()
	<-done
	c.Password = "right"
	connect(t, c, broker.Options{Name: "n"})
}

func TestARefusedPermissionIsSurfaced(t *testing.T) {
	s := start(t, t.TempDir(), listening(-1, func(o *server.Options) {
		o.Users = []*server.User{{Username: "lh", Password: "pw", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"raw.*.n"}},
		}}}
	}))
	c := fast(s.ClientURL())
	c.User, c.Password = "lh", "pw"
	var l testenv.Log
	errs := make(chan error, 16)
	nc := connect(t, c, broker.Options{Name: "n", Logger: l.Logger(), OnError: func(err error) { errs <- err }})
	for range 3 {
		if err := nc.Publish("raw.00.other", nil); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := <-errs; !errors.Is(err, nats.ErrPermissionViolation) {
			t.Fatal(err)
		}
	}
	if l.Count("the broker reports an error") != 1 || l.Count("grant this user the subject") != 1 {
		t.Errorf("want one line with advice:\n%s", l.String())
	}
}

func TestInboxPrefixKeepsANodeToItsOwn(t *testing.T) {
	s := start(t, t.TempDir(), embedded.Options{})
	nc := connect(t, broker.DefaultConfig(), broker.Options{Name: "web1.example", Extra: []nats.Option{s.Option()}})
	if got := nc.NewInbox(); !strings.HasPrefix(got, "_INBOX.web1_example.") {
		t.Errorf("inbox %q", got)
	}
}

func TestConfigProblemsSayWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*broker.Config)
		want   string
	}{
		"no server":      {func(c *broker.Config) { c.Servers = nil }, "servers: name at least one"},
		"a scheme":       {func(c *broker.Config) { c.Servers = []string{"http://x"} }, `servers[0]: "http://x" is not a NATS URL`},
		"not a URL":      {func(c *broker.Config) { c.Servers = []string{"nats://u:se%cret@x"} }, "servers[0]: this is not a URL"},
		"login in URL":   {func(c *broker.Config) { c.Servers = []string{"nats://u:secret@x"} }, "LOGHAUL_NATS_USER"},
		"shards":         {func(c *broker.Config) { c.Shards = 101 }, "shards: 101 is not 1 to 100"},
		"two logins":     {func(c *broker.Config) { c.Credentials, c.NKey = "/dev/null", "/dev/null" }, "nkey: credentials is set too"},
		"half a pair":    {func(c *broker.Config) { c.TLS.Cert = "/dev/null" }, "tls: cert and key belong together"},
		"unreadable CA":  {func(c *broker.Config) { c.TLS.CA = "/nonexistent" }, "tls.ca: open /nonexistent"},
		"no timeout":     {func(c *broker.Config) { c.Timeout = 0 }, "timeout: 0s is not above zero"},
		"negative delay": {func(c *broker.Config) { c.Delay.Max = -1 }, "delay: first, step and max"},
	} {
		c := broker.DefaultConfig()
		tc.change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
	c := broker.DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	s := broker.DefaultStreams()
	if err := s.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	s = broker.Streams{}
	for _, key := range []string{"max_message", "replicas", "duplicates", "ack_wait", "max_ack_pending"} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("zero %s: %v", key, err)
		}
	}
}

func portOf(t *testing.T, raw string) int {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
