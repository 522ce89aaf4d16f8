package ship

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// sample makes lines that compress about as access logs do.
func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "10.%d.%d.%d:%d [23/Nov/2026:07:%02d:%02d.%03d] www~ be_app/srv%d %d/0/%d/%d/%d %d %d - - ---- %d/%d/0/0/0 0/0 {shop.example.org|Mozilla/5.0 (X11; Linux x86_64)} \"GET /item/%d?page=%d HTTP/1.1\"\n",
			r.IntN(256), r.IntN(256), r.IntN(256), 1024+r.IntN(60000), i/60000%60, i/1000%60, i%1000, r.IntN(8), r.IntN(9), r.IntN(3),
			r.IntN(300), r.IntN(400), 200+r.IntN(3)*100, r.IntN(90000), r.IntN(999), r.IntN(999), r.IntN(5000), r.IntN(20))
	}
	return b
}

// BenchmarkPack is the largest stage of the node agent by itself: MB/s of raw
// bytes. 300 MB are a million lines of 300 bytes.
func BenchmarkPack(b *testing.B) {
	raw := sample(2 << 20 / 200)
	for _, e := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
		b.Run(e.String(), func(b *testing.B) {
			p, err := newPacker(e)
			if err != nil {
				b.Fatal(err)
			}
			var out []byte
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				p.begin(out, 4<<20)
				for rest := raw; len(rest) > 0; {
					n := bytes.LastIndexByte(rest[:min(chunk, len(rest))], '\n') + 1
					p.Add(rest[:n])
					rest = rest[n:]
				}
				var err error
				if out, _, err = p.finish(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(raw))/float64(len(out)), "ratio")
		})
	}
}

func TestPayloadsComeBackAndStayBelowTheLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 1<<20+1<<18)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	dec, err := wire.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
		p, err := newPacker(e)
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		for _, limit := range []int{8 << 10, 256 << 10, 900 << 10, 4 << 20} {
			for name, raw := range map[string][]byte{"lines": sample(8_000), "noise": noise} {
				p.begin(out, limit)
				var taken []byte
				for len(taken) < len(raw) {
					n := min(p.Room(), 1+r.IntN(chunk), len(raw)-len(taken))
					if n == 0 {
						break
					}
					p.Add(raw[len(taken) : len(taken)+n])
					taken = raw[:len(taken)+n]
				}
				payload, records, err := p.finish()
				if err != nil || len(payload) > limit {
					t.Fatalf("%v, %s, limit %d: %d bytes, %v", e, name, limit, len(payload), err)
				}
				if len(taken) < min(len(raw), limit/2) {
					t.Errorf("%v, %s, limit %d: only %d bytes fit", e, name, limit, len(taken))
				}
				h := wire.Header{
					Source: wire.Source{ID: "0123456789abcdef01234567", Node: "n", Path: "/p"}, To: int64(len(taken)),
					Records: records, CRC: p.crc, Encoding: e,
				}
				got, err := dec.Decode(nil, &h, payload)
				if err != nil || !bytes.Equal(got, taken) {
					t.Errorf("%v, %s, limit %d: does not come back: %v", e, name, limit, err)
				}
				out = payload
			}
		}
	}
}

func TestReadAck(t *testing.T) {
	status := func(s string) nats.Header { return nats.Header{"Status": {s}} }
	for _, test := range []struct {
		msg  nats.Msg
		dup  bool
		want string
	}{
		{nats.Msg{Data: []byte(`{"stream":"RAW-00","seq":7}`)}, false, ""},
		{nats.Msg{Data: []byte(`{"stream":"RAW-00","seq":7,"duplicate":true}`)}, true, ""},
		{nats.Msg{Data: []byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"RAW-00","seq":0}`)}, false, "maximum bytes"},
		{nats.Msg{Header: status("503")}, false, errNoStream.Error()},
		{nats.Msg{Data: []byte(`{}`)}, false, "names no stream"},
		{nats.Msg{Data: []byte(`+OK`)}, false, "none"},
		{nats.Msg{}, false, "none"},
	} {
		dup, err := readAck(&test.msg)
		if dup != test.dup || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v, want %v and %q", test.msg.Data, dup, err, test.dup, test.want)
		}
	}
}

// fake is a source of numbered records.
type fake struct {
	wire.Source
	read      int64
	confirmed []int64
}

func (f *fake) Name() wire.Source { return f.Source }

func (f *fake) Labels() wire.Labels { return nil }

func (f *fake) Read(_ []byte, _ int64, sink source.Sink) (source.Run, error) {
	from := f.read
	sink.Add([]byte("12345678\n"))
	f.read += 9
	return source.Run{From: from, To: f.read}, nil
}

func (f *fake) Confirm(to int64) { f.confirmed = append(f.confirmed, to) }

// TestAnswersInAnyOrder: positions move in order, and an answer that comes
// twice or late changes nothing.
func TestAnswersInAnyOrder(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := New(Config{
		Node: "n", Batch: 1 << 20, MaxMessage: 1 << 20, InFlight: 4, AckTimeout: time.Second,
		Broker: broker.DefaultConfig(),
	}, broker.Options{}, slog.New(slog.DiscardHandler))
	s.rand = func() float64 { return 0 }
	s.nc, s.prefix, s.payload, s.probed = new(nats.Conn), "_INBOX.n.1", 1<<20, true
	f := &fake{Source: wire.Source{ID: "0123456789abcdef01234567", Node: "n", Path: "/p"}}
	for range 4 {
		if ok, err := s.Ship(f, now); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if s.Ready(now) {
		t.Error("ready for a fifth batch in flight")
	}
	sent := map[uint64]*nats.Msg{}
	take := func() (n int) {
		for {
			select {
			case j := <-s.link.jobs:
				if was := sent[j.id]; was != nil && (!bytes.Equal(was.Data, j.msg.Data) ||
					was.Header.Get(wire.HeaderMsgID) != j.msg.Header.Get(wire.HeaderMsgID)) {
					t.Errorf("batch %d changed between two tries", j.id)
				}
				sent[j.id] = j.msg
				j.busy.Store(false)
				n++
			default:
				return n
			}
		}
	}
	take()
	answer := func(id uint64, try int, err error) {
		s.Handle(Event{kind: answered, batch: id, attempt: try, err: err}, now)
	}
	answer(3, 1, nil)
	answer(2, 1, nil)
	answer(2, 1, nil)
	if len(f.confirmed) != 0 {
		t.Errorf("confirmed %v before the first batch is stored", f.confirmed)
	}
	answer(1, 1, &refusal{Code: 429, ErrCode: 10167, Description: "too many requests"})
	now = now.Add(s.backoff(0))
	s.Tick(now)
	if n := take(); n != 1 {
		t.Errorf("%d batches sent again, want 1", n)
	}
	answer(1, 1, &refusal{Code: 503}) // an old answer
	answer(1, 2, nil)
	if got, want := fmt.Sprint(f.confirmed), "[9 18 27]"; got != want {
		t.Errorf("confirmed %v, want %v", got, want)
	}
	now = now.Add(2 * time.Second) // batch 4 gets no answer
	s.Tick(now)
	now = now.Add(s.backoff(0))
	s.Tick(now)
	if n := take(); n != 1 || s.stats.Retries(ReasonTimeout).Load() != 1 {
		t.Errorf("%d sent again after the timeout, %d counted", n, s.stats.Retries(ReasonTimeout).Load())
	}
	s.Handle(Event{kind: disconnected}, now)
	if s.Ready(now) || s.stats.Retries(ReasonDisconnected).Load() != 1 {
		t.Error("the lost connection is not noticed")
	}
	answer(4, 1, nil) // the first try had been stored
	if got, want := fmt.Sprint(f.confirmed), "[9 18 27 36]"; got != want || s.InFlight() != 0 {
		t.Errorf("confirmed %v, want %v", got, want)
	}
}

// TestPayloadsAreBounded: beyond the bound nothing more is in flight, however
// few batches that are; one always may be.
func TestPayloadsAreBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := New(Config{
		Node: "n", Batch: 1 << 20, MaxMessage: 1 << 20, InFlight: 64, Payloads: 1, AckTimeout: time.Second,
		Broker: broker.DefaultConfig(),
	}, broker.Options{}, slog.New(slog.DiscardHandler))
	s.rand = func() float64 { return 0 }
	s.nc, s.prefix, s.payload, s.probed = new(nats.Conn), "_INBOX.n.1", 1<<20, true
	f := &fake{Source: wire.Source{ID: "0123456789abcdef01234567", Node: "n", Path: "/p"}}
	if !s.Ready(now) {
		t.Fatal("not ready for the first batch")
	}
	if ok, err := s.Ship(f, now); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if s.Ready(now) {
		t.Error("ready for a second batch beyond the bound")
	}
	s.cfg.Payloads = 1 << 30
	if !s.Ready(now) {
		t.Error("not ready though there is room")
	}
	s.cfg.Payloads = 1
	s.Handle(Event{kind: answered, batch: s.flight[0].id, attempt: 1}, now)
	if !s.Ready(now) {
		t.Error("not ready when the first batch is stored")
	}
}
