package broker_test

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
)

// TestFailedWriteEndsTheConnection: under TLS, a write of one record that
// times out leaves a connection on which every further write fails, and of
// which nats.go thinks that nothing was written.
func TestFailedWriteEndsTheConnection(t *testing.T) {
	dir := t.TempDir()
	ca := testenv.NewCA(t, dir)
	cert, key := ca.Issue("broker")
	s := testenv.NATS(t, dir, fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 10 }", cert, key))
	c := fast(s.URL)
	c.TLS.CA = ca.File
	var up atomic.Int32
	nc := connect(t, c, broker.Options{Name: "n", OnState: func(st broker.State) {
		if st == broker.Connected {
			up.Add(1)
		}
	}})
	s.Pause()
	payload := make([]byte, 8<<10)
	for n := 0; ; n++ {
		if err := nc.Publish("x", payload); err != nil {
			break
		}
		if err := nc.FlushTimeout(time.Millisecond); errors.Is(err, net.ErrClosed) || !nc.IsConnected() {
			break
		}
		if n > 10_000 {
			t.Fatal("80 MB were written to a broker that does not read")
		}
	}
	s.Resume()
	testenv.Eventually(t, 20*time.Second, "a new connection, before the pings ask for one", func() bool { return up.Load() == 2 })
	if err := nc.Flush(); err != nil {
		t.Error(err)
	}
}

func TestSocket(t *testing.T) {
	s := start(t, t.TempDir(), listening(-1))
	sock := &broker.Socket{}
	if _, ok := sock.Info(); ok {
		t.Error("information without a connection")
	}
	sock.Cut() // nothing to cut
	var up, down atomic.Int32
	nc := connect(t, fast(s.ClientURL()), broker.Options{Name: "n", Socket: sock, OnState: func(st broker.State) {
		switch st {
		case broker.Connected:
			up.Add(1)
		case broker.Disconnected:
			down.Add(1)
		case broker.Closed:
		}
	}})
	i, ok := sock.Info()
	if !ok || i.RTT <= 0 || i.SendWindow <= 0 || !i.Scaled || i.SendScale == 0 {
		t.Errorf("of a connection over loopback: %+v %v", i, ok)
	}
	sock.Cut()
	eventually(t, "it is connected again", func() bool { return up.Load() == 2 && nc.IsConnected() })
	if down.Load() != 1 {
		t.Errorf("lost %d times, want once", down.Load())
	}
	sock.Close()
	eventually(t, "the connection is lost", func() bool { return !nc.IsConnected() })
	if _, err := sock.Dial("tcp", s.Addr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after Close: %v", err)
	}
}

// TestCloseEndsADial: nobody answers, and Close does not wait for the timeout.
func TestCloseEndsADial(t *testing.T) {
	slow := silent(t)
	c := fast("nats://" + slow)
	c.Timeout = time.Minute
	sock := &broker.Socket{}
	done := make(chan error, 1)
	go func() {
		_, err := broker.Connect(t.Context(), c, broker.Options{Name: "n", Socket: sock, Once: true})
		done <- err
	}()
	eventually(t, "the connection is made", func() bool { _, ok := sock.Info(); return ok })
	sock.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("connected to nothing")
		}
	case <-time.After(20 * time.Second):
		t.Error("it waits for its timeout")
	}
}
