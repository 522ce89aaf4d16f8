package aggregator_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
)

func lost(node string, from, to int64, lines int, reason string) wire.Header {
	h, _ := batch(node, from, "x\n")
	h.To, h.Records, h.CRC, h.Encoding, h.Lost = to, lines, 0, wire.Plain, reason
	return h
}

// losses gives what the objects of a store declare as lost.
func (s *store) losses(t *testing.T) (all []archive.Loss) {
	t.Helper()
	for _, k := range s.keys("dt=") {
		r, err := archive.Open(bytes.NewReader(s.objects[k]), int64(len(s.objects[k])))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Meta().Losses...)
	}
	return all
}

// TestALossIsAsDurableAsALine declares losses only: they are stored before
// they are acknowledged, and counted; the index has nothing to do with them.
func TestALossIsAsDurableAsALine(t *testing.T) {
	r := newRig(t, 1, nil)
	for _, h := range []wire.Header{
		lost("a", 0, 100, 3, "spool_full"), lost("a", 100, 150, 0, "truncated"), lost("a", 150, 250, 0, "joined"),
		lost("b", 0, 7, 7, "haproxy_dropped"), lost("b", 7, 10, 0, "some_other_reason"), lost("a", 0, 100, 3, "spool_full"),
	} {
		r.publish("a", h.Encode(), nil)
	}
	s := &store{before: func(_ context.Context, g *sinks.Group) error {
		if n := r.messages(); n != 5 || g.Lines != 0 { // JetStream dropped the repeat
			t.Errorf("%d of 5 messages are left while %s of %d lines is being stored", n, g.Key, g.Lines)
		}
		return nil
	}}
	x := &index{}
	reg := metrics.New(aggregator.Metrics()...)
	c := r.config("a1")
	c.Window.Age = time.Hour
	run := r.run(c, aggregator.Deps{Archive: s, Index: x, Metrics: reg})
	eventually(t, "all messages are in a window", func() bool { return run.Status().InFlight == 5 })
	if err := run.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	var got []string
	for _, l := range s.losses(t) {
		got = append(got, l.Source.Node+" "+l.Reason)
	}
	if d := cmp.Diff([]string{"a spool_full", "a truncated", "a joined", "b haproxy_dropped", "b some_other_reason"}, got); d != "" {
		t.Errorf("losses (-want +got):\n%s", d)
	}
	if len(x.keys) > 0 || len(s.keys("_quarantine/")) > 0 {
		t.Errorf("offered %v, quarantined %v", x.keys, s.keys("_quarantine/"))
	}
	var text strings.Builder
	if err := reg.WritePrometheus(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`loghaul_archive_lost_bytes_total{reason="spool_full"} 100`, `loghaul_archive_lost_lines_total{reason="spool_full"} 3`,
		`loghaul_archive_lost_bytes_total{reason="truncated"} 50`, `loghaul_archive_lost_lines_total{reason="truncated"} 0`,
		`loghaul_archive_lost_bytes_total{reason="haproxy_dropped"} 0`, `loghaul_archive_lost_lines_total{reason="haproxy_dropped"} 7`,
		`loghaul_archive_lost_bytes_total{reason="other"} 3`, `loghaul_archive_objects_total 1`, `loghaul_archive_lines_total 0`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text.String(), `"joined"`) || strings.Contains(text.String(), `"some_other_reason"`) {
		t.Error("metrics have a reason that they should not have")
	}
}

// TestLossesGoWithLines has a loss between batches, and the rest of a cut line.
func TestLossesGoWithLines(t *testing.T) {
	r := newRig(t, 1, nil)
	h, payload := batch("a", 0, "one\n")
	r.publish("a", h.Encode(), payload)
	gone := lost("a", 4, 100, 0, "gone")
	r.publish("a", gone.Encode(), nil)
	h, payload = batch("a", 100, "two\nrest\n")
	h.Rest = true
	r.publish("a", h.Encode(), payload)
	reg := metrics.New(aggregator.Metrics()...)
	s := &store{}
	run := r.run(r.config("a1"), aggregator.Deps{Archive: s, Metrics: reg})
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
	run.stop()
	s.same(t, []string{"one", "two", "rest"})
	if l := s.losses(t); len(l) != 1 || l[0].From != 4 || l[0].To != 100 {
		t.Errorf("losses %v", l)
	}
	var text strings.Builder
	if err := reg.WritePrometheus(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"loghaul_archive_rest_lines_total 1", "loghaul_archive_unparsed_lines_total 2"} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}
