package elastic

import (
	"testing"
	"time"
)

func TestBreakerProbesAtGrowingIntervals(t *testing.T) {
	b := breaker{first: firstProbe, last: lastProbe}
	now := time.Unix(1000, 0)
	for i := 1; i <= breakAfter; i++ {
		if b.wait(now) != 0 || b.begin() || b.state() != breakerClosed {
			t.Fatalf("failure %d: it was not closed before", i)
		}
		if opened := b.failed(false, now); opened != (i == breakAfter) {
			t.Fatalf("failure %d says that it opened: %v", i, opened)
		}
	}
	if b.failed(false, now) {
		t.Error("a request from before it opened opens it again")
	}
	interval := firstProbe
	for probe := range 12 {
		wait := b.wait(now)
		if b.state() != breakerOpen || wait < interval/2 || wait > interval {
			t.Fatalf("probe %d: %s, waits %v, want between %v and %v", probe, b.state(), wait, interval/2, interval)
		}
		now = now.Add(wait)
		if b.wait(now) != 0 || !b.begin() || b.state() != breakerHalfOpen {
			t.Fatalf("probe %d may not begin, or is none", probe)
		}
		if b.wait(now.Add(time.Hour)) != forever {
			t.Fatalf("a second request may begin beside probe %d", probe)
		}
		if b.failed(true, now) {
			t.Fatalf("probe %d says that it opened", probe)
		}
		interval = min(2*interval, lastProbe)
	}
	now = now.Add(lastProbe)
	b.begin()
	b.left(true)
	if b.wait(now) != 0 {
		t.Error("after a probe that nobody waits for anymore no other one may begin")
	}
	b.begin()
	if !b.answered() || b.state() != breakerClosed || b.wait(now) != 0 || b.answered() {
		t.Error("an answer did not close it, once")
	}
	if b.failed(false, now) || b.wait(now) != 0 {
		t.Error("one failure after an answer opened it")
	}
}

func TestBreakerOfFailuresInARow(t *testing.T) {
	b := breaker{first: firstProbe, last: lastProbe}
	for range 20 {
		for range breakAfter - 1 {
			if b.failed(false, time.Unix(1, 0)) {
				t.Fatal("opened although an answer came between failures")
			}
		}
		b.answered()
	}
}
