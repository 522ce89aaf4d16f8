package elastic

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate runs senders against a server that behaves as told, for a minute.
func TestGate(t *testing.T) {
	for name, c := range map[string]struct {
		answer     func(since time.Duration, underWay int32) outcome
		lasts      time.Duration // 0 is a minute
		min, max   int           // requests
		body       int           // at the end; 0 does not matter
		slots      int
		mostAtOnce int32
	}{
		"takes everything": {
			answer: func(time.Duration, int32) outcome { return outcomeTaken },
			min:    2000, max: 2400, body: 1 << 20, slots: 4, mostAtOnce: 4,
		},
		"takes two at once": {
			answer: func(_ time.Duration, n int32) outcome {
				if n > 2 {
					return outcomeRefused
				}
				return outcomeTaken
			},
			// It grows to three, or four before the third has its answer.
			min: 300, max: 1200, mostAtOnce: 4,
		},
		"refuses everything": {
			answer: func(time.Duration, int32) outcome { return outcomeRefused },
			min:    10, max: 35, body: smallestBody, slots: 1, mostAtOnce: 1,
		},
		"gives no answer": {
			answer: func(time.Duration, int32) outcome { return outcomeFailed },
			min:    5, max: 12, body: smallestBody, slots: 1, mostAtOnce: 1,
		},
		"comes back after 30 s": {
			answer: func(since time.Duration, _ int32) outcome {
				if since < 30*time.Second {
					return outcomeFailed
				}
				return outcomeTaken
			},
			// A probe may have failed just before: then the next one is at 60 s.
			lasts: 2 * time.Minute, min: 2000, max: 3600, body: 1 << 20, slots: 4, mostAtOnce: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(1<<20, 4, func() bool { return false })
				ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(c.lasts, time.Minute))
				defer cancel()
				start := time.Now()
				var requests, underWay, most atomic.Int32
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for {
							p, reason := g.enter(ctx, time.Time{}, false)
							if reason != "" {
								return
							}
							requests.Add(1)
							n := underWay.Add(1)
							for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
							}
							how := c.answer(time.Since(start), n)
							<-time.After(100 * time.Millisecond)
							underWay.Add(-1)
							g.leave(p, how, g.bodySize(), 0)
						}
					})
				}
				wg.Wait()
				n := int(requests.Load())
				t.Logf("%d requests, %d at once at most; at the end %d bytes, %d at once", n, most.Load(), g.bodySize(), g.slots())
				if n < c.min || n > c.max || most.Load() > c.mostAtOnce {
					t.Errorf("%d requests, %d at once at most; want %d to %d, %d", n, most.Load(), c.min, c.max, c.mostAtOnce)
				}
				if c.body != 0 && (g.bodySize() != c.body || g.slots() != c.slots) {
					t.Errorf("at the end %d bytes and %d at once, want %d and %d", g.bodySize(), g.slots(), c.body, c.slots)
				}
			})
		})
	}
}

func TestGateWaitsAsLongAsTheServerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1<<20, 4, func() bool { return false })
		p, _ := g.enter(t.Context(), time.Time{}, false)
		g.leave(p, outcomeRefused, 1, 3*time.Second)
		start := time.Now()
		p, _ = g.enter(t.Context(), time.Time{}, false)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("the next request began after %v, want 3s", d)
		}
		g.leave(p, outcomeRefused, 1, time.Hour)
		start = time.Now()
		g.enter(t.Context(), time.Time{}, false)
		if d := time.Since(start); d != maxWait {
			t.Errorf("after an hour was asked for the next request began after %v, want %v", d, maxWait)
		}
	})
}

func TestGateExpiresWhatWaitsForAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1<<20, 1, func() bool { return false })
		fail := func() {
			p, _ := g.enter(t.Context(), time.Time{}, false)
			g.leave(p, outcomeFailed, 1, 0)
		}
		for range breakAfter + 5 {
			fail()
		}
		start := time.Now()
		_, reason := g.enter(t.Context(), start.Add(2*time.Second), false)
		if d := time.Since(start); reason != dropUnreachable || d != 2*time.Second {
			t.Errorf("%q after %v, want %q after 2s", reason, d, dropUnreachable)
		}
		if _, reason = g.enter(t.Context(), start, false); reason != dropUnreachable || time.Since(start) != 2*time.Second {
			t.Errorf("what has expired already waits: %q after %v", reason, time.Since(start))
		}
		// When a probe is due, what has expired will do for it.
		<-time.After(lastProbe)
		if p, reason := g.enter(t.Context(), start, false); reason != "" || !p.probe {
			t.Errorf("no probe: %q", reason)
		}
	})
}

// What fills gaps lets everything else pass, and stays away for a while after
// the server has pushed back.
func TestGateLetsFillingWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queued atomic.Bool
		queued.Store(true)
		g := newGate(1<<20, 1, queued.Load)
		entered := make(chan pass, 1)
		fill := func() {
			p, reason := g.enter(t.Context(), time.Time{}, true)
			if reason == "" {
				entered <- p
			}
		}
		waits := func(why string) {
			t.Helper()
			synctest.Wait()
			if len(entered) > 0 {
				t.Fatalf("filling goes on %s", why)
			}
		}
		go fill()
		waits("while a group is queued")
		first, _ := g.enter(t.Context(), time.Time{}, false)
		waits("while the only request at once runs")
		live := make(chan pass)
		go func() {
			p, _ := g.enter(t.Context(), time.Time{}, false)
			live <- p
		}()
		synctest.Wait()
		g.leave(first, outcomeTaken, 1, 0)
		second := <-live
		waits("before a sender that waits")
		queued.Store(false)
		g.look()
		start := time.Now()
		g.leave(second, outcomeRefused, 1, 0)
		p := <-entered
		if d := time.Since(start); d < calmWait {
			t.Errorf("filling goes on %v after the server has pushed back, want %v", d, calmWait)
		}
		go fill()
		waits("beside itself")
		g.leave(p, outcomeTaken, 1, 0)
		g.leave(<-entered, outcomeTaken, 1, 0)
	})
}

func TestGateEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1<<20, 1, func() bool { return false })
		p, _ := g.enter(t.Context(), time.Time{}, false)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan string)
		go func() {
			_, reason := g.enter(ctx, time.Time{}, false)
			done <- reason
		}()
		synctest.Wait()
		cancel()
		if reason := <-done; reason != dropShutdown {
			t.Errorf("%q, want %q", reason, dropShutdown)
		}
		g.leave(p, outcomeTaken, 1, 0)
		if _, reason := g.enter(ctx, time.Time{}, false); reason != dropShutdown {
			t.Error("an ended context may send")
		}
		if _, reason := g.enter(t.Context(), time.Time{}, false); reason != "" {
			t.Errorf("the place is gone: %q", reason)
		}
	})
}
