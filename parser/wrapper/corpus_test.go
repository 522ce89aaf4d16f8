package wrapper

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/parser"
)

const corpusDir = "../../testdata/corpus"

// truth is what HAProxy and the clients of the corpus know about a line.
type truth struct {
	Kind    string `json:"_kind"`
	CI      string `json:"ci"`
	CP      int64  `json:"cp"`
	ST      int64  `json:"ST"`
	B       int64  `json:"B"`
	Backend any    `json:"b"` // or else encoding/json takes it for B
	PID     int    `json:"pid"`
	NowUS   int64  `json:"now_us"`
	Syslog  struct {
		Facility, Severity int8
		Hostname, Tag      string
		PID                int
		SD, Msg            json.RawMessage
	} `json:"syslog"`
}

// read reads a file of the corpus, packed or not.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpusDir, name))
	if err != nil {
		t.Fatalf("reading the corpus of HAProxy lines: %v", err)
	}
	if filepath.Ext(name) != ".gz" {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

func truths(t testing.TB, name string) (all []truth) {
	t.Helper()
	for line := range bytes.Lines(read(t, name)) {
		var one truth
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// text reads a string of the truth, which is in hexadecimal where it is not ASCII.
func text(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	var h struct{ Hex string }
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(h.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lines(raw []byte) (all [][]byte) {
	for line := range bytes.Lines(raw) {
		all = append(all, bytes.TrimSuffix(line, []byte("\n")))
	}
	return all
}

// frames splits the stream of a TCP connection with octet counting (RFC 6587, section 3.4.1).
func frames(t testing.TB, raw []byte) (all [][]byte) {
	t.Helper()
	for len(raw) > 0 {
		size, rest, _ := bytes.Cut(raw, []byte{' '})
		n, err := strconv.Atoi(string(size))
		if err != nil || n > len(rest) {
			t.Fatalf("a frame of %q bytes", size)
		}
		all = append(all, rest[:n])
		raw = rest[n:]
	}
	return all
}

func httplog(t testing.TB) *parser.Set {
	t.Helper()
	return compiled(t, "httplog")
}

func compiled(t testing.TB, specs ...string) *parser.Set {
	t.Helper()
	var formats []*parser.Format
	for _, spec := range specs {
		f, err := parser.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	return parser.NewSet(formats...)
}

// value gives a field of a record by its name.
func value(r *parser.Record, name string) parser.Value {
	for i, f := range r.Format.Fields() {
		if f.Name == name {
			return r.Values[i]
		}
	}
	return parser.Value{}
}

// TestCorpus compares the headers that HAProxy wrote, and the fields of the messages behind them, with the truth.
func TestCorpus(t *testing.T) {
	all := truths(t, "wrappers/truth.jsonl.gz")
	received := time.Date(2026, 11, 22, 16, 9, 0, 0, time.UTC).UnixMilli()
	for _, tc := range []struct {
		file string
		kind Kind
		has  string // p facility, s severity, d date with fraction, l date without, h host, t tag and pid, x structured data
	}{
		{"udp-rfc3164.log", RFC3164, "pslht"},
		{"unix-rfc3164.log", RFC3164, "pslht"},
		{"tcp-octet-rfc3164.stream", RFC3164, "pslht"},
		{"udp-rfc5424.log", RFC5424, "psdhtx"},
		{"unix-rfc5424.log", RFC5424, "psdhtx"},
		{"tcp-octet-rfc5424.stream", RFC5424, "psdhtx"},
		{"tcp-lf-rfc5424.stream", RFC5424, "psdhtx"},
		{"udp-local.log", Local, "pslt"},
		{"udp-priority.log", Priority, "ps"},
		{"udp-short.log", Short, "s"},
		{"stderr-short.log", Short, "s"},
		{"udp-timed.log", Timed, "sd"},
		{"udp-iso.log", ISO, "d"},
		{"udp-raw.log", None, ""},
		{"stdout-raw.log", None, ""},
		{"tcp-octet-raw.stream", None, ""},
	} {
		t.Run(tc.file, func(t *testing.T) {
			raw := read(t, "wrappers/"+tc.file+".gz")
			got := lines(raw)
			if strings.HasPrefix(tc.file, "tcp-octet") {
				got = frames(t, raw)
			}
			if len(got) != len(all) {
				t.Fatalf("%d lines, %d truths", len(got), len(all))
			}
			for _, kind := range []Kind{Auto, tc.kind} {
				p := NewParser(httplog(t), kind, nil)
				p.Received(received)
				var r parser.Record
				var h Header
				for i, line := range got {
					checkLine(t, p, line, &r, &h, &all[i], tc.kind, tc.has)
				}
			}
		})
	}
}

func checkLine(t *testing.T, p *Parser, line []byte, r *parser.Record, h *Header, want *truth, kind Kind, has string) {
	t.Helper()
	message, format := p.Parse(line, r, h)
	s := &want.Syslog
	if string(message) != text(t, s.Msg) || !bytes.HasSuffix(line, message) || h.Kind != kind || h.Inner != None {
		t.Fatalf("%v: message %q, want %s\n%q", h.Kind, message, s.Msg, line)
	}
	checkField := func(mark string, got, want any, none any) {
		t.Helper()
		if !strings.Contains(has, mark) {
			want = none
		}
		if got != want {
			t.Fatalf("%s: got %v, want %v\n%q", mark, got, want, line)
		}
	}
	if kind != None {
		checkField("p", h.Facility, s.Facility, int8(-1))
		checkField("s", h.Severity, s.Severity, int8(-1))
		checkField("h", string(h.Host), s.Hostname, "")
		checkField("t", string(h.Tag), s.Tag, "")
		checkField("t", string(h.PID), strconv.Itoa(s.PID), "")
		checkField("x", string(h.StructuredData), strings.TrimPrefix(text(t, s.SD), "-"), "")
		if at := h.Time.Seconds*1e6 + int64(h.Time.Nanos/1000); want.NowUS > 0 {
			// The clock of a header is read a little later; a date of RFC 3164 has no fraction.
			late := at - want.NowUS
			switch {
			case strings.Contains(has, "d"):
				checkField("d", h.TimeOK && h.Time.Digits == 6 && late >= 0 && late < 50_000, true, nil)
			case strings.Contains(has, "l"):
				checkField("l", h.TimeOK && h.Time.Digits == 0 && late > -1e6 && late < 50_000, true, nil)
			case h.TimeOK:
				t.Fatalf("a time in %q", line)
			}
		}
	}
	if (format == 0) != (want.Kind == "traffic") {
		t.Fatalf("format %d of %s\n%q", format, want.Kind, line)
	}
	if format < 0 {
		return
	}
	ci, cp, st, b := value(r, "ci"), value(r, "cp"), value(r, "ST"), value(r, "B")
	if string(ci.Text) != want.CI || cp.Int != want.CP || st.Int != want.ST || b.Int != want.B {
		t.Fatalf("got %s:%d %d %d, want %+v\n%q", ci.Text, cp.Int, st.Int, b.Int, want, line)
	}
}

// TestDates resolves the headers' dates around New Year, a leap day and changes of clocks, and compares them with the
// instants that HAProxy logged otherwise.
func TestDates(t *testing.T) {
	for dir, zone := range map[string]string{
		"dates-utc-newyear": "UTC", "dates-ny-dst-fall": "America/New_York", "dates-kolkata-leap": "Asia/Kolkata",
		"dates-paris-spring": "Europe/Paris", "dates-single-digit": "UTC",
	} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		all := truths(t, dir+"/truth.jsonl")
		for _, file := range []string{"local.log", "rfc5424.log"} {
			p := NewParser(httplog(t), Auto, parser.NewZone(loc))
			var r parser.Record
			var h Header
			for i, line := range lines(read(t, dir+"/"+file)) {
				want := all[i].NowUS / 1e6
				p.Received((want + 2) * 1000)
				_, format := p.Parse(line, &r, &h)
				if format != 0 || !h.TimeOK || h.Time.Seconds < want-1 || h.Time.Seconds > want+1 {
					t.Fatalf("%s/%s: format %d, %s (%v), want %v\n%s", dir, file, format, h.Time.Append(nil), h.TimeOK, time.Unix(want, 0).In(loc), line)
				}
				if string(h.Tag) != "haproxy" || string(h.PID) != strconv.Itoa(all[i].PID) || h.Facility != 16 || h.Host != nil {
					t.Fatalf("%s/%s: %+v\n%s", dir, file, h, line)
				}
			}
		}
	}
}

// TestCutLines reads the headers of lines that HAProxy cut at 80 and 200 bytes.
func TestCutLines(t *testing.T) {
	for _, file := range []string{"udp-local-80.log", "udp-local-200.log"} {
		p := NewParser(httplog(t), Auto, nil)
		p.Received(time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC).UnixMilli())
		var r parser.Record
		var h Header
		for sc := bufio.NewScanner(bytes.NewReader(read(t, "trunc/"+file))); sc.Scan(); {
			line := sc.Bytes()
			message, _ := p.Parse(line, &r, &h)
			if h.Kind != Local || h.Facility != 16 || h.Severity != 6 || string(h.Tag) != "haproxy" || string(h.PID) != "25181" ||
				h.Time.Seconds/10 != 179536372 || !bytes.HasSuffix(line, append([]byte("haproxy[25181]: "), message...)) {
				t.Fatalf("%s: %+v %s\n%q", file, h, h.Time.Append(nil), line)
			}
		}
	}
}
