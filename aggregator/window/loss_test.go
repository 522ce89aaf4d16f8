package window_test

import (
	"errors"
	"math"
	"testing"

	"github.com/loghaul/loghaul/aggregator/window"
	"github.com/loghaul/loghaul/internal/wire"
)

func loss(from, to int64, lines int, reason string) map[string][]string {
	h := wire.Header{
		Source: wire.Source{ID: "0123456789abcdef01234567", Node: "n"}, From: from, To: to, Records: lines, Lost: reason, Encoding: wire.Plain, ReadAt: now(),
	}
	return h.Encode()
}

func TestLosses(t *testing.T) {
	w := open(t, limits())
	lose := func(from, to int64, lines int, reason string) window.Result {
		t.Helper()
		r, err := w.Add(loss(from, to, lines, reason), nil, now())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if lose(0, math.MaxInt64, 0, "gone") != window.Added || lose(0, math.MaxInt64, 0, "gone") != window.Repeat {
		t.Error("a loss and its repeat")
	}
	if lose(0, math.MaxInt64, 0, "truncated") != window.Added || lose(0, math.MaxInt64, 1, "gone") != window.Added {
		t.Error("another reason or another number of lines is no repeat")
	}
	if add(t, w, 0, "one\n") != window.Added || lose(0, 4, 0, "gone") != window.Added {
		t.Error("a loss of bytes that are there is no repeat of them")
	}
	if len(w.Batches()) != 5 || w.Lines() != 1 || w.Bytes() > 10_000 || w.Deadline().IsZero() {
		t.Errorf("%d batches, %d lines, %d bytes", len(w.Batches()), w.Lines(), w.Bytes())
	}
	if _, err := w.Add(loss(0, 5, 0, "gone"), []byte("x"), now()); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a loss with a payload: %v", err)
	}
	w.Reset()
	if lose(0, math.MaxInt64, 0, "gone") != window.Repeat || len(w.Batches()) != 0 || w.Deadline().IsZero() {
		t.Error("a repeat of an earlier window")
	}
	// Losses alone close a window at some time, too.
	var from int64
	for !w.Done() {
		from++
		if r := lose(from, from+1, 0, "gone"); r == window.Full {
			return
		}
		if from > 1<<20 {
			t.Fatal("a million losses in one window")
		}
	}
}
