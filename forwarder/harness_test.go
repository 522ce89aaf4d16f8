package forwarder

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a broker, a log file and a forwarder that can be stopped and killed.
type site struct {
	t      *testing.T
	dir    string
	log    string
	cfg    Config
	srv    *embedded.Server
	change func(*server.Options)
	port   int
	out    *testenv.Log
	reg    *metrics.Registry

	fwd  *Forwarder
	stop context.CancelFunc
	done chan error
	n    int
}

// newLogger logs as the forwarder of a site does.
func newLogger(o *testenv.Log) *slog.Logger { return slog.New(slog.NewTextHandler(o, nil)) }

func newSite(t *testing.T, change func(*server.Options)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), change: change, port: -1, out: &testenv.Log{}}
	s.log = filepath.Join(s.dir, "haproxy.log")
	s.cfg = DefaultConfig()
	s.cfg.Node, s.cfg.State = "node", filepath.Join(s.dir, "state")
	s.cfg.Inputs = []Input{{File: s.log}}
	s.cfg.Batch.Linger = 5 * time.Millisecond
	s.cfg.AckTimeout = 500 * time.Millisecond
	s.cfg.Broker.Shards = 1
	s.cfg.Broker.Delay = broker.Delay{Step: 20 * time.Millisecond, Max: 100 * time.Millisecond}
	s.serve()
	t.Cleanup(func() {
		s.end()
		s.srv.Stop()
		if t.Failed() {
			t.Log("log of the forwarder:\n" + s.out.String())
		}
	})
	return s
}

// serve starts the broker, again on the same port and data.
func (s *site) serve() {
	s.t.Helper()
	srv, err := embedded.Start(filepath.Join(s.dir, "broker"), embedded.Options{Configure: func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", s.port
		if s.change != nil {
			s.change(o)
		}
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.srv = srv
	if s.port < 0 {
		if _, err := fmt.Sscanf(srv.ClientURL(), "nats://127.0.0.1:%d", &s.port); err != nil {
			s.t.Fatalf("%s: %v", srv.ClientURL(), err)
		}
	}
	s.cfg.Broker.Servers = []string{fmt.Sprintf("nats://127.0.0.1:%d", s.port)}
}

// admin runs fn with a JetStream context of its own.
func (s *site) admin(fn func(context.Context, jetstream.JetStream)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	nc, err := nats.Connect("", s.srv.Option())
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	fn(ctx, js)
}

// setup makes the stream.
func (s *site) setup(maxBytes int64) {
	s.t.Helper()
	s.admin(func(ctx context.Context, js jetstream.JetStream) {
		st := broker.DefaultStreams()
		st.MaxMessage = 64 << 10
		st.MaxBytes = config.Size(maxBytes)
		r, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: 1, Streams: st})
		if err != nil || r.Err() != nil {
			s.t.Fatal(err, r.Err())
		}
	})
}

// start starts a forwarder, which change may change before.
func (s *site) start(change ...func(*Forwarder)) {
	s.t.Helper()
	s.reg = metrics.New(Metrics()...)
	f, err := New(s.cfg, Deps{Logger: newLogger(s.out), Metrics: s.reg})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, fn := range change {
		fn(f)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.fwd, s.stop, s.done = f, cancel, make(chan error, 1)
	go func() { s.done <- f.Run(ctx) }()
}

// end drains the forwarder.
func (s *site) end() {
	s.t.Helper()
	if s.fwd == nil {
		return
	}
	s.stop()
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Errorf("Run: %v", err)
		}
	case <-time.After(30 * time.Second):
		s.t.Fatal("Run does not end")
	}
	s.fwd = nil
}

// crash ends the forwarder and puts the positions back to what they were
// before its end, as if it had been killed. nil: there were none.
func (s *site) crash(positions []byte) {
	s.t.Helper()
	s.end()
	path := filepath.Join(s.cfg.State, "positions")
	err := os.Remove(path)
	if positions != nil {
		err = os.WriteFile(path, positions, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) positions() []byte {
	b, err := os.ReadFile(filepath.Join(s.cfg.State, "positions"))
	if err != nil {
		return nil
	}
	return b
}

// write appends n numbered lines.
func (s *site) write(n int) {
	s.t.Helper()
	f, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	for range n {
		s.n++
		if _, err := fmt.Fprintf(f, "line %d of a log that is not very long %s\n", s.n, strings.Repeat("x", s.n%97)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s; status %+v", what, s.fwd.Status())
		}
	}
}

// awaitAcked waits until n lines since the start are acknowledged.
func (s *site) awaitAcked(n int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d lines acknowledged", n), func() bool { return s.fwd.Status().AckedLines >= int64(n) })
}

// stored reads everything out of the stream, checks each batch, and wants the
// lines 1 to n there, each in its place, under one identity.
func (s *site) stored(n int) {
	s.t.Helper()
	type place struct {
		source string
		offset int64
	}
	at := map[string]place{}
	last := map[string]map[int64]string{}
	dec, err := wire.NewDecoder()
	if err != nil {
		s.t.Fatal(err)
	}
	s.admin(func(ctx context.Context, js jetstream.JetStream) {
		st, err := js.Stream(ctx, wire.StreamName(0))
		if err != nil {
			s.t.Fatal(err)
		}
		info := st.CachedInfo().State
		for seq := info.FirstSeq; seq <= info.LastSeq && info.Msgs > 0; seq++ {
			m, err := st.GetMsg(ctx, seq)
			if err != nil {
				continue // drained by a test
			}
			h, err := wire.DecodeHeader(m.Header)
			if err != nil {
				s.t.Fatal(err)
			}
			raw, err := dec.Decode(nil, &h, m.Data)
			if err != nil {
				s.t.Fatal(err)
			}
			if m.Subject != wire.Subject(s.cfg.Node, 1) || h.Source.Node != s.cfg.Node {
				s.t.Errorf("subject %s, node %s", m.Subject, h.Source.Node)
			}
			off := h.From
			for l := range bytes.Lines(raw) {
				line := string(l)
				if last[h.Source.ID] == nil {
					last[h.Source.ID] = map[int64]string{}
				}
				if was, ok := last[h.Source.ID][off]; ok && was != line {
					s.t.Errorf("source %s at %d is %q and %q", h.Source.ID, off, was, line)
				}
				last[h.Source.ID][off] = line
				if p, ok := at[line]; ok && p != (place{h.Source.ID, off}) {
					s.t.Errorf("%q has two identities: %v and %s %d", line, p, h.Source.ID, off)
				}
				at[line] = place{h.Source.ID, off}
				off += int64(len(l))
			}
		}
	})
	if len(at) != n {
		s.t.Errorf("%d different lines are stored, want %d", len(at), n)
	}
	for i := 1; i <= n; i++ {
		if _, ok := at[fmt.Sprintf("line %d of a log that is not very long %s\n", i, strings.Repeat("x", i%97))]; !ok {
			s.t.Errorf("line %d is missing", i)
			return
		}
	}
}

// ledger wants read = acked and nothing lost or in flight.
func (s *site) ledger() {
	s.t.Helper()
	st := s.fwd.Status()
	if st.ReadBytes != st.AckedBytes || len(st.Lost) > 0 || st.InFlightBytes != 0 || st.ReadLines != st.AckedLines {
		s.t.Errorf("ledger: %+v", st)
	}
}
