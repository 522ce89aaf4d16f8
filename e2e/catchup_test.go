package e2e

import (
	"bufio"
	"os"
	"strconv"
	"testing"
	"time"
)

// catchUpBytes is the size of the backlog: 1 GB, or $LOGHAUL_E2E_CATCHUP_MB.
func catchUpBytes(t *testing.T) int64 {
	t.Helper()
	s := os.Getenv("LOGHAUL_E2E_CATCHUP_MB")
	if s == "" {
		return 1_000_000_000
	}
	mb, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("LOGHAUL_E2E_CATCHUP_MB: %v", err)
	}
	return mb * 1_000_000
}

// TestCatchUpInterrupted starts on a big file and kills the forwarder in the
// middle, twice, and an aggregator once.
func TestCatchUpInterrupted(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newCluster(t, settings{})
	size := catchUpBytes(t)
	lines, written := writeFile(t, c.input, size)
	random := newChaos(t)
	start := time.Now()
	c.start()

	archived := func(least int64) {
		t.Helper()
		eventually(t, 2*time.Minute, "a part of the backlog in the archive", func() bool {
			return c.archivedBytes() >= least
		})
	}
	archived(written / 10)
	random.wait(time.Millisecond, 300*time.Millisecond)
	c.forwarder.Kill()
	c.agg[0].Kill()
	if done := c.archivedBytes(); done >= written {
		t.Fatal("all was archived before the kill: the test proves nothing")
	}
	c.forwarder.Start()
	c.agg[0].Start()
	archived(written / 3)
	c.forwarder.Kill()
	c.forwarder.Start()

	c.awaitArchived(written, 3*time.Minute)
	t.Logf("%d MB (%d lines) archived in %v, kills included", written/1_000_000, lines, time.Since(start).Round(100*time.Millisecond))
	c.stop()
	c.checkLines(lines)
}

// writeFile writes numbered lines until the file has about size bytes.
func writeFile(t *testing.T, path string, size int64) (lines int, written int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for written < size {
		line = appendLine(line[:0], lines)
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
		lines++
		written += int64(len(line))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return lines, written
}
