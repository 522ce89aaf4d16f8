package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/config"
)

const (
	screenEvery = time.Second
	reportEvery = 5 * time.Second
)

// snapshot is what `up` shows at one moment. Lines are counted since the start.
type snapshot struct {
	uptime      time.Duration
	read, acked int64 // lines
	readBytes   int64
	inFlight    int64            // bytes that are read and neither acked nor lost
	lag         int64            // bytes in the files that are not acked yet
	lost        map[string]int64 // bytes by reason
	archived    int64            // lines
	unparsed    int64
	rawBytes    int64
	storedBytes int64
	objects     int64
	waiting     string // why nothing moves, if so
}

// screen shows snapshots until ctx ends: redrawn in place on a terminal, as
// log records otherwise.
type screen struct {
	out   io.Writer
	log   *slog.Logger
	tty   bool
	title string
	next  []string // commands to type next
	notes *notes   // nil unless tty
	get   func() snapshot
}

func (s *screen) Run(ctx context.Context) {
	every := reportEvery
	if s.tty {
		every = screenEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	if !s.tty { // not as log records: those would quote them
		_, _ = io.WriteString(s.out, "Type next, in another terminal:\n  "+strings.Join(s.next, "\n  ")+"\n")
	}
	var last snapshot
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := s.get()
			s.show(now, last)
			last = now
		}
	}
}

func (s *screen) show(now, last snapshot) {
	if !s.tty {
		s.log.Info("status", now.attrs()...)
		return
	}
	var b strings.Builder
	b.WriteString("\x1b[H") // home; each line then clears what it does not fill
	for _, line := range s.lines(now, last) {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(s.out, b.String()) // a terminal that is gone ends us by SIGHUP
}

// lines is the whole screen.
func (s *screen) lines(now, last snapshot) []string {
	rate := "-"
	if d := (now.uptime - last.uptime).Seconds(); d > 0 {
		rate = thousands(int64(float64(now.read-last.read) / d))
	}
	l := []string{
		s.title,
		"",
		fmt.Sprintf("  read      %12s lines  %10s   %s lines/s", thousands(now.read), bytesText(now.readBytes), rate),
		fmt.Sprintf("  acked     %12s lines", thousands(now.acked)),
		fmt.Sprintf("  archived  %12s lines  %10s   stored in %s, %s, %d objects", thousands(now.archived),
			bytesText(now.rawBytes), bytesText(now.storedBytes), smaller(now.rawBytes, now.storedBytes), now.objects),
		fmt.Sprintf("  unparsed  %12s lines  (archived as they are)", thousands(now.unparsed)),
		"  lost      " + fmt.Sprintf("%12s", bytesText(total(now.lost))) + reasons(now.lost),
		fmt.Sprintf("  lag       %12s not acked yet", bytesText(now.lag)),
		"",
		"  " + now.state(),
		"",
		"Type next, in another terminal:",
	}
	for _, c := range s.next {
		l = append(l, "  "+c)
	}
	l = append(l, "", "Ctrl-C stops after everything that was read is archived.")
	if s.notes != nil {
		l = append(l, s.notes.recent()...)
	}
	return l
}

func (n *snapshot) state() string {
	if n.waiting != "" {
		return "waiting: " + n.waiting
	}
	return "running for " + n.uptime.Truncate(time.Second).String()
}

func (n *snapshot) attrs() []any {
	a := []any{
		"read_lines", n.read, "acked_lines", n.acked, "archived_lines", n.archived, "unparsed_lines", n.unparsed,
		"lost_bytes", total(n.lost), "lag_bytes", n.lag, "raw_bytes", n.rawBytes, "stored_bytes", n.storedBytes, "objects", n.objects,
	}
	for _, reason := range slices.Sorted(maps.Keys(n.lost)) {
		if n.lost[reason] != 0 {
			a = append(a, "lost_"+reason+"_bytes", n.lost[reason])
		}
	}
	if n.waiting != "" {
		a = append(a, "waiting", n.waiting)
	}
	return a
}

func total(m map[string]int64) int64 {
	var sum int64
	for _, v := range m {
		sum += v
	}
	return sum
}

// reasons lists what was lost and why.
func reasons(m map[string]int64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(m)) {
		if m[reason] != 0 {
			parts = append(parts, reason+" "+bytesText(m[reason]))
		}
	}
	if parts == nil {
		return ""
	}
	return "  (" + strings.Join(parts, ", ") + ")"
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText rounds to three digits or so; config.Size is exact.
func bytesText(n int64) string {
	for _, unit := range []config.Size{1 << 40, 1 << 30, 1 << 20, 1 << 10} {
		if n >= int64(unit) {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit), unit.String()[1:])
		}
	}
	return fmt.Sprintf("%d B", n)
}

func smaller(raw, stored int64) string {
	if stored == 0 || raw == 0 {
		return "nothing yet"
	}
	return fmt.Sprintf("%.1f%% of the raw bytes", 100*float64(stored)/float64(raw))
}
