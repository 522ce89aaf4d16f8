package aggregator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

func TestNothingIsAcknowledgedBeforeItIsStored(t *testing.T) {
	r := newRig(t, 2, nil)
	sent := r.send([]string{"a", "b", "c"}, 5, 20)
	var writes atomic.Int32
	var order []string
	s := &store{before: func(_ context.Context, g *sinks.Group) error {
		writes.Add(1)
		// Everything is still with the broker, whatever was stored before.
		if n := r.messages(); n != 15 {
			t.Errorf("%d of 15 messages are left while %s is being stored", n, g.Key)
		}
		order = append(order, "store")
		return nil
	}}
	x := &index{offered: func(*sinks.Group) { order = append(order, "offer") }}
	c := r.config("a1")
	c.Window.Age = time.Hour
	run := r.run(c, aggregator.Deps{Archive: s, Index: x})
	eventually(t, "all messages are in a window", func() bool { return run.Status().InFlight == 15 })
	if len(s.keys("")) > 0 {
		t.Fatal("a window was closed too early")
	}
	if err := run.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, sent)
	if writes.Load() != 1 || !slices.Equal(order, []string{"store", "offer"}) || !slices.Equal(x.keys, s.keys("dt=")) {
		t.Errorf("%d writes, order %v, offered %v, stored %v", writes.Load(), order, x.keys, s.keys(""))
	}
	if st := run.Status(); st.Lines != uint64(len(sent)) || st.Unparsed != 7*15 || st.Objects != 1 || st.InFlight != 0 || st.Duplicates != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestWindowClosesByLinesAndByAge(t *testing.T) {
	r := newRig(t, 1, nil)
	sent := r.send([]string{"a"}, 10, 30)
	c := r.config("a1")
	c.Window.Lines = 90
	s := &store{}
	run := r.run(c, aggregator.Deps{Archive: s})
	eventually(t, "everything is archived", func() bool { return run.Status().Lines == 300 })
	s.same(t, sent)
	// Three windows by lines; the rest by age.
	if st := run.Status(); st.Objects != 4 {
		t.Errorf("%d objects, want 4", st.Objects)
	}
}

func TestTwoAggregatorsShareTheWork(t *testing.T) {
	r := newRig(t, 4, nil)
	c := r.config("a1")
	c.Window.Lines = 50
	var s store
	one := r.run(c, aggregator.Deps{Archive: &s})
	c.Name = "a2"
	two := r.run(c, aggregator.Deps{Archive: &s})
	eventually(t, "both are ready", func() bool { return one.Ready() == nil && two.Ready() == nil })
	var sent []string
	for i := range 8 {
		sent = append(sent, r.send([]string{fmt.Sprintf("n%d", i)}, 20, 10)...)
	}
	slices.Sort(sent)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	one.stop()
	two.stop()
	s.same(t, sent)
	if a, b := one.Status().Lines, two.Status().Lines; a == 0 || b == 0 || a+b != 1600 {
		t.Errorf("%d and %d lines of 1600: want both to work and nothing twice", a, b)
	}
}

func TestWhatACrashedAggregatorHeldGoesToAnother(t *testing.T) {
	r := newRig(t, 2, func(s *broker.Streams) { s.AckWait = time.Second })
	sent := r.send([]string{"a", "b"}, 10, 5)
	conn := &cuttable{server: r.server}
	var s store
	release := make(chan struct{})
	reached := make(chan struct{}, 1)
	hanging := &store{before: func(ctx context.Context, g *sinks.Group) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-release // stores it after all, when nobody hears its acks
		return s.Write(ctx, g)
	}}
	c := r.config("crashed")
	c.DrainTimeout = 100 * time.Millisecond
	one := r.run(c, aggregator.Deps{Archive: hanging, Broker: broker.Options{InProcess: conn}})
	<-reached
	conn.Cut()
	c.Name = "heir"
	two := r.run(c, aggregator.Deps{Archive: &s})
	eventually(t, "the other one has archived everything", func() bool { return two.Status().Lines == uint64(len(sent)) })
	eventually(t, "and acknowledged it", func() bool { return r.messages() == 0 })
	close(release)
	one.stop()
	s.same(t, sent)
	if _, all := s.lines(t); all < len(sent)+5 {
		t.Errorf("%d lines in all: the test did not make the duplicates it is about", all)
	}
}

func TestStoreThatFailsIsTriedAgain(t *testing.T) {
	r := newRig(t, 1, nil)
	sent := r.send([]string{"a"}, 3, 10)
	var n atomic.Int32
	s := &store{before: func(context.Context, *sinks.Group) error {
		switch n.Add(1) {
		case 1, 2, 3, 4:
			return errors.New("503")
		case 5, 6:
			return fmt.Errorf("no bucket: %w", sinks.ErrPermanent)
		}
		return nil
	}}
	var l log
	run := r.run(r.config("a1"), aggregator.Deps{Archive: s, Logger: l.logger()})
	eventually(t, "not ready while the store fails", func() bool {
		err := run.Ready()
		return n.Load() > 6 || err != nil && strings.Contains(err.Error(), "archive: ")
	})
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	s.same(t, sent)
	if n.Load() != 7 || run.Ready() != nil {
		t.Errorf("%d attempts, ready: %v", n.Load(), run.Ready())
	}
}

func TestWhileTheStoreHangsNothingIsDeliveredAgainAndPullingStops(t *testing.T) {
	r := newRig(t, 2, func(s *broker.Streams) { s.AckWait = time.Second })
	sent := r.send([]string{"a", "b", "c", "d"}, 100, 10)
	release := make(chan struct{})
	s := &store{before: func(context.Context, *sinks.Group) error {
		<-release
		return nil
	}}
	c := r.config("a1")
	c.Window.Lines = 500
	run := r.run(c, aggregator.Deps{Archive: s})
	// A second one that has nothing to do would take what is delivered again.
	eventually(t, "it holds what it may", func() bool { return run.Status().InFlight >= 100 })
	for wait := time.After(3500 * time.Millisecond); wait != nil; {
		select {
		case <-wait:
			wait = nil
		case <-time.After(100 * time.Millisecond):
			if n := r.redelivered(); n != 0 {
				t.Fatalf("%d messages were delivered again", n)
			}
		}
	}
	if n := r.messages(); n != 400 {
		t.Errorf("%d of 400 messages left", n)
	}
	close(release)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, sent)
	if st := run.Status(); st.Lines != uint64(len(sent)) || st.Duplicates != 0 {
		t.Errorf("status %+v: want every line once and no repeats", st)
	}
}

func TestRepeatsAreLeftOutAndAcknowledged(t *testing.T) {
	r := newRig(t, 1, nil)
	h, payload := batch("a", 0, "one\ntwo\n")
	other, otherPayload := batch("a", 0, "ONE\nTWO\n") // the same identity, other bytes
	m := h.Encode()
	s := &store{}
	run := r.run(r.config("a1"), aggregator.Deps{Archive: s})
	for _, id := range []string{"1", "2", "3"} {
		m["Nats-Msg-Id"] = []string{id} // past the broker's own memory
		r.publish("a", m, payload)
	}
	eventually(t, "the first is archived", func() bool { return r.messages() == 0 })
	m["Nats-Msg-Id"] = []string{"4"}
	r.publish("a", m, payload) // in a later window
	eventually(t, "the last is acknowledged", func() bool { return r.messages() == 0 })
	if st := run.Status(); st.Lines != 2 || st.Duplicates != 3 || st.Objects != 1 {
		t.Errorf("status %+v: want 2 lines, 3 duplicates", st)
	}
	m = other.Encode()
	m["Nats-Msg-Id"] = []string{"5"}
	r.publish("a", m, otherPayload)
	eventually(t, "other bytes are archived", func() bool { return run.Status().Lines == 4 })
}

func TestMalformedMessageIsStoredAsItCame(t *testing.T) {
	r := newRig(t, 1, nil)
	h, payload := batch("a", 0, "one\ntwo\n")
	h.CRC++
	r.publish("a", h.Encode(), payload)
	r.publish("a", nil, []byte("\x00 hello\r\n"))
	r.publish("a", map[string][]string{"Evil": {"a"}, "Lh-V": {"7"}}, nil)
	sent := r.send([]string{"b"}, 1, 3)
	var l log
	s := &store{before: func(context.Context, *sinks.Group) error {
		if n := r.messages(); n != 4 {
			t.Errorf("%d of 4 messages are left before all is stored", n)
		}
		return nil
	}}
	c := r.config("a1")
	c.Window.Age = time.Second
	run := r.run(c, aggregator.Deps{Archive: s, Logger: l.logger()})
	eventually(t, "all are acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, sent)
	kept := s.keys("_quarantine/dt=")
	if len(kept) != 3 || run.Status().Quarantined != 3 {
		t.Fatalf("kept %v, counted %d", kept, run.Status().Quarantined)
	}
	if !strings.Contains(kept[0], "/RAW-00-1-") || !strings.HasSuffix(kept[0], ".bin") {
		t.Errorf("key %s", kept[0])
	}
	head, body, _ := strings.Cut(string(s.objects[kept[0]]), "\r\n\r\n")
	for _, want := range []string{"Quarantine-Stream: RAW-00", "Quarantine-Sequence: 1", "Quarantine-Subject: raw.00.a", "Quarantine-Reason: malformed batch: checksum", "Lh-Node: a"} {
		if !strings.Contains(head+"\r\n", want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	if body != string(payload) {
		t.Error("the payload is not kept byte for byte")
	}
	if _, body, _ := strings.Cut(string(s.objects[kept[1]]), "\r\n\r\n"); body != "\x00 hello\r\n" {
		t.Errorf("payload %q", body)
	}
	if !l.contains("stream=RAW-00 sequence=1") || !l.contains(`key="_quarantine/dt=`) {
		t.Errorf("the log does not say which message:\n%s", l.b.String())
	}
}

// picky refuses every window that holds a batch of node "bad".
type picky struct{ aggregator.Encoder }

func (p picky) Encode(batches []archive.Batch, sealed time.Time) (*archive.Object, error) {
	return p.encode(batches, sealed, p.Encoder.Encode)
}

func (p picky) EncodeRaw(batches []archive.Batch, sealed time.Time) (*archive.Object, error) {
	return p.encode(batches, sealed, p.Encoder.EncodeRaw)
}

func (p picky) encode(batches []archive.Batch, sealed time.Time, encode func([]archive.Batch, time.Time) (*archive.Object, error)) (*archive.Object, error) {
	for i := range batches {
		if batches[i].Header.Source.Node == "bad" {
			return nil, archive.ErrUnverified
		}
	}
	return encode(batches, sealed)
}

func TestBatchThatCannotBeEncodedIsKeptAndTheOthersAreArchived(t *testing.T) {
	r := newRig(t, 1, nil)
	enc, err := archive.NewEncoder(archive.Options{Writer: "a1"})
	if err != nil {
		t.Fatal(err)
	}
	sent := r.send([]string{"a", "b"}, 5, 3)
	h, payload := batch("bad", 0, "one\ntwo\n")
	r.publish("bad", h.Encode(), payload)
	sent = append(sent, r.send([]string{"c"}, 5, 3)...)
	slices.Sort(sent)
	s := &store{}
	c := r.config("a1")
	c.Window.Age = 2 * time.Second
	run := r.run(c, aggregator.Deps{Archive: s, Encoder: picky{enc}})
	eventually(t, "all are acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, sent)
	kept := s.keys("_quarantine/")
	if len(kept) != 1 || !strings.HasSuffix(string(s.objects[kept[0]]), "\r\n\r\none\ntwo\n") {
		t.Errorf("kept: %v", kept)
	}
}

func TestErrorsThatTheseBytesCannotCureEndTheAggregator(t *testing.T) {
	r := newRig(t, 1, nil)
	sent := r.send([]string{"a"}, 2, 3)
	s := &store{before: func(context.Context, *sinks.Group) error { return sinks.ErrConflict }}
	a, err := aggregator.New(r.config("a1"), aggregator.Deps{Archive: s, Broker: broker.Options{InProcess: r.server}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); !errors.Is(err, sinks.ErrConflict) {
		t.Fatalf("Run: %v", err)
	}
	// The next one gets the messages at once, though AckWait is 90 s.
	s.before = nil
	next := r.run(r.config("a2"), aggregator.Deps{Archive: s})
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	next.stop()
	s.same(t, sent)
}

func TestMetricsAreDeclaredAsTheConventionsSay(t *testing.T) {
	if err := metrics.Check(aggregator.Metrics()...); err != nil {
		t.Error(err)
	}
}
