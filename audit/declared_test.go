package audit_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/wire"
)

// lost declares a loss.
func lost(src wire.Source, from, to int64, lines int, reason string, at time.Time) archive.Batch {
	return archive.Batch{Header: wire.Header{Source: src, From: from, To: to, Records: lines, Lost: reason, Encoding: wire.Plain, ReadAt: at}}
}

// TestDeclaredLosses has losses in objects with lines and in others, and bytes
// that turned up after they were declared lost.
func TestDeclaredLosses(t *testing.T) {
	w := newWorld(t)
	a, b, c := source("web-1", 'a'), source("web-1", 'b'), source("web-1", 'c')
	c.Path = "haproxy:/run/haproxy.sock"
	w.add("one", day, batch(a, 0, "12345\n", day), lost(a, 6, 20, 0, "truncated", day), lost(a, 30, 40, 1, "gone", day))
	w.add("two", day.Add(time.Minute), lost(c, 0, 3, 3, "haproxy_dropped", day.Add(time.Hour)), lost(b, 0, 100, 0, "joined", day))
	w.add("three", day.Add(2*time.Minute), lost(c, 3, 7, 4, "haproxy_dropped", day.Add(time.Hour)), lost(b, 110, 120, 0, "gone", day))
	w.add("four", day.Add(3*time.Minute), batch(a, 6, "1234\n", day), batch(a, 40, "12\n", day))
	fail := func(err error) { t.Error(err) }
	got, err := audit.Sources(t.Context(), w.store, audit.Filter{}, fail)
	span := func(from, to int64) audit.Span { return audit.Span{From: from, To: to} }
	want := []audit.Source{
		{
			Node: "web-1", ID: a.ID, Path: a.Path, Lines: 3, Bytes: 14, Archived: []audit.Span{span(0, 11), span(40, 43)}, Missing: []audit.Span{span(20, 30)},
			Lost: []audit.Lost{{Span: span(11, 20), Reason: "truncated"}, {Span: span(30, 40), Lines: 1, Reason: "gone"}},
		},
		{
			Node: "web-1", ID: b.ID, Path: b.Path, Archived: []audit.Span{}, Missing: []audit.Span{span(100, 110)},
			Lost: []audit.Lost{{Span: span(110, 120), Reason: "gone"}}, Joined: []audit.Span{span(0, 100)},
		},
		{
			Node: "web-1", ID: c.ID, Path: c.Path, Archived: []audit.Span{}, Missing: []audit.Span{}, Counter: true,
			Lost: []audit.Lost{{Span: span(0, 7), Lines: 7, Reason: "haproxy_dropped"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	text, err := json.Marshal(got[0])
	if err != nil || !strings.Contains(string(text), `"lost":[{"from":11,"to":20,"lines":0,"reason":"truncated"},{"from":30,"to":40,"lines":1,"reason":"gone"}]`) {
		t.Errorf("%v: %s", err, text)
	}

	got, err = audit.Sources(t.Context(), w.store, audit.Filter{From: day.Add(30 * time.Minute), Source: c.ID}, fail)
	want[2].Missing = nil
	if d := cmp.Diff(want[2:], got); d != "" || err != nil {
		t.Errorf("declared later: %v (-want +got)\n%s", err, d)
	}
	got, err = audit.Sources(t.Context(), w.store, audit.Filter{To: day.Add(30 * time.Minute), Source: c.ID}, fail)
	if len(got) != 0 || err != nil {
		t.Errorf("declared before: %v, %v", got, err)
	}

	out, report, warnings, err := w.cat(audit.Filter{})
	if out != "12345\n1234\n12\n" || err != nil || len(warnings) > 0 || report.LostBytes != 9+10+10 || report.LostLines != 8 {
		t.Errorf("cat: %q, %+v, %v, %v", out, report, warnings, err)
	}
	if _, report, _, err = w.cat(audit.Filter{Source: b.ID}); err != nil || report.LostBytes != 10 || report.LostLines != 0 {
		t.Errorf("cat of one source: %+v, %v", report, err)
	}

	n := 0
	err = audit.Ls(t.Context(), w.store, audit.Filter{}, fail, func(o audit.Object) error {
		n += o.Lines
		return nil
	})
	if n != 3 || err != nil {
		t.Errorf("ls: %d lines, %v", n, err)
	}
}

// TestCatPrintsWhatHAProxyWrote takes off what container runtimes put around
// lines, and only that.
func TestCatPrintsWhatHAProxyWrote(t *testing.T) {
	const at = "2026-03-01T12:00:00.5Z "
	for name, tc := range map[string]struct{ raw, want string }{
		"cri":           {at + "stdout F a line\n" + at + "stderr F \n", "a line\n\n"},
		"cri+short":     {at + "stdout F <6>a line\n", "<6>a line\n"},
		"cri+rfc3164":   {at + "stdout F <134>Mar  1 12:00:00 lb1 haproxy[1]: x\n", "<134>Mar  1 12:00:00 lb1 haproxy[1]: x\n"},
		"cri, joined":   {at + "stdout P a\n" + at + "stderr F b\n" + at + "stdout F c\n", "ac\nb\n"},
		"cri, a part":   {at + "stdout P a line\n" + at + "stderr F b\n", "a lineb\n"},
		"docker":        {`{"log":"a \"line\"\u003c\n","stream":"stdout","time":"2026-03-01T12:00:00Z"}` + "\n", "a \"line\"<\n"},
		"docker+local":  {`{"log":"<134>Mar  1 12:00:00 haproxy[1]: x\n","stream":"stdout","time":"2026-03-01T12:00:00Z"}` + "\n", "<134>Mar  1 12:00:00 haproxy[1]: x\n"},
		"docker joined": {`{"log":"a","stream":"stdout","time":"2026-03-01T12:00:00Z"}` + "\n" + `{"log":"b\n","stream":"stdout","time":"2026-03-01T12:00:00Z"}` + "\n", "ab\n"},
		"syslog":        {"<134>Mar  1 12:00:00 lb1 haproxy[1]: x\n<6>y\n2026-03-01T12:00:00.5+00:00 z\n", "<134>Mar  1 12:00:00 lb1 haproxy[1]: x\n<6>y\n2026-03-01T12:00:00.5+00:00 z\n"},
		"a file":        {"Mar  1 12:00:00 lb1 haproxy[1]: x", "Mar  1 12:00:00 lb1 haproxy[1]: x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			// In two objects and twice, as after a crash.
			w.add("one", day, batch(source("n", 'a'), 5, tc.raw, day))
			w.add("two", day.Add(time.Minute), batch(source("n", 'a'), 5, tc.raw, day))
			out, report, warnings, err := w.cat(audit.Filter{})
			if out != tc.want || err != nil || len(warnings) > 0 || report.Bytes != int64(len(tc.want)) || report.Conflicts > 0 {
				t.Errorf("%q, want %q: %v, %v, %+v", out, tc.want, err, warnings, report)
			}
			var wrapped bytes.Buffer
			if _, err := audit.Cat(t.Context(), w.store, &wrapped, audit.CatOptions{Wrapped: true, Warn: func(err error) { t.Error(err) }}); err != nil || wrapped.String() != tc.raw {
				t.Errorf("wrapped: %q, want %q: %v", wrapped.String(), tc.raw, err)
			}
		})
	}
}
