package e2e

import (
	"net/http"
	"testing"
	"time"
)

func TestBrokerAwayForTenSeconds(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)
	c.nats.Kill()
	eventually(t, 15*time.Second, "the forwarder says that it is not ready", func() bool {
		return c.forwarder.status("/readyz") == http.StatusServiceUnavailable
	})
	if code := c.forwarder.status("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz is %d without a broker, want 200: a restart would not help", code)
	}
	pause(t, 10*time.Second)
	c.nats.Start()
	c.forwarder.AwaitReady()
	c.finish(l, arrivalLimit)
}

// TestBrokerFrozen is worse than one that is away: connections stay open and
// nothing answers.
func TestBrokerFrozen(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)
	c.nats.Pause()
	pause(t, 10*time.Second)
	c.nats.Resume()
	c.finish(l, arrivalLimit)
}

func TestS3AwayForThirtySeconds(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)
	c.s3.Stop()
	pause(t, 30*time.Second)
	c.s3.Start()
	c.finish(l, arrivalLimit)
}

func TestS3Frozen(t *testing.T) {
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, 2*time.Second)
	c.s3.Pause()
	pause(t, 10*time.Second)
	c.s3.Resume()
	c.finish(l, arrivalLimit)
}

// TestFrozenElasticsearchChangesNothing runs the whole load while the index
// hangs. The archive must get everything in the usual time.
func TestFrozenElasticsearchChangesNothing(t *testing.T) {
	c := newCluster(t, settings{elastic: servers.Elastic(t)})
	c.start()
	l := startLoad(t, c.input, fullRate)
	pause(t, time.Second)
	c.elastic.Pause()
	t.Cleanup(c.elastic.Resume)
	pause(t, 8*time.Second)
	// Still frozen: finish also asks both aggregators to drain and end.
	c.finish(l, 30*time.Second)
}
