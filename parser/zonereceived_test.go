package parser

import (
	"testing"
	"time"
)

func TestResolveReceived(t *testing.T) {
	const layout = "2006-01-02T15:04:05Z07:00"
	for _, tc := range []struct{ zone, wall, received, want string }{
		{"UTC", "2026-10-25T02:30:00", "2026-10-25T02:30:01Z", "2026-10-25T02:30:00Z"},
		// 02:00 to 03:00 comes twice in Paris, at 00:00 and 01:00 UTC.
		{"Europe/Paris", "2026-10-25T01:59:59", "2026-10-25T00:00:00Z", "2026-10-25T01:59:59+02:00"},
		{"Europe/Paris", "2026-10-25T02:00:00", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00+02:00"},
		{"Europe/Paris", "2026-10-25T02:00:00", "2026-10-25T00:44:59Z", "2026-10-25T02:00:00+02:00"},
		{"Europe/Paris", "2026-10-25T02:00:00", "2026-10-25T00:45:00Z", "2026-10-25T02:00:00+01:00"},
		{"Europe/Paris", "2026-10-25T02:59:59", "2026-10-25T02:59:58Z", "2026-10-25T02:59:59+01:00"},
		{"Europe/Paris", "2026-10-25T02:59:59", "2026-10-25T02:59:59Z", "2026-10-25T02:59:59+02:00"},
		{"Europe/Paris", "2026-10-25T03:00:00", "2026-10-25T02:00:01Z", "2026-10-25T03:00:00+01:00"},
		// Clocks go back in April, and by half an hour.
		{"Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:01Z", "2026-04-05T01:45:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T15:15:01Z", "2026-04-05T01:45:00+10:30"},
		// There is no such time.
		{"Europe/Paris", "2026-03-29T02:30:00", "2026-03-29T01:30:01Z", "2026-03-29T02:30:00+01:00"},
	} {
		loc, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		wall, err := time.Parse(time.RFC3339, tc.wall+"Z")
		if err != nil {
			t.Fatal(err)
		}
		received, err := time.Parse(time.RFC3339, tc.received)
		if err != nil {
			t.Fatal(err)
		}
		ms, offset := NewZone(loc).ResolveReceived(wall.UnixMilli(), received.UnixMilli())
		if got := time.UnixMilli(ms).In(time.FixedZone("", int(offset))).Format(layout); got != tc.want {
			t.Errorf("%s %s, received %s: %s, want %s", tc.zone, tc.wall, tc.received, got, tc.want)
		}
	}
}
