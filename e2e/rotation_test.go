package e2e

import (
	"path/filepath"
	"testing"
	"time"
)

// TestRenamedTwiceWhileDown: the forwarder dies in the middle of a file; before
// it is back the file was rotated twice, so what it read last is .2 now and it
// has never seen .1.
func TestRenamedTwiceWhileDown(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	random := newChaos(t)
	random.wait(2*time.Second, 3*time.Second)
	c.forwarder.Kill()

	log := func(n string) string { return filepath.Join(c.dir, "haproxy.log."+n) }
	random.wait(300*time.Millisecond, time.Second)
	l.Rotate(log("1"))
	random.wait(300*time.Millisecond, time.Second)
	rename(t, log("1"), log("2"))
	l.Rotate(log("1"))
	random.wait(300*time.Millisecond, time.Second)

	c.forwarder.Start()
	random.wait(time.Second, 2*time.Second)
	c.finish(l, arrivalLimit)
}

// TestRotatedWhileRunning renames the file again and again at full rate, as
// logrotate does, with lines arriving all the time.
func TestRotatedWhileRunning(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	random := newChaos(t)
	for range 5 {
		random.wait(500*time.Millisecond, 1500*time.Millisecond)
		for i := 4; i >= 1; i-- {
			from := filepath.Join(c.dir, "haproxy.log."+string(rune('0'+i)))
			if exists(from) {
				rename(t, from, filepath.Join(c.dir, "haproxy.log."+string(rune('1'+i))))
			}
		}
		l.Rotate(filepath.Join(c.dir, "haproxy.log.1"))
	}
	c.finish(l, arrivalLimit)
}

// TestLostStateGivesTheSameIdentity: with its state folder gone the forwarder
// reads everything again, and nothing comes twice, for the source and the
// offsets are the same.
func TestLostStateGivesTheSameIdentity(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)
	c.forwarder.Kill()
	removeAll(t, c.state)
	c.forwarder.Start()
	pause(t, 2*time.Second)
	c.finish(l, arrivalLimit)
	sources, _ := c.sources()
	if len(sources) != 1 {
		t.Errorf("one file became %d sources: %+v", len(sources), sources)
	}
}
