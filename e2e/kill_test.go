package e2e

import (
	"path/filepath"
	"testing"
	"time"
)

// arrivalLimit bounds how long the last line may take after a fault is over.
const arrivalLimit = 90 * time.Second

// killTest writes lines at full rate while the victim that pick names is
// killed again and again, then counts.
func killTest(t *testing.T, pick func(*cluster) (crash, revive func())) *cluster {
	t.Helper()
	random := newChaos(t)
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	crash, revive := pick(c)
	random.times(kills, crash, revive)
	c.finish(l, arrivalLimit)
	return c
}

func TestKillForwarder(t *testing.T) {
	killTest(t, func(c *cluster) (crash, revive func()) {
		return c.forwarder.Kill, c.forwarder.Start
	})
}

func TestKillForwarderWhileTheFileIsRotated(t *testing.T) {
	random := newChaos(t)
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	generation := 0
	random.times(kills, func() {
		generation++
		l.Rotate(filepath.Join(c.dir, "haproxy.log."+string(rune('0'+generation))))
		random.wait(time.Millisecond, 300*time.Millisecond)
		c.forwarder.Kill()
	}, c.forwarder.Start)
	c.finish(l, arrivalLimit)
}

// TestKillForwarderEveryTwoSecondsForAMinute is the forwarder's own promise:
// the file is read on where the broker's answers ended, thirty times.
func TestKillForwarderEveryTwoSecondsForAMinute(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	for range 30 {
		pause(t, 2*time.Second)
		c.forwarder.Kill()
		c.forwarder.Start()
	}
	c.finish(l, arrivalLimit)
}

func TestKillAggregator(t *testing.T) {
	victim := 0
	killTest(t, func(c *cluster) (crash, revive func()) {
		return func() { c.agg[victim].Kill() }, func() {
			c.agg[victim].Start()
			victim = 1 - victim
		}
	})
}

func TestKillBothAggregatorsAtOnce(t *testing.T) {
	killTest(t, func(c *cluster) (crash, revive func()) {
		return func() { c.agg[0].Kill(); c.agg[1].Kill() },
			func() { c.agg[0].Start(); c.agg[1].Start() }
	})
}

func TestKillNATSServer(t *testing.T) {
	killTest(t, func(c *cluster) (crash, revive func()) {
		return c.nats.Kill, c.nats.Start
	})
}

func TestKillS3Server(t *testing.T) {
	killTest(t, func(c *cluster) (crash, revive func()) {
		return c.s3.Stop, c.s3.Start
	})
}

// TestKillEverything kills any of them, in any order.
func TestKillEverything(t *testing.T) {
	random := newChaos(t)
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	victims := [][2]func(){
		{c.forwarder.Kill, c.forwarder.Start},
		{c.agg[0].Kill, c.agg[0].Start},
		{c.agg[1].Kill, c.agg[1].Start},
		{c.nats.Kill, c.nats.Start},
		{c.s3.Stop, c.s3.Start},
	}
	for range 2 * kills {
		v := victims[random.rnd.IntN(len(victims))]
		random.wait(100*time.Millisecond, time.Second)
		v[0]()
		random.wait(time.Millisecond, time.Second)
		v[1]()
	}
	c.finish(l, arrivalLimit)
}
