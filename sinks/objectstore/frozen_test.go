package objectstore_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

// freezer passes TCP connections on to a server. Those that are open when it
// freezes stay open and pass nothing any more, as when a firewall or a load
// balancer has forgotten them; later ones work.
type freezer struct {
	listener net.Listener
	target   string
	opened   atomic.Int32

	mu     sync.Mutex
	frozen chan struct{} // closed when the connections of now freeze
	all    sync.WaitGroup
}

func newFreezer(t *testing.T, target string) *freezer {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{listener: l, target: target, frozen: make(chan struct{})}
	f.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.opened.Add(1)
			f.all.Go(func() { f.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.all.Wait()
	})
	return f
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.frozen)
	f.frozen = make(chan struct{})
}

func (f *freezer) pass(client net.Conn) {
	defer client.Close()                                                              //nolint:errcheck // the test is over, or the client has gone
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", f.target) //nolint:usetesting // it outlives the test's context
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // see above
	f.mu.Lock()
	frozen := f.frozen
	f.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { passOn(server, client, frozen); _ = server.Close() })
	both.Go(func() { passOn(client, server, frozen); _ = client.Close() })
	both.Wait()
}

// passOn copies until an end. After frozen is closed it reads and passes
// nothing on.
func passOn(to, from net.Conn, frozen <-chan struct{}) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		select {
		case <-frozen:
			continue
		default:
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// One connection that has died without a word must hold up nobody: not those
// who use another one, and its own write only for a moment of the minute that
// it is allowed.
func TestS3FrozenConnectionIsLeft(t *testing.T) {
	server := testenv.S3(t)
	f := newFreezer(t, strings.TrimPrefix(server.Endpoint, "http://"))
	o := s3Options(server)
	o.Timeout = time.Hour
	o.Metrics = metrics.New(objectstore.Metrics()...)
	s := openURL(t, "s3://archive/p?endpoint=http://"+f.listener.Addr().String(), o)
	defer s.Close() //nolint:errcheck // never fails
	body := storetest.Random(5, 300_000)
	for i := range 4 { // what is usual
		if err := s.Write(t.Context(), storetest.Group(fmt.Sprintf("usual/%d", i), body)); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.opened.Load(); n != 1 {
		t.Fatalf("%d connections, want one that is kept", n)
	}
	f.freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // of an hour
	defer cancel()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := s.Write(ctx, storetest.Group(fmt.Sprintf("frozen/%d", i), body)); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	all.Wait()
	hedged := o.Metrics.Counter("loghaul_archive_hedged_writes_total").Get()
	if hedged == 0 {
		t.Error("no second attempt: nobody met the frozen connection")
	}
	if n := len(listed(t, s, "frozen/")); n != 8 {
		t.Errorf("%d objects are there, want 8", n)
	}
}

// The object was stored and the answer never came: the second attempt meets
// its own object, which is success.
func TestS3AnswerThatNeverComes(t *testing.T) {
	server := testenv.S3(t)
	p := newFaultyProxy(t, server, storeAndHang)
	o := s3Options(server)
	o.Timeout = 4 * time.Second
	o.Metrics = metrics.New(objectstore.Metrics()...)
	s := openURL(t, "s3://archive/p?endpoint="+p.URL, o)
	defer s.Close() //nolint:errcheck // never fails
	if err := s.Write(t.Context(), storetest.Group("k", []byte("stored once"))); err != nil {
		t.Fatal(err)
	}
	if n, hedged := p.puts.Load(), o.Metrics.Counter("loghaul_archive_hedged_writes_total").Get(); n != 2 || hedged != 1 {
		t.Errorf("%d PUTs and %d second attempts, want 2 and 1", n, hedged)
	}
}

func listed(t *testing.T, s objectstore.Store, prefix string) (keys []string) {
	t.Helper()
	err := s.List(t.Context(), prefix, func(i objectstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
