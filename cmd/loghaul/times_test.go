package main

import (
	"errors"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"":                          "0001-01-01T00:00:00Z",
		"2026-02-03":                "2026-02-03T00:00:00Z",
		"2026-02-03T04:05:06Z":      "2026-02-03T04:05:06Z",
		"2026-02-03T04:05:06.5Z":    "2026-02-03T04:05:06.5Z",
		"2026-02-03T04:05:06+02:00": "2026-02-03T02:05:06Z",
		"-2h":                       "2026-03-01T10:00:00Z",
		"-90m":                      "2026-03-01T10:30:00Z",
		"-1d":                       "2026-02-28T12:00:00Z",
		"-0s":                       "2026-03-01T12:00:00Z",
		"now":                       "2026-03-01T12:00:00Z",
	} {
		got, err := parseTime("from", in, now)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "2h", "--2h", "-2", "-d", "-99999999d", "2026-02-30", "2026-02-03 04:05", "1770000000"} {
		var usage *usageError
		if got, err := parseTime("from", in, now); !errors.As(err, &usage) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func TestParseRange(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"", "", true},
		{"-2h", "", true},
		{"", "-2h", true},
		{"-2h", "-1h", true},
		{"-1h", "-2h", false},
		{"2026-01-01", "2026-01-01", false},
		{"x", "", false},
		{"", "x", false},
	} {
		if _, _, err := parseRange(tc.from, tc.to, now); (err == nil) != tc.ok {
			t.Errorf("%s to %s: %v", tc.from, tc.to, err)
		}
	}
}
