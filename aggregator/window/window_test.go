package window_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator/window"
	"github.com/loghaul/loghaul/internal/wire"
)

func now() time.Time { return time.UnixMilli(1_763_900_000_000) }

func limits() window.Limits {
	return window.Limits{Lines: 1000, Bytes: wire.MaxBatch, Age: time.Second}
}

func open(t *testing.T, l window.Limits) *window.Window {
	t.Helper()
	w, err := window.New(l)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func batch(from int64, raw string) (map[string][]string, []byte) {
	h := wire.Header{
		Source: wire.Source{ID: "0123456789abcdef01234567", Node: "n"}, From: from, To: from + int64(len(raw)),
		Records: wire.CountRecords([]byte(raw)), CRC: wire.Checksum([]byte(raw)), Encoding: wire.Plain, ReadAt: now(),
	}
	return h.Encode(), []byte(raw)
}

func add(t *testing.T, w *window.Window, from int64, raw string) window.Result {
	t.Helper()
	m, p := batch(from, raw)
	r, err := w.Add(m, p, now())
	if err != nil {
		t.Fatal(err)
	}
	clear(p) // the payload is not kept
	return r
}

func TestBatchesKeepTheirBytesUntilReset(t *testing.T) {
	w := open(t, limits())
	for round := range 3 {
		var want []string
		var from int64
		for i := range 40 {
			raw := fmt.Sprintf("round %d batch %d %s\n", round, i, strings.Repeat("x", i*i*200))
			if r := add(t, w, int64(round)<<32+from, raw); r != window.Added {
				t.Fatalf("batch %d: %v", i, r)
			}
			from += int64(len(raw))
			want = append(want, raw)
		}
		if w.Lines() != 40 || w.Bytes() != from || len(w.Batches()) != 40 {
			t.Fatalf("%d lines, %d bytes, %d batches", w.Lines(), w.Bytes(), len(w.Batches()))
		}
		for i, b := range w.Batches() {
			if string(b.Raw) != want[i] {
				t.Fatalf("round %d: batch %d has other bytes", round, i)
			}
		}
		w.Reset()
	}
}

func TestLimits(t *testing.T) {
	w := open(t, limits())
	if !w.Deadline().IsZero() || w.Done() {
		t.Error("an empty window has no deadline and is not done")
	}
	add(t, w, 0, strings.Repeat("x\n", 999))
	if w.Done() || !w.Deadline().Equal(now().Add(time.Second)) {
		t.Errorf("done: %v, deadline %v", w.Done(), w.Deadline())
	}
	add(t, w, 5000, "x\n")
	if !w.Done() {
		t.Error("a thousand lines are enough")
	}
	w.Reset()
	if w.Done() || !w.Deadline().IsZero() || w.Lines() != 0 || w.Bytes() != 0 || len(w.Batches()) != 0 {
		t.Error("not empty after Reset")
	}

	// The byte bound is never exceeded, and the batch that does not fit goes
	// into the next window.
	big := strings.Repeat("x", wire.MaxBatch-10) + "\n"
	add(t, w, 1<<32, big)
	m, p := batch(1<<33, "it does not fit any more\n")
	if r, err := w.Add(m, p, now()); err != nil || r != window.Full || len(w.Batches()) != 1 {
		t.Fatalf("%v, %v, %d batches", r, err, len(w.Batches()))
	}
	w.Reset()
	if r, err := w.Add(m, p, now()); err != nil || r != window.Added {
		t.Fatalf("%v, %v", r, err)
	}
	w.Hold(wire.MaxBatch, now())
	if !w.Done() {
		t.Error("what is held beside the batches counts")
	}
}

func TestRepeats(t *testing.T) {
	w := open(t, limits())
	if add(t, w, 0, "one\n") != window.Added || add(t, w, 0, "one\n") != window.Repeat {
		t.Error("a repeat in the same window")
	}
	if add(t, w, 0, "ONE\n") != window.Added {
		t.Error("other bytes are no repeat, whatever they are called")
	}
	if add(t, w, 0, "one\ntwo\n") != window.Added {
		t.Error("a longer range is no repeat")
	}
	w.Reset()
	if add(t, w, 0, "one\n") != window.Repeat || w.Lines() != 0 {
		t.Error("a repeat of an earlier window")
	}
	if w.Deadline().IsZero() {
		t.Error("the message of a repeat waits for its ack: the window must close some time")
	}
	// What was remembered is bounded: very old batches come in again.
	for i := range 40_000 {
		if w.Done() {
			w.Reset()
		}
		add(t, w, int64(1+i)<<20, "x\n")
	}
	w.Reset()
	if add(t, w, 0, "one\n") != window.Added {
		t.Error("ids are remembered for ever")
	}
}

func TestMalformedLeavesTheWindowAsItWas(t *testing.T) {
	w := open(t, limits())
	add(t, w, 0, "one\n")
	m, p := batch(100, "two\n")
	p[0] = 'T'
	if _, err := w.Add(m, p, now()); !errors.Is(err, wire.ErrMalformed) {
		t.Fatal(err)
	}
	if _, err := w.Add(nil, p, now()); !errors.Is(err, wire.ErrMalformed) {
		t.Fatal(err)
	}
	p[0] = 't'
	if r, err := w.Add(m, p, now()); err != nil || r != window.Added {
		t.Fatalf("the right bytes after the wrong ones: %v, %v", r, err)
	}
	if w.Lines() != 2 || string(w.Batches()[0].Raw) != "one\n" || string(w.Batches()[1].Raw) != "two\n" {
		t.Error("the window is damaged")
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	w := open(t, window.Limits{Lines: 1 << 20, Bytes: 32 << 20, Age: time.Second})
	raw := strings.Repeat(strings.Repeat("x", 299)+"\n", 3000)
	m, p := batch(0, raw)
	n := int64(0)
	fill := func() {
		for !w.Done() {
			n++
			h, err := wire.DecodeHeader(m)
			if err != nil {
				t.Fatal(err)
			}
			h.From, h.To = n<<30, n<<30+int64(len(raw))
			r, err := w.Add(h.Encode(), p, now())
			if err != nil {
				t.Fatal(err)
			}
			if r == window.Full {
				break
			}
		}
		w.Reset()
	}
	fill()
	if bytes := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			fill()
		}
		b.ReportAllocs()
	}).AllocedBytesPerOp(); bytes > 1<<20 {
		t.Errorf("%d bytes are allocated for a window of 32 MiB", bytes)
	}
}
