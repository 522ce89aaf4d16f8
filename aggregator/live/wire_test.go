package live

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

const sourceID = "0123456789abcdef01234567"

// sample is a message with two lines.
func sample(t testing.TB) []byte {
	t.Helper()
	lines := appendLine(nil, sourceID, 0, []byte("{}\n"), []byte("a\n"))
	lines = appendLine(lines, sourceID, 1<<40, nil, []byte("b"))
	m, err := appendMessage(nil, &status{Version: Version, Aggregator: "a", ID: "x", Lease: 1, Sent: 9, Lines: 2, Skipped: 3}, lines)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readAll reads a message and its lines.
func readAll(b []byte) (s status, all []Line, err error) {
	s, rest, err := readMessage(b)
	for err == nil && len(rest) > 0 {
		var l Line
		if l, rest, err = nextLine(rest); err == nil {
			all = append(all, l)
		}
	}
	return s, all, err
}

func TestMessage(t *testing.T) {
	s, all, err := readAll(sample(t))
	if err != nil || s.Aggregator != "a" || s.Lines != 2 || s.Skipped != 3 || len(all) != 2 {
		t.Fatalf("%+v %v %v", s, all, err)
	}
	if got := fmt.Sprintf("%s %d %q %q", all[1].Source, all[1].Offset, all[1].JSON, all[1].Raw); got != sourceID+` 1099511627776 "" "b"` {
		t.Error(got)
	}
	if got := fmt.Sprintf("%q %q", all[0].JSON, all[0].Raw); got != `"{}\n" "a\n"` {
		t.Error(got)
	}
}

// TestCorruptMessages: each of these is refused.
func TestCorruptMessages(t *testing.T) {
	good := sample(t)
	head, body, _ := bytes.Cut(good, []byte("\n"))
	with := func(lines []byte) []byte { return append(append(bytes.Clone(head), '\n'), s2.Encode(nil, lines)...) }
	line := appendLine(nil, sourceID, 7, nil, []byte("a\n"))
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"no line feed":            head,
		"status that is no JSON":  append([]byte("{\n"), body...),
		"later version":           bytes.Replace(good, []byte(`"v":1`), []byte(`"v":2`), 1),
		"no id":                   bytes.Replace(good, []byte(`"id":"x"`), []byte(`"id":""`), 1),
		"id that is a wildcard":   bytes.Replace(good, []byte(`"id":"x"`), []byte(`"id":">"`), 1),
		"id of two tokens":        bytes.Replace(good, []byte(`"id":"x"`), []byte(`"id":"x.y"`), 1),
		"lines cut":               good[:len(good)-1],
		"lines that are not s2":   append(append(bytes.Clone(head), '\n'), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"s2 bomb":                 with(make([]byte, maxMessage+1)),
		"source cut":              with(line[:11]),
		"offset cut":              with(line[:12]),
		"offset too large":        with(append(bytes.Clone(line[:12]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)),
		"text longer than it all": with(append(bytes.Clone(line[:13]), 0, 3, 'a')),
		"text of 2^63 bytes":      with(append(bytes.Clone(line[:13]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
		"no raw text":             with(line[:14]),
		"rubbish behind":          with(append(bytes.Clone(line), 'x')),
	} {
		if s, all, err := readAll(b); !errors.Is(err, errMessage) {
			t.Errorf("%s: %+v %d lines, %v", name, s, len(all), err)
		}
	}
	if s, _, err := readAll(good[:len(good)-1]); err == nil || s.ID != "x" {
		t.Errorf("of a message with wrong lines the status is %+v", s)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("{\"v\":1,\"id\":\"a\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, all, err := readAll(b)
		if err != nil {
			if !errors.Is(err, errMessage) {
				t.Fatal(err)
			}
			return
		}
		var lines []byte
		for _, l := range all {
			lines = appendLine(lines, l.Source, l.Offset, l.JSON, l.Raw)
		}
		again, err := appendMessage(nil, &s, lines)
		if err != nil {
			t.Fatal(err)
		}
		s2, same, err := readAll(again)
		if err != nil || fmt.Sprintf("%+v", s2) != fmt.Sprintf("%+v", s) || fmt.Sprint(same) != fmt.Sprint(all) {
			t.Fatalf("%+v %v, again %+v %v: %v", s, all, s2, same, err)
		}
	})
}

// TestSeen: a line is shown once, other bytes in its place are another line, and
// memory is bounded.
func TestSeen(t *testing.T) {
	s := newSeen()
	line := func(n int64, raw string) *Line { return &Line{Source: sourceID, Offset: n, Raw: []byte(raw)} }
	if s.before(line(1, "a")) || !s.before(line(1, "a")) || s.before(line(1, "b")) || s.before(line(2, "a")) {
		t.Error("lines are mistaken for each other")
	}
	for n := range int64(3 * remembered) {
		if s.before(line(10+n, "a")) {
			t.Fatalf("line %d was not there before", n)
		}
	}
	if len(s.recent) > remembered || len(s.older) > remembered || !s.before(line(9+3*remembered, "a")) {
		t.Errorf("%d and %d are remembered", len(s.recent), len(s.older))
	}
}

// TestHears: what aggregators count is summed up over them and over leases; what
// does not arrive is noticed.
func TestHears(t *testing.T) {
	c := NewClient(nil, Ask{})
	for _, m := range []struct {
		id                          string
		lease, lines, skipped, read int64
	}{
		{"x", 1, 10, 0, 10},
		{"x", 1, 30, 5, 15}, // five are lost
		{"y", 1, 3, 1, 3},
		{"x", 1, 30, 7, 0},
		{"x", 2, 4, 1, 4}, // served anew
	} {
		c.hear(&status{Aggregator: m.id, ID: m.id, Lease: m.lease, Lines: m.lines, Skipped: m.skipped}, int(m.read))
	}
	if r := c.Report(); r.Lost != 5 || r.Skipped != 9 || strings.Join(r.Serving, " ") != "x y" {
		t.Errorf("%+v", r)
	}
}
