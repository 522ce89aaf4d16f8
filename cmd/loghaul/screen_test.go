package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestScreenLines(t *testing.T) {
	n := &notes{}
	for _, msg := range []string{"a", "b", "c", "d", "e"} {
		n.logger().Warn("trouble", "what", msg, "err", errors.New("x\x1b[2J"))
	}
	n.logger().Info("not shown")
	s := &screen{title: "loghaul up", next: []string{"loghaul audit cat"}, notes: n}
	now := snapshot{
		uptime: 12 * time.Second, read: 6000, acked: 5500, readBytes: 1 << 20, inFlight: 500, lag: 2048,
		lost: map[string]int64{"deleted": 3, "none": 0, "bound": 1000}, archived: 4500, rawBytes: 1 << 20, storedBytes: 1 << 17, objects: 3,
	}
	got := strings.Join(s.lines(now, snapshot{uptime: 11 * time.Second, read: 5500}), "\n") + "\n"
	golden(t, "screen.txt", got)
	if strings.Contains(got, "\x1b") {
		t.Error("a log record steers the terminal")
	}
}

func TestScreenRedrawsInPlace(t *testing.T) {
	var b bytes.Buffer
	s := &screen{out: &b, tty: true, title: "loghaul up"}
	s.show(snapshot{waiting: "the broker"}, snapshot{})
	out := b.String()
	if !strings.HasPrefix(out, "\x1b[Hloghaul up\x1b[K\n") || !strings.HasSuffix(out, "\x1b[J") || !strings.Contains(out, "waiting: the broker") {
		t.Errorf("got %q", out)
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(in); got != want {
			t.Errorf("%d: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 3 << 30: "3.0 GiB", 5 << 41: "10.0 TiB"} {
		if got := bytesText(in); got != want {
			t.Errorf("%d: got %s, want %s", in, got, want)
		}
	}
}
