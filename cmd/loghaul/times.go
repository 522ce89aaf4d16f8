package main

import (
	"strconv"
	"strings"
	"time"
)

// timeHelp explains the value of --from and --to.
const timeHelp = "RFC 3339 (2026-03-01T12:00:00Z), a date (2026-03-01, midnight UTC) or relative (-2h, -7d)"

// parseTime reads the value of --from or --to. The empty string is no bound:
// the zero time.
func parseTime(flagName, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	if s == "now" {
		return now, nil
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		if days, ok := strings.CutSuffix(ago, "d"); ok {
			if n, err := strconv.ParseUint(days, 10, 16); err == nil {
				return now.Add(-time.Duration(n) * 24 * time.Hour), nil
			}
		}
		if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
			return now.Add(-d), nil
		}
	}
	return time.Time{}, usagef("--%s: %q is not a time; want %s", flagName, s, timeHelp)
}

// parseRange reads --from and --to and checks their order.
func parseRange(from, to string, now time.Time) (start, end time.Time, err error) {
	if start, err = parseTime("from", from, now); err != nil {
		return start, end, err
	}
	if end, err = parseTime("to", to, now); err != nil {
		return start, end, err
	}
	if !start.IsZero() && !end.IsZero() && !start.Before(end) {
		return start, end, usagef("--from %s is not before --to %s", from, to)
	}
	return start, end, nil
}
