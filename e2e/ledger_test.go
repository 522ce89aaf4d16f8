package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// source is one element of `audit sources --output json`.
type source struct {
	Node     string `json:"node"`
	Source   string `json:"source"`
	Path     string `json:"path"`
	Archived []span `json:"archived"`
	Missing  []span `json:"missing"`
	Lines    int64  `json:"lines"`
	Lost     []struct {
		Lines  int64  `json:"lines"`
		Reason string `json:"reason"`
	} `json:"lost"`
}

type span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// sources asks the archive itself what it holds. ok is false while the store
// does not answer.
func (c *cluster) sources() (list []source, ok bool) {
	c.t.Helper()
	stdout, _, code := command(c.t, c.s3.Env(), "loghaul", "audit", "sources", "--archive", c.url, "--output", "json")
	if code != 0 {
		return nil, false
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		c.t.Fatalf("audit sources printed no JSON: %v\n%s", err, stdout)
	}
	return list, true
}

// archivedBytes is how many bytes of the node's sources the archive holds,
// each counted once.
func (c *cluster) archivedBytes() int64 {
	var sum int64
	list, _ := c.sources()
	for _, s := range list {
		for _, r := range s.Archived {
			sum += r.To - r.From
		}
	}
	return sum
}

// awaitArchived waits until the archive holds as many bytes as were written.
func (c *cluster) awaitArchived(written int64, limit time.Duration) {
	c.t.Helper()
	var have int64
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for have < written {
		if time.Now().After(deadline) {
			c.t.Fatalf("after %v the archive holds %d of %d bytes\n%s", limit, have, written, c.state3())
		}
		have = c.archivedBytes()
		<-tick.C
	}
	if have > written {
		c.t.Fatalf("the archive holds %d bytes, only %d were written", have, written)
	}
}

// state3 says for a failure message how the three daemons are.
func (c *cluster) state3() string {
	var b strings.Builder
	for _, d := range append([]*daemon{c.forwarder}, c.agg[:]...) {
		code, why := d.get("/readyz")
		fmt.Fprintf(&b, "%s: /readyz %d %s\n%s\n", d.name, code, strings.TrimSpace(why), tail(d.proc.Output(), 1500))
	}
	return b.String()
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// checkLines reads all of `audit cat` and holds it against what was written:
// each of the lines 0 … n-1 exactly once, in its exact bytes, and nothing else.
func (c *cluster) checkLines(n int) {
	c.t.Helper()
	count := make([]uint8, n)
	var bad, lost, twice int
	var want []byte
	c.cat(func(line []byte) {
		i, ok := lineNumber(line)
		if !ok || i >= n {
			if bad++; bad <= 3 {
				c.t.Errorf("audit cat printed a line that was never written: %q", line)
			}
			return
		}
		if want = appendLineOf(want[:0], i, c.step); !bytes.Equal(line, want) {
			if bad++; bad <= 3 {
				c.t.Errorf("audit cat changed a line\nwant %q\nhave %q", want, line)
			}
		}
		if count[i] < 255 {
			count[i]++
		}
	})
	first := -1
	for i, k := range count {
		switch {
		case k == 0:
			if lost++; first < 0 {
				first = i
			}
		case k > 1:
			twice++
		}
	}
	c.t.Logf("%d lines written, %d lost, %d twice, %d changed", n, lost, twice, bad)
	if lost+twice+bad > 0 {
		c.t.Errorf("%d lines written: %d lost (the first is %d), %d twice, %d changed", n, lost, first, twice, bad)
	}
}

// cat runs `audit cat` and gives each line with its LF.
func (c *cluster) cat(line func([]byte)) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(binDir, "loghaul"), "audit", "cat", "--archive", c.url)
	cmd.Env = append(os.Environ(), c.s3.Env()...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		b, err := r.ReadSlice('\n')
		if len(b) > 0 {
			line(b)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		c.t.Fatalf("audit cat: %v\n%s", err, stderr.String())
	}
	said := stderr.String()
	if c.lossy && strings.Contains(said, "bytes as lost") {
		_, said, _ = strings.Cut(said, "\n") // the line about what was declared
	}
	if said != "" {
		c.t.Errorf("audit cat warns:\n%s", said)
	}
}

// finish is the end of a fault test: the load stops, everything arrives, the
// daemons drain, and the count is exact.
func (c *cluster) finish(l *load, limit time.Duration) {
	c.t.Helper()
	n := l.Stop()
	start := time.Now()
	c.awaitArchived(l.Bytes(), limit)
	arrived := time.Now()
	if lost := c.forwarder.metric("loghaul_forwarder_lost_bytes_total"); lost > 0 {
		c.t.Errorf("the forwarder counts %v lost bytes", lost)
	}
	c.stop()
	drained := time.Now()
	c.checkLines(n)
	c.checkManifests()
	c.t.Logf("after the last line: archived in %.1f s, drained in %.1f s, read back in %.1f s",
		arrived.Sub(start).Seconds(), drained.Sub(arrived).Seconds(), time.Since(drained).Seconds())
}

// eventually is testenv.Eventually for conditions that cost a process or a
// request each time.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	testenv.Eventually(t, limit, what, func() bool {
		<-tick.C
		return ok()
	})
}
