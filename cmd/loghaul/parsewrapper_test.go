package main

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseWrapped prints what headers say, beside the fields of the message.
func TestParseWrapped(t *testing.T) {
	const fields = `"fields":{"a":"x","ST":200}`
	for _, tc := range []struct {
		name, input, want string
		args              []string
	}{
		{
			"rfc3164", "<134>Nov 22 16:17:55 lb1 haproxy[123]: x 200\n",
			`{"line":1,"format":"%[a] %ST","time":"2025-11-22T16:17:55.000Z",` + fields + `,"wrapper":{"kind":"rfc3164","facility":16,"severity":6,` +
				`"host":"lb1","tag":"haproxy","pid":123,"time":"2025-11-22T16:17:55Z"}}`,
			[]string{"--received", "2026-11-21T00:00:00Z", "--tz", "UTC"},
		},
		{
			"the evening of a date, in its zone", "Nov 22 23:59:55 lb1 haproxy[a1]: x 200\n",
			`{"line":1,"format":"%[a] %ST","time":"2026-11-22T23:59:55.000-05:00",` + fields + `,"wrapper":{"kind":"file","host":"lb1","tag":"haproxy",` +
				`"pid":"a1","time":"2026-11-22T23:59:55-05:00"}}`,
			[]string{"--received", "2026-11-22", "--tz", "America/New_York"},
		},
		{
			"CRI, nested", "2026-11-22T16:17:55.857123456Z stdout F <6>x 200\n",
			`{"line":1,"format":"%[a] %ST","time":"2026-11-22T16:17:55.857Z",` + fields + `,"wrapper":{"kind":"cri","inner":"short","severity":6,` +
				`"stream":"stdout","time":"2026-11-22T16:17:55.857123456Z"}}`,
			nil,
		},
		{
			"no format", `{"log":"Proxy \"x\" stopped","stream":"stderr","time":"2026-11-22T16:17:55+01:00"}` + "\n",
			`{"line":1,"format":null,"time":"2026-11-22T16:17:55.000+01:00",` +
				`"raw":"{\"log\":\"Proxy \\\"x\\\" stopped\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:17:55+01:00\"}","why":"no format matches",` +
				`"message":"Proxy \"x\" stopped","wrapper":{"kind":"docker","stream":"stderr","partial":true,"time":"2026-11-22T16:17:55+01:00"}}`,
			[]string{"--format", "%ST"},
		},
		{
			"rfc5424", "<134>1 - - - - ID47 [a b=\"c\"] x 200\n",
			`{"line":1,"format":"%[a] %ST",` + fields + `,"wrapper":{"kind":"rfc5424","facility":16,"severity":6,"msgid":"ID47","structured_data":"[a b=\"c\"]"}}`,
			nil,
		},
		{
			"none", "<134>x 200\n", `{"line":1,"format":"%[a] %ST","fields":{"a":"<134>x","ST":200}}`,
			[]string{"--wrapper", "none"},
		},
		{
			"a journal export", "__REALTIME_TIMESTAMP=1795363718929720\n_HOSTNAME=lb1\nPRIORITY=6\n_PID=7\nMESSAGE=x 200\n\nMESSAGE=x\n\nPRIORITY=6\n",
			`{"line":1,"format":"%[a] %ST","time":"2026-11-22T16:08:38.929Z",` + fields +
				`,"wrapper":{"kind":"journald","severity":6,"host":"lb1","pid":7,"time":"2026-11-22T16:08:38.929720Z"}}` + "\n" +
				`{"line":2,"format":null,"raw":"x","why":"no format matches","wrapper":{"kind":"journald"}}` + "\n" +
				`{"line":3,"format":null,"raw":"PRIORITY=6\u000A","why":"no MESSAGE in the journal's entry"}`,
			[]string{"--wrapper", "journald"},
		},
	} {
		args := tc.args
		if len(args) == 0 || args[0] != "--format" {
			args = append(args, "--format", "%[a] %ST")
		}
		code, out, errs := callWith(t, tc.input, append([]string{"parse"}, args...)...)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit code %d, %s", tc.name, code, errs)
		}
		if diff := cmp.Diff(tc.want+"\n", out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for l := range strings.Lines(out) {
			if !json.Valid([]byte(l)) {
				t.Errorf("%s: not JSON: %s", tc.name, l)
			}
		}
	}
}

func TestParseWrapperErrors(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		errs string
	}{
		{[]string{"--wrapper", "rfc"}, exitUsage, `--wrapper: there is no "rfc"; want auto, none, local`},
		{[]string{"--received", "yesterday"}, exitUsage, "--received: \"yesterday\" is not a time"},
		{[]string{"--wrapper", "journald"}, exitFailed, "entry 1: not in the journal export format"},
	} {
		code, out, errs := callWith(t, "{}\n", append([]string{"parse"}, tc.args...)...)
		if code != tc.code || out != "" || !strings.Contains(errs, tc.errs) {
			t.Errorf("%q: exit code %d, %q, %q", tc.args, code, out, errs)
		}
	}
}

// TestParseCorpusOfHeaders reads what HAProxy sent by UDP, with no flags: every header is found, and every message.
func TestParseCorpusOfHeaders(t *testing.T) {
	for _, kind := range []string{"rfc3164", "rfc5424", "local", "priority", "short", "timed", "iso"} {
		packed, err := os.Open("../../testdata/corpus/wrappers/udp-" + kind + ".log.gz")
		if err != nil {
			t.Fatal(err)
		}
		defer packed.Close()
		z, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		code, out, errs := callWith(t, string(raw), "parse")
		if code != exitDone || errs != "" {
			t.Fatalf("%s: exit code %d, %s", kind, code, errs)
		}
		counts := map[string]int{}
		for l := range strings.Lines(out) {
			var got struct {
				Format  string
				Time    string
				Wrapper struct{ Kind string }
			}
			if err := json.Unmarshal([]byte(l), &got); err != nil {
				t.Fatal(err)
			}
			counts[got.Format+" "+got.Wrapper.Kind]++
		}
		if counts["httplog "+kind] != 193 || counts["event "+kind] != 3 {
			t.Errorf("%s: %v", kind, counts)
		}
	}
}
