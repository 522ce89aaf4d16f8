package aggregator_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// TestMask sends lines with secrets through a broker, and looks for them in
// everything that comes out: objects, quarantine, index, audit.
func TestMask(t *testing.T) {
	r := newRig(t, 1, nil)
	dir := t.TempDir()
	remote, err := objectstore.Open(t.Context(), "file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	line := func(ci, cookie, query string) string {
		return ci + ":4711 [22/Nov/2026:10:11:12.123] fe be/s 0/0/1/2/3 200 7 " + cookie + ` - ---- 1/1/0/0/0 0/0 "GET /p?` + query + ` HTTP/1.1"`
	}
	raw := line("203.0.113.77", "SID=topsecret", "token=hunter22") + "\n" + line("198.51.100.7", "-", "q=hunter23") + "\nno line of topsecret\n"
	h, payload := batch("a", 0, raw)
	r.publish("a", h.Encode(), payload)
	broken, payload := batch("a", 1000, "topsecret\n")
	broken.CRC++
	r.publish("a", broken.Encode(), []byte("topsecret"+string(payload)))

	c := r.config("a1")
	c.Mask.Fields = map[string]string{"ci": "truncate", "CC": "hash", "HQ": "hash"}
	c.Mask.Key, c.Mask.Unparsed = "0123456789abcdef", "blank"
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	reg := metrics.New(aggregator.Metrics()...)
	var offered []byte
	x := &index{offered: func(g *sinks.Group) { offered = append(offered, g.Body...) }}
	run := r.run(c, aggregator.Deps{Archive: remote, Metrics: reg, Index: x})
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
	run.stop()

	var out bytes.Buffer
	report, err := audit.Cat(t.Context(), remote, &out, audit.CatOptions{Warn: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if report.Lines != 3 || out.Len() != len(raw) || len(got) != 3 {
		t.Fatalf("%d lines of %d bytes, sent 3 of %d:\n%s", report.Lines, out.Len(), len(raw), out.String())
	}
	for i, old := range strings.Split(strings.TrimSuffix(raw, "\n"), "\n") {
		if len(got[i]) != len(old) {
			t.Errorf("line %d has %d bytes, had %d", i, len(got[i]), len(old))
		}
	}
	if !strings.HasPrefix(got[0], "203.0.113.10:4711 [22/Nov") || !strings.HasPrefix(got[1], "198.51.100.0:4711 [") || strings.Trim(got[2], "x") != "" {
		t.Errorf("lines:\n%s", out.String())
	}
	sources, err := audit.Sources(t.Context(), remote, audit.Filter{}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 1 || len(sources[0].Missing) > 0 || len(sources[0].Archived) != 1 || sources[0].Archived[0].To != int64(len(raw)) {
		t.Errorf("sources %+v", sources)
	}
	s := download(t, remote)
	places := map[string][]byte{"audit cat": out.Bytes(), "index": offered}
	for key, body := range s.objects {
		places[key] = body
		if !strings.HasPrefix(key, "dt=") {
			continue
		}
		o, err := archive.Open(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		masks := o.Meta().Masks
		if len(masks) != 3 || masks[0].Field != "CC" || masks[0].Method != "hash" || len(masks[0].Key) != 8 || masks[2].IPv4 != 24 || masks[2].Unparsed != "blank" {
			t.Errorf("masks in the metadata: %+v", masks)
		}
		if err := o.Rows(func(row *archive.Row) error { // all columns, unpacked
			places["rows of "+key] = append(places["rows of "+key], row.Raw...)
			if row.Record != nil {
				for i := range row.Record.Values {
					places["fields of "+key] = append(places["fields of "+key], row.Record.Values[i].Text...)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for where, text := range places {
		for _, secret := range []string{"topsecret", "hunter2", "203.0.113.77", "198.51.100.7", c.Mask.Key} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %s", where, secret)
			}
		}
	}
	if n := len(s.keys("_quarantine/")); n != 1 {
		t.Errorf("%d messages are quarantined", n)
	}
	count := func(name string, labels ...string) int { return int(reg.Counter(name, labels...).Get()) }
	if m, b, k := count("loghaul_aggregator_masked_lines_total"), count("loghaul_aggregator_unmasked_lines_total", "blanked"),
		count("loghaul_aggregator_unmasked_lines_total", "kept"); m != 2 || b != 1 || k != 0 {
		t.Errorf("counted %d masked, %d blanked, %d kept", m, b, k)
	}
}

// TestMaskIsDoneOnce makes the encoder fail: what it tries next must not be
// masked again, nor the fall-back hold what was not.
func TestMaskIsDoneOnce(t *testing.T) {
	sent := make([]string, 2)
	for i := range sent {
		r := newRig(t, 1, nil)
		r.send([]string{"a"}, 3, 30)
		c := r.config("a1")
		c.Window.Age = time.Second
		c.Mask.Fields, c.Mask.Key = map[string]string{"ci": "hash", "HP": "hash"}, "0123456789abcdef"
		s := &store{}
		d := aggregator.Deps{Archive: s}
		if i == 1 {
			d.Encoder = damaged(t, func(file []byte) []byte {
				if !fallback(file) {
					panic("a defect")
				}
				return file
			})
		}
		run := r.run(c, d)
		eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
		run.stop()
		once, _ := s.lines(t)
		sent[i] = strings.Join(once, "\n")
	}
	if sent[0] != sent[1] || strings.Contains(sent[0], "10.0.") {
		t.Errorf("masked, without and with failures of the encoder:\n%.300s\n%.300s", sent[0], sent[1])
	}
}
