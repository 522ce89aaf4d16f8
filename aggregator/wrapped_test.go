package aggregator_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/archive"
)

// TestWrappedLinesAreParsed sends what rsyslog and a container runtime write,
// with the default configuration and with one that takes lines as they are.
// ReadAt of the rig is 23 November 2025.
func TestWrappedLinesAreParsed(t *testing.T) {
	const line = `10.0.0.1:5 [22/Nov/2025:16:17:55.857] fe be/s1 0/0/0/1/1 200 9 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`
	const lines = "Nov 22 16:17:55 lb1 haproxy[7]: " + line + "\n2025-11-22T16:17:55.857123456+01:00 stdout F " + line + "\n" + line +
		"\n<133>Dec 24 09:00:00 haproxy[7]: Server be/s1 is DOWN.\n"
	for _, tc := range []struct {
		wrapper string
		want    []string
	}{
		{"auto", []string{
			"httplog file lb1 haproxy 7 1763828275857 true 1763828275000", "httplog cri    1763828275857 true 1763824675857",
			"httplog none    1763828275857 true 0", "event local  haproxy 7 1735030800000 true 1735030800000",
		}},
		{"none", []string{" none    0 false 0", " none    0 false 0", "httplog none    1763828275857 true 0", " none    0 false 0"}},
	} {
		r := newRig(t, 1, nil)
		h, payload := batch("a", 0, lines)
		r.publish("a", h.Encode(), payload)
		s := &store{}
		c := r.config("a1")
		if tc.wrapper != c.Wrapper {
			c.Wrapper = tc.wrapper
		}
		run := r.run(c, aggregator.Deps{Archive: s})
		eventually(t, "the lines are archived", func() bool { return r.messages() == 0 })
		run.stop()
		var got, raw []string
		for _, body := range s.objects {
			o, err := archive.Open(bytes.NewReader(body), int64(len(body)))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Rows(func(row *archive.Row) error {
				h := &row.Header
				at := int64(0)
				if h.TimeOK {
					at = h.Time.UnixMilli()
				}
				got = append(got, fmt.Sprintf("%s %s %s %s %s %d %v %d", row.Format, h.Kind, h.Host, h.Tag, h.PID, row.Time, row.TimeOK, at))
				raw = append(raw, string(row.Raw)+"\n")
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.wrapper, diff)
		}
		if strings.Join(raw, "") != lines {
			t.Errorf("%s: other bytes: %q", tc.wrapper, raw)
		}
	}
}
