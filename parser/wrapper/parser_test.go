package wrapper

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/parser"
)

// bare is a line of httplog.
const bare = `127.0.0.1:1 [22/Nov/2026:16:17:55.857] fe be/s1 0/0/0/1/1 200 9 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`

// show gives what is in a header, short enough for a table.
func show(h *Header) string {
	var b strings.Builder
	b.WriteString(h.Kind.String())
	if h.Inner != None {
		b.WriteString("+" + h.Inner.String())
	}
	if h.Kind == None {
		return b.String()
	}
	if h.Facility >= 0 {
		fmt.Fprintf(&b, " f%d", h.Facility)
	}
	if h.Severity >= 0 {
		fmt.Fprintf(&b, " s%d", h.Severity)
	}
	for i, text := range [][]byte{h.Host, h.Tag, h.PID, h.MsgID, h.StructuredData, h.Stream} {
		if text != nil {
			fmt.Fprintf(&b, " %s=%s", [...]string{"host", "tag", "pid", "msgid", "sd", "stream"}[i], text)
		}
	}
	if h.Partial {
		b.WriteString(" partial")
	}
	if h.TimeOK {
		b.WriteString(" " + string(h.Time.Append(nil)))
	}
	return b.String()
}

func newParser(t testing.TB, kind Kind, formats ...string) *Parser {
	t.Helper()
	p := NewParser(compiled(t, formats...), kind, nil)
	p.Received(time.Date(2026, 11, 22, 16, 18, 0, 0, time.UTC).UnixMilli())
	return p
}

// TestParse reads a line of httplog behind every sort of header.
func TestParse(t *testing.T) {
	for _, tc := range []struct{ prefix, want string }{
		{"", "none"},
		{"<134>Nov 22 16:17:55 haproxy[123]: ", "local f16 s6 tag=haproxy pid=123 2026-11-22T16:17:55Z"},
		{"<134>Nov  2 16:17:55 haproxy: ", "local f16 s6 tag=haproxy 2026-11-02T16:17:55Z"},
		{"<134>Nov 02 16:17:55 haproxy: ", "local f16 s6 tag=haproxy 2026-11-02T16:17:55Z"},
		{"<134>Nov 22 16:17:55 ", "local f16 s6 2026-11-22T16:17:55Z"},
		{"<134>Nov 22 16:17:55 lb1 haproxy[123]: ", "rfc3164 f16 s6 host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55Z"},
		{"<134>Nov 22 16:17:55 ::1 ha-proxy/1.2[a-3]: ", "rfc3164 f16 s6 host=::1 tag=ha-proxy/1.2 pid=a-3 2026-11-22T16:17:55Z"},
		{"<134>Nov 22 16:17:55 lb1 ", "rfc3164 f16 s6 host=lb1 2026-11-22T16:17:55Z"},
		{"<134>2026-11-22T16:17:55.857+01:00 lb1 haproxy[123]: ", "rfc3164 f16 s6 host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55.857+01:00"},
		{"<134>1 2026-11-22T16:17:55.857123+01:00 lb1 haproxy 123 - - ", "rfc5424 f16 s6 host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55.857123+01:00"},
		{"<0>1 - - - - - - ", "rfc5424 f0 s0"},
		{"<191>1 2026-11-22T16:17:55Z h - - m [a][b x=\"\\]\\\"\" y=1] \xef\xbb\xbf", `rfc5424 f23 s7 host=h msgid=m sd=[a][b x="\]\"" y=1] 2026-11-22T16:17:55Z`},
		{"<134>", "priority f16 s6"},
		{"<6>", "short s6"},
		{"<6>2026-11-22T16:17:55.857123-05:30 ", "timed s6 2026-11-22T16:17:55.857123-05:30"},
		{"2026-11-22T16:17:55.857123+00:00 ", "iso 2026-11-22T16:17:55.857123Z"},
		{"Nov 22 16:17:55 lb1 haproxy[123]: ", "file host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55Z"},
		{"Nov 22 16:17:55 lb1 haproxy[123]:  ", "file host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55Z"},
		{"Nov 22 16:17:55.123456 lb1 haproxy[123]: ", "file host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55.123456Z"},
		{"2026-11-22T16:17:55.857123+01:00 lb1 haproxy[123]: ", "file host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55.857123+01:00"},
		{"2026-11-22T16:17:55+0100 lb1 haproxy[123]: ", "file host=lb1 tag=haproxy pid=123 2026-11-22T16:17:55+01:00"},
		{"2026-11-22T16:17:55.857123456Z stdout F ", "cri stream=stdout 2026-11-22T16:17:55.857123456Z"},
		{"2026-11-22T16:17:55.1+01:00 stderr F:x <6>", "cri+short s6 stream=stderr 2026-11-22T16:17:55.1+01:00"},
		{"2026-11-22T16:17:55.1Z stdout F <134>1 2026-11-22T16:17:54Z lb1 haproxy 1 - - ", "cri+rfc5424 f16 s6 host=lb1 tag=haproxy pid=1 stream=stdout 2026-11-22T16:17:54Z"},
	} {
		line := []byte(tc.prefix + bare)
		var first Header
		for _, kind := range []Kind{Auto, None} {
			p := newParser(t, kind, "tcplog", "httplog")
			if kind == None && tc.prefix != "" {
				kind, _ = ParseKind(strings.FieldsFunc(tc.want, func(r rune) bool { return r == ' ' || r == '+' })[0])
				p = newParser(t, kind, "tcplog", "httplog")
			}
			var r parser.Record
			message, format := p.Parse(line, &r, &first)
			if got := show(&first); got != tc.want || string(message) != bare || format != 1 {
				t.Errorf("%v: format %d, %s, want %s\n%q", kind, format, got, tc.want, line)
			}
		}
	}
}

// TestLookAlikes reads lines that are not what they seem, with formats that begin with free text among others.
func TestLookAlikes(t *testing.T) {
	for _, tc := range []struct {
		name, formats, line string
		kind                Kind
		want, message       string // message: what is read; "" for all of it
		format              int
	}{
		{"PRI above 191", "%[a] %ST", "<192>x 200", Auto, "none", "", 0},
		{"PRI with zeros", "%[a] %ST", "<06>x 200", Auto, "none", "", 0},
		{"PRI without an end", "%[a] %ST", "<134x 200", Auto, "none", "", 0},
		{"no PRI", "%[a] %ST", "<> 200", Auto, "none", "", 0},
		{"a format that begins with <", "<%ST> %B", "<6> 7", Auto, "none", "", 0},
		{"a format that prints a severity", "<6>%ST", "<6>200", Auto, "none", "", 0},
		{"the same, wrapped", "<6>%ST", "<134><6>200", Auto, "priority f16 s6", "<6>200", 0},
		{"free text, wrapped", "%[a] %ST", "<134>Nov 22 16:17:55 lb1 haproxy[1]: x 200", Auto, "rfc3164 f16 s6 host=lb1 tag=haproxy pid=1 2026-11-22T16:17:55Z", "x 200", 0},
		{"a date of its own", "%[date,utime(%Y-%m-%dT%H:%M:%SZ)] %ci", "2026-11-22T16:17:55Z 10.0.0.1", Auto, "none", "", 0},
		{"JSON that is not Docker's", "%[a]", `{"log":"x\n","stream":"stdout"}`, Auto, "none", "", 0},
		{"no such stream", "%[a]", `{"log":"x\n","stream":"x","time":"2026-11-22T16:17:55Z"}`, Auto, "none", "", 0},
		{"another key", "%[a]", `{"log":"x\n","stream":"stdout","time":"2026-11-22T16:17:55Z","x":1}`, Auto, "none", "", 0},
		{"twice", "%[a]", `{"log":"x\n","log":"y","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, Auto, "none", "", 0},
		{"behind the object", "%[a]", `{"log":"x\n","stream":"stdout","time":"2026-11-22T16:17:55Z"} x`, Auto, "none", "", 0},
		{"bad escape", "%[a]", `{"log":"\x","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, Auto, "none", "", 0},
		{"not February", "%[a]", "Feb 30 16:17:55 lb1 haproxy[1]: x", Auto, "none", "", 0},
		{"no such hour", "%[a]", "2026-11-22T24:00:00Z lb1 haproxy[1]: x", Auto, "none", "", 0},
		{"no such year", "%[a]", "2026-02-29T14:00:00Z lb1 haproxy[1]: x", Auto, "none", "", 0},
		{"lower case", "%[a]", "2026-11-22t14:00:00z lb1 haproxy[1]: x", Auto, "none", "", 0},
		{"no tag", "%ST", "Nov 22 16:17:55 lb1 200", Auto, "none", "", -1},
		{"no CRI tag", "%ST", "2026-11-22T16:17:55Z stdout X 200", Auto, "iso 2026-11-22T16:17:55Z", "stdout X 200", -1},
		{"a part", "%ST", "2026-11-22T16:17:55Z stdout P 200", Auto, "cri stream=stdout partial 2026-11-22T16:17:55Z", "200", 0},
		{"no message", "%ST", "<134>Nov 22 16:17:55 lb1 haproxy[1]:", Auto, "rfc3164 f16 s6 host=lb1 tag=haproxy pid=1 2026-11-22T16:17:55Z", "-", -1},
		{"not the RFC's version", "%ST", "<134>2 - - - - - - 200", Auto, "priority f16 s6", "2 - - - - - - 200", -1},
		{"bracket left open", "%ST", `<134>1 - - - - - [a b="c 200`, Auto, "rfc5424 f16 s6", `[a b="c 200`, -1},
		{"quotes without +E", "%ST", `<134>1 - h - - - [a b="c"d"] x 200`, Auto, "rfc5424 f16 s6 host=h", `[a b="c"d"] x 200`, -1},
		{"the same, a format that matches the line", "<134>1 - h - - - %[a] %ST", `<134>1 - h - - - [a b="c"d"] 200`, Auto, "none", "", 0},
		{"no format", "%ST", "<134>Nov 22 16:17:55 haproxy[1]: Proxy x stopped", Auto, "local f16 s6 tag=haproxy pid=1 2026-11-22T16:17:55Z", "Proxy x stopped", -1},
		{"configured none", "%[a] %ST", "<134>x 200", None, "none", "", 0},
		{"configured priority", "%ST", "<6>200", Priority, "priority f0 s6", "200", 0},
		{"configured short", "%ST", "<134>200", Short, "none", "", -1},
		{"configured and not so", "%ST", "200", RFC5424, "none", "", 0},
		{"configured, free text", "%[a]", "<134>x", Priority, "priority f16 s6", "x", 0},
	} {
		p := newParser(t, tc.kind, tc.formats)
		var r parser.Record
		var h Header
		message, format := p.Parse([]byte(tc.line), &r, &h)
		want := tc.message
		switch want {
		case "":
			want = tc.line
		case "-":
			want = ""
		}
		if got := show(&h); got != tc.want || string(message) != want || format != tc.format {
			t.Errorf("%s: format %d, %s, %q; want %d, %s, %q", tc.name, format, got, message, tc.format, tc.want, want)
		}
	}
}

// TestSourceOfBareLines has a client put a header into the text that a format begins with.
func TestSourceOfBareLines(t *testing.T) {
	p := newParser(t, Auto, "%[req.hdr(a)] %ST")
	var r parser.Record
	var h Header
	hostile := []byte("<6>x 200")
	for _, step := range []struct {
		line string
		want string
	}{{"<6>x 200", "short s6"}, {"y 200", "none"}, {"<6>x 200", "none"}, {"<134>Nov 22 16:17:55 a b: x 200", "none"}, {"<6>Proxy x stopped", "short s6"}} {
		if p.Parse([]byte(step.line), &r, &h); show(&h) != step.want {
			t.Errorf("%s: %s, want %s", step.line, show(&h), step.want)
		}
	}
	p.Start()
	if p.Parse(hostile, &r, &h); show(&h) != "short s6" {
		t.Errorf("a new source: %s", show(&h))
	}
}

func TestDocker(t *testing.T) {
	p := newParser(t, Auto, "%[a] %ST")
	var r parser.Record
	var h Header
	for _, tc := range []struct{ line, message, want string }{
		{`{"log":"x 200\n","stream":"stdout","time":"2026-11-22T16:17:55.857123456Z"}`, "x 200", "docker stream=stdout 2026-11-22T16:17:55.857123456Z"},
		{` {"log":"x 200\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, ` {"log":"x 200\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, "none"},
		{`{ "time" : "2026-11-22T16:17:55Z", "attrs":{"a":"}\"","b":{}}, "stream":"stderr", "log":"x 200" }`, "x 200", "docker stream=stderr partial 2026-11-22T16:17:55Z"},
		{`{"stream":"stdout","log":"\u003c6\u003e\"\\\/\t\r\n\b\f \u00e9\ud83d\ude00\ud83d 200\n","time":"2026-11-22T16:17:55Z"}`, "\"\\/\t\r\n\b\f é😀\uFFFD 200", "docker+short s6 stream=stdout 2026-11-22T16:17:55Z"},
		{`{"log":"<134>Nov 22 16:17:55 haproxy[1]: x 200\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, "x 200", "docker+local f16 s6 tag=haproxy pid=1 stream=stdout 2026-11-22T16:17:55Z"},
		{`{"log":"\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, "", "docker stream=stdout 2026-11-22T16:17:55Z"},
	} {
		message, _ := p.Parse([]byte(tc.line), &r, &h)
		if got := show(&h); got != tc.want || string(message) != tc.message {
			t.Errorf("%s: %s %q, want %s %q", tc.line, got, message, tc.want, tc.message)
		}
	}
}

// TestYears gives years to dates by the time they were received.
func TestYears(t *testing.T) {
	for _, tc := range []struct{ zone, received, date, want string }{
		{"UTC", "2026-11-22T16:18:00Z", "Nov 22 16:17:55", "2026-11-22T16:17:55Z"},
		{"UTC", "2027-01-01T00:00:05Z", "Dec 31 23:59:58", "2026-12-31T23:59:58Z"},
		{"UTC", "2026-12-31T23:59:58Z", "Jan  1 00:00:03", "2027-01-01T00:00:03Z"},
		{"UTC", "2026-12-31T23:59:58Z", "Jan  1 00:00:03", "2027-01-01T00:00:03Z"},
		{"UTC", "2026-12-31T12:00:00Z", "Jan  2 00:00:03", "2026-01-02T00:00:03Z"},
		{"UTC", "2026-06-01T00:00:00Z", "Jun  1 23:00:00", "2026-06-01T23:00:00Z"},
		{"UTC", "2026-06-01T00:00:00Z", "Jun  3 23:00:00", "2025-06-03T23:00:00Z"},
		{"UTC", "2028-03-01T00:00:05Z", "Feb 29 23:59:59", "2028-02-29T23:59:59Z"},
		{"UTC", "2028-02-28T23:59:59Z", "Feb 29 00:00:01", "2028-02-29T00:00:01Z"},
		{"UTC", "2026-03-01T00:00:05Z", "Feb 29 23:59:59", "2024-02-29T23:59:59Z"},
		{"UTC", "1903-03-01T00:00:05Z", "Feb 29 23:59:59", "1896-02-29T23:59:59Z"},
		{"Asia/Kolkata", "2026-12-31T18:30:03Z", "Jan  1 00:00:01", "2027-01-01T00:00:01+05:30"},
		{"America/New_York", "2027-01-01T04:59:59Z", "Dec 31 23:59:58", "2026-12-31T23:59:58-05:00"},
		// Clocks are set back: 02:30 comes twice in Paris on 25 October 2026, at 00:30 and 01:30 UTC.
		{"Europe/Paris", "2026-10-25T00:30:01Z", "Oct 25 02:30:00", "2026-10-25T02:30:00+02:00"},
		{"Europe/Paris", "2026-10-25T01:30:01Z", "Oct 25 02:30:00", "2026-10-25T02:30:00+01:00"},
		{"Europe/Paris", "2026-10-25T01:29:00Z", "Oct 25 02:30:00", "2026-10-25T02:30:00+01:00"},
		{"Europe/Paris", "2026-10-26T01:30:01Z", "Oct 25 02:30:00", "2026-10-25T02:30:00+02:00"},
		{"Europe/Paris", "2026-10-25T01:30:01Z", "Oct 25 03:00:00", "2026-10-25T03:00:00+01:00"},
		{"Europe/Paris", "2026-10-25T02:00:01Z", "Oct 25 01:59:59", "2026-10-25T01:59:59+02:00"},
		// Clocks are set forward: there is no 02:30 on 29 March 2026.
		{"Europe/Paris", "2026-03-29T01:30:01Z", "Mar 29 02:30:00", "2026-03-29T02:30:00+01:00"},
		{"Europe/Paris", "2026-03-29T01:30:01Z", "Mar 29 03:00:00", "2026-03-29T03:00:00+02:00"},
	} {
		loc, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		received, err := time.Parse(time.RFC3339, tc.received)
		if err != nil {
			t.Fatal(err)
		}
		s := NewSplitter(Auto, parser.NewZone(loc))
		var h Header
		line := []byte("<6>" + tc.date + " haproxy: x")
		if s.Split(line, &h); h.Kind != Local || h.TimeOK {
			t.Errorf("%s: a year from nowhere: %s", tc.date, show(&h))
		}
		s.Received(received.UnixMilli())
		s.Split(line, &h)
		if got := string(h.Time.Append(nil)); got != tc.want || !h.TimeOK {
			t.Errorf("%s, received %s: %s (%v), want %s", tc.date, tc.received, got, h.TimeOK, tc.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for i, name := range Kinds() {
		k, ok := ParseKind(name)
		if int(k) != i || !ok || k.String() != name {
			t.Errorf("%d: %s", i, name)
		}
	}
	if k, ok := ParseKind("raw"); k != None || !ok {
		t.Error("raw is none")
	}
	if _, ok := ParseKind("rfc"); ok || Kind(99).String() != "unknown" {
		t.Error("unknown kinds are known")
	}
}

// TestNoAllocations reads a line behind every sort of header.
func TestNoAllocations(t *testing.T) {
	p := newParser(t, Auto, "httplog")
	var r parser.Record
	var h Header
	for name, line := range benchLines() {
		if n := testing.AllocsPerRun(100, func() { p.Parse(line, &r, &h) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func benchLines() map[string][]byte {
	message := `10.20.30.40:41234 [22/Nov/2026:16:17:55.857] fe_web~ be_app/app12 0/0/1/34/35 200 1534 SESSIONID=abcdef0123456789 - --VN 812/800/20/4/0 0/0 ` +
		`{www.example.com|Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0} {nginx} "GET /shop/items/4711?page=2&sort=asc HTTP/1.1"`
	return map[string][]byte{
		"bare": []byte(message), "rfc3164": []byte("<134>Nov 22 16:17:55 lb1.example.net haproxy[25163]: " + message),
		"file":    []byte("Nov 22 16:17:55 lb1 haproxy[25163]: " + message),
		"rfc5424": []byte("<134>1 2026-11-22T16:17:55.857123+01:00 lb1.example.net haproxy 25163 - - " + message),
		"cri":     []byte("2026-11-22T16:17:55.857123456Z stdout F " + message),
		"docker":  []byte(`{"log":"` + strings.ReplaceAll(message, `"`, `\"`) + `\n","stream":"stdout","time":"2026-11-22T16:17:55.857123456Z"}`),
	}
}

// BenchmarkParse compares lines behind headers with the same line without, and with the set alone.
func BenchmarkParse(b *testing.B) {
	set := compiled(b, "httplog", "httpslog", "clf", "tcplog", "tcplog-clf", "default", "error")
	p := NewParser(set, Auto, nil)
	p.Received(time.Date(2026, 11, 22, 16, 18, 0, 0, time.UTC).UnixMilli())
	var r parser.Record
	var h Header
	all := benchLines()
	b.Run("set", func(b *testing.B) {
		line := all["bare"]
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			set.Parse(line, &r)
		}
	})
	for _, name := range []string{"bare", "rfc3164", "file", "rfc5424", "cri", "docker"} {
		b.Run(name, func(b *testing.B) {
			line := all[name]
			b.SetBytes(int64(len(line)))
			p.Start()
			for b.Loop() {
				if _, format := p.Parse(line, &r, &h); format != 0 {
					b.Fatal(format)
				}
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	for _, line := range benchLines() {
		f.Add(line)
	}
	f.Add([]byte("<134>1 - - - - - [a b=\"\\]\" c=1][d] \xef\xbb\xbfx"))
	f.Add([]byte("Feb 29 23:59:59.5 a b[1]:"))
	s := NewSplitter(Auto, nil)
	s.Received(1795363718000)
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		n := s.Cuts(line)
		if n > maxCuts {
			t.Fatalf("%d cuts", n)
		}
		var h Header
		last := -1
		for i := range n {
			message := s.Cut(i, &h)
			if h.Kind == None || h.Kind == Auto || h.Facility > 23 || h.Severity > 7 || h.Facility < -1 || h.Severity < -1 {
				t.Fatalf("%+v", h)
			}
			if h.Kind.Suffix() && !bytes.HasSuffix(line, message) {
				t.Fatalf("%q is not the end of %q", message, line)
			}
			if h.TimeOK && len(h.Time.Append(nil)) < len("2026-11-22T16:17:55Z") {
				t.Fatalf("%+v", h.Time)
			}
			last = max(last, len(message))
		}
		if !bytes.Equal(line, before) {
			t.Fatal("the line was changed")
		}
		if last > len(line) {
			t.Fatalf("a message of %d bytes in a line of %d", last, len(line))
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte("MESSAGE=x\nPRIORITY=6\n\n"))
	f.Add([]byte("MESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00x\n"))
	p := NewParser(parser.NewSet(), Journald, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Header
		var r parser.Record
		for len(data) > 0 {
			n, entry, err := ScanEntries(data, true)
			if err != nil || entry == nil {
				return
			}
			if n <= 0 || n > len(data) {
				t.Fatalf("%d of %d bytes", n, len(data))
			}
			p.ParseEntry(entry, &r, &h)
			data = data[n:]
		}
	})
}
