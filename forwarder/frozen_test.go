package forwarder

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

// frozenSite is a site whose broker is a process, so that it can be stopped by
// SIGSTOP: its connections stay open, its host acknowledges, nothing is read.
type frozenSite struct {
	*site
	nats *testenv.NATSServer
	cfg  broker.Config
}

func newFrozenSite(t *testing.T, secure bool) *frozenSite {
	t.Helper()
	s := newSite(t, nil)
	f := &frozenSite{site: s}
	more := ""
	f.cfg = s.cfg.Broker
	if secure {
		ca := testenv.NewCA(t, s.dir)
		cert, key := ca.Issue("broker")
		more = fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 10 }", cert, key)
		f.cfg.TLS.CA = ca.File
	}
	f.nats = testenv.NATS(t, t.TempDir(), more)
	f.cfg.Servers = []string{f.nats.URL}
	f.jetstream(func(ctx context.Context, js jetstream.JetStream) {
		st := broker.DefaultStreams()
		if r, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: 1, Streams: st}); err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
	})
	// Much more than sockets hold, so that a write blocks.
	s.cfg.Broker = f.cfg
	s.cfg.InFlight, s.cfg.Batch.Compression = 16, "none"
	s.cfg.DrainTimeout = time.Second
	return f
}

func (f *frozenSite) jetstream(fn func(context.Context, jetstream.JetStream)) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 60*time.Second)
	defer cancel()
	nc, err := broker.Connect(ctx, f.cfg, broker.Options{Name: "test"})
	if err != nil {
		f.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		f.t.Fatal(err)
	}
	fn(ctx, js)
}

// fill appends n MiB of lines and gives their number.
func (f *frozenSite) fill(n int) int {
	f.t.Helper()
	const length = 1 << 10
	var b bytes.Buffer
	lines := n << 20 / length
	for range lines {
		f.n++
		line := fmt.Sprintf("line %d ", f.n)
		b.WriteString(line + strings.Repeat("x", length-1-len(line)) + "\n")
	}
	file, err := os.OpenFile(f.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := file.Write(b.Bytes()); err != nil {
		f.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		f.t.Fatal(err)
	}
	return lines
}

// archived wants n lines in the stream, each at one place of one source.
func (f *frozenSite) archived(n int) {
	f.t.Helper()
	type place struct {
		source string
		offset int64
	}
	at := map[string]place{}
	f.jetstream(func(ctx context.Context, js jetstream.JetStream) {
		st, err := js.Stream(ctx, wire.StreamName(0))
		if err != nil {
			f.t.Fatal(err)
		}
		for seq := st.CachedInfo().State.FirstSeq; seq <= st.CachedInfo().State.LastSeq; seq++ {
			m, err := st.GetMsg(ctx, seq)
			if err != nil {
				f.t.Fatal(err)
			}
			h, err := wire.DecodeHeader(m.Header)
			if err != nil {
				f.t.Fatal(err)
			}
			off := h.From
			for l := range bytes.Lines(m.Data) {
				p := place{h.Source.ID, off}
				if was, ok := at[string(l[:20])]; ok && was != p {
					f.t.Errorf("%.20q is at %v and at %v", l, was, p)
				}
				at[string(l[:20])] = p
				off += int64(len(l))
			}
		}
	})
	if len(at) != n {
		f.t.Errorf("%d lines are stored, want %d", len(at), n)
	}
}

// metric reads one value of what /metrics serves.
func (f *frozenSite) metric(name string) (v float64) {
	var b strings.Builder
	if err := f.reg.WritePrometheus(&b); err != nil {
		f.t.Fatal(err)
	}
	for l := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(l, name+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err != nil {
				f.t.Fatal(err)
			}
			return v
		}
	}
	f.t.Fatalf("no metric %s", name)
	return 0
}

func secureOrNot(t *testing.T, fn func(t *testing.T, f *frozenSite)) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			t.Parallel()
			fn(t, newFrozenSite(t, secure))
		})
	}
}

// TestFrozenBrokerBlocksNothingButTheSending: with a write that blocks,
// rotated files are found, their sizes and the metrics go on, and the end
// comes when it should.
func TestFrozenBrokerBlocksNothingButTheSending(t *testing.T) {
	secureOrNot(t, func(t *testing.T, f *frozenSite) {
		n := f.fill(1)
		f.start()
		f.awaitAcked(n)
		f.nats.Pause()
		n += f.fill(48)
		f.eventually("it says what is wrong", func() bool {
			err := f.fwd.Ready()
			return err != nil && strings.Contains(err.Error(), "stopped reading")
		})
		if acked := f.fwd.Status().AckedLines; acked == int64(n) {
			t.Fatal("a frozen broker has stored everything")
		}
		if err := os.Rename(f.log, f.log+".1"); err != nil {
			t.Fatal(err)
		}
		lag := f.metric(fmt.Sprintf("loghaul_forwarder_lag_bytes{path=%q}", f.log))
		n += f.fill(2)
		f.eventually("the new file is followed", func() bool { return f.metric("loghaul_forwarder_files") == 2 })
		f.eventually("its size is known", func() bool {
			return f.metric(fmt.Sprintf("loghaul_forwarder_lag_bytes{path=%q}", f.log)) >= lag+2<<20
		})

		begin := time.Now()
		f.end()
		// A blocked write lasts ten seconds if nobody ends it.
		if took := time.Since(begin); took > f.site.cfg.DrainTimeout+4*time.Second {
			t.Errorf("Run took %v to end, drain_timeout is %v", took, f.site.cfg.DrainTimeout)
		}
		f.nats.Resume()
		f.start()
		f.eventually("all is stored", func() bool { s := f.fwd.Status(); return s.LagBytes == 0 && s.InFlightBytes == 0 && s.ReadBytes > 0 })
		f.end()
		f.archived(n)
	})
}

// TestBrokerFrozenForLongerThanAWriteMayTake: the connection is given up, and
// the next one is made as soon as the broker answers.
func TestBrokerFrozenForLongerThanAWriteMayTake(t *testing.T) {
	secureOrNot(t, func(t *testing.T, f *frozenSite) {
		n := f.fill(1)
		f.start()
		f.awaitAcked(n)
		f.nats.Pause()
		n += f.fill(48)
		f.eventually("the connection is given up", func() bool { return f.metric("loghaul_forwarder_connected") == 0 })
		f.nats.Resume()
		// Sooner than the pings would find out (25 s twice), even on a busy machine.
		f.awaitAcked(n)
		f.end()
		f.archived(n)
		if strings.Contains(f.out.String(), "Stale Connection") {
			t.Error("the pings had to find out")
		}
	})
}
