package notary

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// histories is how many TestRandomHistories plays.
var histories = flag.Uint64("histories", 4, "random histories to play")

// TestRandomHistories lets aggregators start, store, stop and crash, the store
// fail and lose answers, and clocks step, over days. In the end, when one has
// looked after those that did not come back, every object that was ever stored
// is in exactly one manifest of an unbroken chain.
func TestRandomHistories(t *testing.T) {
	n := *histories
	if testing.Short() {
		n = min(n, 1)
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) { history(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func history(t *testing.T, seed uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // a test
	key, ring := newKey(t)
	b := newBucket()
	var away, flaky atomic.Bool
	dice := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test
	b.fail = func(string, string) error {
		if away.Load() || flaky.Load() && dice.IntN(4) == 0 {
			return errors.New("the store is away")
		}
		return nil
	}
	b.lost = func() bool { return flaky.Load() && dice.IntN(4) == 0 }
	wait := func(d time.Duration) { <-time.After(d); synctest.Wait() }

	names := []string{"a", "a-1", "b"}
	running := map[string]*process{}
	offsets := map[string]time.Duration{}
	n := 0
	for range 60 {
		wait(upTo(rnd, 50*time.Minute))
		name := names[rnd.IntN(len(names))]
		p := running[name]
		switch action := rnd.IntN(12); {
		case action == 0:
			away.Store(!away.Load())
		case action == 1:
			flaky.Store(!flaky.Load())
		case p == nil:
			p = newProcess(t, b, name, key, slow)
			p.offset.Store(int64(offsets[name]))
			running[name] = p.start()
		case action == 2:
			p.kill()
			delete(running, name)
		case action == 3:
			p.stop()
			delete(running, name)
		case action == 4:
			offsets[name] = []time.Duration{0, -time.Hour, 40 * time.Minute, 5 * time.Hour, -26 * time.Hour, 70 * time.Hour}[rnd.IntN(6)]
			p.offset.Store(int64(offsets[name]))
		default:
			for range 1 + rnd.IntN(4) {
				n++
				window(t, rnd, p, n)
			}
		}
	}
	away.Store(false)
	flaky.Store(false)
	// The last one comes under another name, and stays until nothing can be
	// forgotten any more.
	for _, p := range running {
		if rnd.IntN(2) == 0 {
			p.stop()
		} else {
			p.kill()
		}
	}
	last := newProcess(t, b, "last", key, slow).start()
	wait(8 * time.Hour)
	last.stop()
	// What it could not know of: objects of clocks that were days behind.
	err := Seal(t.Context(), b, SealOptions{
		By: "hand", Signer: must(t, key), Report: func(Sealed) error { return nil },
		Refused: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.complete(t, ring)
	b.verify(t, ring)
}

// reader is a bucket as audit sees it.
type reader struct{ *bucket }

func (r reader) List(ctx context.Context, prefix string, fn func(objectstore.Info) error) error {
	return r.bucket.List(ctx, prefix, func(o Info) error {
		return fn(objectstore.Info{Key: o.Key, Size: o.Size, Modified: o.Modified, ETag: o.ETag})
	})
}

// verify has audit verify find no difference.
func (b *bucket) verify(t *testing.T, ring *manifest.Keyring) {
	t.Helper()
	total, err := verify.Run(t.Context(), reader{b}, verify.Options{
		Keys: ring, Now: time.Now().AddDate(1, 0, 0),
		OnObject: func(o verify.Object) error {
			if o.Verdict != verify.OK {
				t.Errorf("%+v", o)
			}
			return nil
		},
		OnChain: func(c verify.Chain) error {
			if c.Verdict != verify.Intact || !c.Ended {
				t.Errorf("%+v", c)
			}
			return nil
		},
	})
	if err != nil || total.Unread > 0 || total.Objects[verify.OK] == 0 {
		t.Errorf("%+v, %v", total, err)
	}
}

// window seals a window and stores what is in it, as the aggregator does, with
// attempts that fail.
func window(t *testing.T, rnd *rand.Rand, p *process, n int) {
	t.Helper()
	sealed := p.now()
	w := p.notary.Open(sealed)
	defer w.Close()
	for i := range 1 + rnd.IntN(2) {
		g := objectOf(t, p.name, sealed, 10*n+i)
		w.Storing(g)
		for {
			err := (link{p.bucket, p}).Write(context.Background(), g)
			if err == nil {
				break
			}
			if rnd.IntN(6) == 0 { // given up at the end of a drain: stored or not
				return
			}
			<-time.After(upTo(rnd, 20*time.Minute))
		}
		if rnd.IntN(30) == 0 {
			p.dead.Store(true) // between the store's answer and the note
		}
		w.Stored(g)
	}
}

func upTo(rnd *rand.Rand, d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }

// slow looks less often than is usual, for a test over days.
func slow(c *Timing) { c.Check, c.Max = 2*time.Minute, 10*time.Minute }
