package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// chaos draws the random moments of a test. Its seed is in the log.
type chaos struct {
	t   *testing.T
	rnd *rand.Rand
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LOGHAUL_E2E_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("LOGHAUL_E2E_SEED: %v", err)
		}
	}
	t.Logf("LOGHAUL_E2E_SEED=%d", seed)
	return &chaos{t: t, rnd: rand.New(rand.NewPCG(seed, 0))}
}

// wait lets a random time pass: the moment of a fault is what is under test,
// there is no condition to wait for.
func (c *chaos) wait(least, most time.Duration) {
	c.t.Helper()
	pause(c.t, least+time.Duration(c.rnd.Int64N(int64(most-least))))
}

// pause lets d pass while something stays broken.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal("the test ended while waiting")
	}
}

// kills is how often each fault test kills its victim.
const kills = 4

// times does crash and revive again and again, at random moments.
func (c *chaos) times(n int, crash, revive func()) {
	c.t.Helper()
	for range n {
		c.wait(300*time.Millisecond, 2500*time.Millisecond)
		crash()
		c.wait(time.Millisecond, 1500*time.Millisecond)
		revive()
	}
}
