package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
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
	t.Parallel() // it mostly waits
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
	t.Parallel() // it mostly waits
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
	t.Parallel() // it mostly waits
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

// TestArchiveAwayUntilEverythingIsFull is the multi-day outage in small: the
// archive is away, the streams fill, then the spool, then datagrams are lost. A
// file waits meanwhile. In the end each line is archived or declared lost.
func TestArchiveAwayUntilEverythingIsFull(t *testing.T) {
	t.Parallel() // it mostly waits
	port := testenv.FreePort(t)
	url := fmt.Sprintf("udp://127.0.0.1:%d", port)
	c := newCluster(t, settings{inputs: "  - syslog: " + url + "\nspool: { bytes: 16MiB }\n", stream: "16MiB"})
	c.lossy = true
	c.start()
	c.s3.Stop()
	l := startLoad(t, c.input, fullRate/2)
	sent, stop := startDatagrams(t, port)

	lost := func() float64 {
		return c.forwarder.metric("loghaul_forwarder_lost_lines_total", `reason="spool_full"`)
	}
	testenv.Eventually(t, time.Minute, "streams and spool are full", func() bool { return lost() > 1000 })
	// All of it is visible while it lasts.
	for _, a := range c.agg {
		if code := a.status("/readyz"); code != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz is %d without an archive", a.name, code)
		}
	}
	if failing := c.agg[0].metric("loghaul_archive_failing") + c.agg[1].metric("loghaul_archive_failing"); failing < 1 {
		t.Error("no aggregator says that the archive fails")
	}
	if lag := c.forwarder.metric("loghaul_forwarder_lag_bytes", `path="`+c.input+`"`); lag < 1<<20 {
		t.Errorf("the file waits with %v bytes, want more than a MiB", lag)
	}
	if n := c.forwarder.metric("loghaul_forwarder_lost_bytes_total", `path="`+c.input+`"`); n > 0 {
		t.Errorf("%v bytes of the file are lost: a file can wait", n)
	}
	n := l.Stop()
	stop()
	c.s3.Start()

	var udp source
	testenv.Eventually(t, 2*time.Minute, "every line archived or declared lost", func() bool {
		list, _ := c.sources()
		var file int64
		udp = source{}
		for _, s := range list {
			switch s.Path {
			case c.input:
				file += s.Lines
			case url:
				udp.Lines += s.Lines
				udp.Lost = append(udp.Lost, s.Lost...)
				udp.Missing = append(udp.Missing, s.Missing...)
			}
		}
		return file == int64(n) && udp.Lines+udp.lostLines() == sent()
	})
	c.stop()
	t.Logf("%d lines of a file, all archived; %d datagrams sent, %d archived, %d declared lost", n, sent(), udp.Lines, udp.lostLines())
	if int64(lost()) > udp.lostLines() || len(udp.Missing) > 0 {
		t.Errorf("%d lines are declared lost, and %v missing", udp.lostLines(), udp.Missing)
	}
	seen := map[string]bool{}
	c.cat(func(line []byte) {
		if strings.Contains(string(line), datagramMark) {
			if seen[string(line)] {
				t.Errorf("twice: %s", line)
			}
			seen[string(line)] = true
		}
	})
	if int64(len(seen)) != udp.Lines {
		t.Errorf("audit cat prints %d lines that were datagrams, want %d", len(seen), udp.Lines)
	}
}

// lostLines is how many lines of a source are declared lost.
func (s *source) lostLines() (n int64) {
	for _, l := range s.Lost {
		n += l.Lines
	}
	return n
}

// datagramMark tells the lines of startDatagrams from others.
const datagramMark = "haproxy[77]: "

// startDatagrams sends numbered lines by UDP, fullRate a second, until stop.
// Then sent is exact.
func startDatagrams(t *testing.T, port int) (sent func() int64, stop func()) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	end, done := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		defer close(done)
		defer conn.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var buf []byte
		for start := time.Now(); ; {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			for due := int(time.Since(start).Seconds() * fullRate); n < due; n++ {
				buf = append(buf[:0], "<134>Nov 20 08:00:00 edge "+datagramMark...)
				buf = appendLine(buf, n)
				if _, err := conn.Write(buf[:len(buf)-1]); err != nil {
					t.Errorf("sending a datagram: %v", err)
					return
				}
			}
		}
	}()
	return func() int64 { return int64(n) }, func() { close(end); <-done }
}
