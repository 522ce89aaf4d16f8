package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// wrap puts a header before each line: a function of its number.
func wrap(raw []byte, header func(i int, line []byte) []byte) []byte {
	var out []byte
	for i := 0; len(raw) > 0; i++ {
		var line []byte
		line, raw, _ = nextRecord(raw)
		out = append(append(out, header(i, line)...), '\n')
	}
	return out
}

// wrappings are lines of httplog in every sort of wrapper. Fractions are as
// unlike each other as real ones.
func wrappings(t testing.TB) map[string][]byte {
	t.Helper()
	raw := readCorpus(t, corpusDir+"/http-asap/httplog.log")
	before := func(format string) []byte {
		return wrap(raw, func(i int, line []byte) []byte {
			digits := fmt.Sprintf("%09d", (i*7_919_793+1)%1_000_000_000)
			r := strings.NewReplacer("SS", fmt.Sprintf("%02d", i/40%60), "µs", digits[:6], "ns", strings.TrimRight(digits, "0"))
			return append([]byte(r.Replace(format)), line...)
		})
	}
	return map[string][]byte{
		"local": before("<134>Nov 22 16:17:SS haproxy[123]: "), "rfc3164": before("<134>Nov 22 16:17:SS lb1 haproxy[123]: "),
		"rfc5424":  before("<134>1 2026-11-22T16:17:SS.µs+01:00 lb1 haproxy 123 - [x@1 id=\"µs\"][{f} a=\"{sd}{6}\"] "),
		"priority": before("<134>"), "short": before("<6>"), "timed": before("<6>2026-11-22T16:17:SS.µs-05:00 "),
		"iso": before("2026-11-22T16:17:SS.µs+00:00 "), "file": before("Nov 22 16:17:SS lb1 haproxy[123]: "),
		"cri": before("2026-11-22T16:17:SS.nsZ stdout F "), "cri+short": before("2026-11-22T16:17:SS.nsZ stderr F <6>"),
		"cri+local": before("2026-11-22T16:17:SS.nsZ stdout F <134>Nov 22 16:17:SS haproxy[1]: "),
		"docker": wrap(raw, func(i int, line []byte) []byte {
			text, err := json.Marshal(string(bytes.ToValidUTF8(line, nil)))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Appendf(nil, `{"log":"%s\n","stream":"stdout","time":"2026-11-22T16:17:%02dZ"}`, text[1:len(text)-1], i/40%60)
		}),
	}
}

func TestWrapped(t *testing.T) {
	bare := readCorpus(t, corpusDir+"/http-asap/httplog.log")
	for kind, raw := range wrappings(t) {
		e := newEncoder(t, wellKnown(t)...)
		o, err := e.Encode(cut(1, raw, 50_000), sealed)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := newEncoder(t, wellKnown(t)...).Encode(cut(1, bare, 50_000), sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got := readBack(t, o.Body); !bytes.Equal(got, raw) {
			t.Errorf("%s: other bytes come back: %s", kind, lineDiff(got, raw))
		}
		kept := plain.RawKept
		if kind == "docker" {
			kept = plain.Lines - plain.Unparsed - plain.Events
		}
		if o.Refused > 0 || o.RawKept != kept || o.Unparsed != plain.Unparsed {
			t.Errorf("%s: %d refused, %d keep their bytes (%d without a header), %d unparsed", kind, o.Refused, o.RawKept, kept, o.Unparsed)
		}
		eachRow(t, o.Body, func(row *Row) {
			h := &row.Header
			got := h.Kind.String()
			if h.Inner != wrapper.None {
				got += "+" + h.Inner.String()
			}
			host := kind == "rfc3164" || kind == "rfc5424" || kind == "file"
			if got != kind || (string(h.Host) == "lb1") != host || (row.Format == "") != (row.Record == nil) {
				t.Fatalf("%s: row %d is %s of %q, format %q", kind, row.Index, got, h.Host, row.Format)
			}
			dated := kind != "priority" && kind != "short"
			if h.TimeOK != dated || dated && h.Time.UnixMilli()/100_000 != 17953642 && h.Time.UnixMilli()/100_000_000 != 17953 {
				t.Fatalf("%s: row %d at %v: %q", kind, row.Index, h.Time, row.Raw)
			}
		})
		t.Logf("%-9s %5.1f bytes a line more than the %.1f of a bare one", kind,
			float64(len(o.Body)-len(plain.Body))/float64(o.Lines), float64(len(plain.Body))/float64(o.Lines))
	}
}

func eachRow(t testing.TB, body []byte, fn func(*Row)) {
	t.Helper()
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Rows(func(row *Row) error {
		fn(row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestWrappedMix has lines of all sorts in one source, formats without a date,
// and headers that the columns cannot hold.
func TestWrappedMix(t *testing.T) {
	const (
		noDate = "%ST|%{+Q}[a]"
		log    = `1.2.3.4:5 [22/Nov/2026:16:17:55.857] fe be/s1 0/0/0/1/1 200 9 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`
	)
	lines := []string{
		log, "<134>Nov 22 09:29:58 lb1 haproxy[1]: " + log, "<134>Nov 22 09:29:58 haproxy[1]: 200|\"x\"", "200|\"y\"",
		"<133>Nov 22 09:29:58 haproxy[1]: Server be/s1 is DOWN.", "Server be/s1 is DOWN.", "", "<134>", "{", "}",
		"<134>Nov 22 09:29:58 {f} haproxy[1]: " + log, "<134>Nov 22 09:29:58 l\xff haproxy[1]: " + log, "<134>1 - - - - - [a b=\"\xff\"] " + log,
		"2026-11-22T09:29:58.123456789Z stdout F <134>1 2026-11-22T09:29:58.123456+01:00 h t 1 - - " + log,
		`<134>1 - lb1 - - - [a b="c"d"] ` + log, `<134>1 - lb1 - - - [a b="c`,
		"2026-11-22T09:29:58.1Z stdout P " + log[:40], "2026-11-22T09:29:58.1Z stderr P 200|\"z\"", "2026-11-22T09:29:58.1Z stdout F ",
		`{"log":"200|\"\u00e9\u003c\"\n","stream":"stdout","time":"2026-11-22T09:29:58.5Z"}`,
		`{"log":"200|\"\t1\"\n","stream":"stdout","time":"2026-11-22T09:29:58.5Z"}`,
		`{"log":"oh\n","stream":"stderr","time":"2026-11-22T09:29:58.5Z"}`,
		"Nov 22 09:29:58 lb1 sshd[1]: Accepted", "<6>200|\"\xff\"",
	}
	var all []string
	for range 20 { // blocks of rows begin and end anywhere
		all = append(all, lines...)
		lines = append(lines[3:], lines[:3]...)
	}
	raw := []byte(strings.Join(all, "\n"))
	e := newEncoder(t, compile(t, noDate), compile(t, "httplog"))
	o, err := e.Encode(cut(1, raw, 900), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, o.Body); !bytes.Equal(got, raw) {
		t.Errorf("other bytes come back: %s", lineDiff(got, raw))
	}
	if o.Refused > 0 {
		t.Errorf("%d refused", o.Refused)
	}
	var r parser.Record
	p := wrapper.NewParser(parser.NewSet(compile(t, noDate), compile(t, "httplog"), compile(t, parser.EventFormat)), wrapper.Auto, nil)
	p.Received(sealed.UnixMilli())
	eachRow(t, o.Body, func(row *Row) {
		var h wrapper.Header
		message, format := p.Parse(row.Raw, &r, &h)
		if format < 0 {
			format = p.ParseCut(message, &r)
		}
		if got := &row.Header; got.Kind != h.Kind || got.Kind != wrapper.None && (got.Inner != h.Inner || got.Severity != h.Severity || got.Partial != h.Partial ||
			got.TimeOK != h.TimeOK || got.TimeOK && got.Time.UnixMilli() != h.Time.UnixMilli()) {
			t.Fatalf("row %d is %+v, want %+v: %q", row.Index, got, h, row.Raw)
		}
		if (format >= 0) != (row.Record != nil) {
			t.Fatalf("row %d: format %d, %q", row.Index, format, row.Format)
		}
		if row.Format != "httplog" && (row.TimeOK != h.TimeOK || h.TimeOK && (row.Time != h.Time.UnixMilli() || row.UTCOffset != h.Time.UTCOffset)) {
			t.Fatalf("row %d has the time %d (%v), want that of %+v: %q", row.Index, row.Time, row.TimeOK, h, row.Raw)
		}
		if row.Record == nil {
			return
		}
		for i := range row.Record.Values {
			got, want := &row.Record.Values[i], &r.Values[i]
			kind := row.Record.Format.Fields()[i].Kind
			number := kind == parser.KindInt || kind == parser.KindDate
			if (got.State^want.State)&parser.Present != 0 || number && got.Int != want.Int || !number && !bytes.Equal(got.Text, want.Text) {
				t.Fatalf("row %d, field %d is %+v, want %+v: %q", row.Index, i, got, want, row.Raw)
			}
		}
	})
}

// TestBrokenHeaders changes columns of headers behind the encoder's back.
func TestBrokenHeaders(t *testing.T) {
	raw := wrappings(t)["rfc5424"]
	for name, breakTable := range map[string]func(*table){
		"host and tag swapped": func(tb *table) {
			a, b := &tb.columns[colSyslogHost].chunk, &tb.columns[colSyslogTag].chunk
			a.Texts, b.Texts = b.Texts, a.Texts
		},
		"another facility":          func(tb *table) { tb.columns[colSyslogFacility].chunk.Int32s[5]++ },
		"another severity":          func(tb *table) { tb.columns[colSyslogSeverity].chunk.Int32s[5]-- },
		"another time":              func(tb *table) { tb.columns[colWrapperTime].chunk.Int64s[5]++ },
		"a stream that no line has": func(tb *table) { tb.columns[colStream].addText(3, []byte("stdout")) },
		"another prefix": func(tb *table) {
			k := &tb.columns[colPrefix].chunk
			k.Texts.At(0)[1]++
		},
	} {
		e := newEncoder(t, wellKnown(t)...)
		e.breakTable = func(tb *table) {
			breakTable(tb)
			e.breakTable = nil
		}
		o, err := e.Encode(cut(1, raw, 50_000), sealed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o.Refused == 0 {
			t.Errorf("%s: nothing found", name)
		}
		if got := readBack(t, o.Body); !bytes.Equal(got, raw) {
			t.Errorf("%s: other bytes come back", name)
		}
	}
	e := newEncoder(t, wellKnown(t)...)
	e.breakTable = func(tb *table) { tb.columns[colStream].addText(3, []byte("stdout")) }
	if _, err := e.Encode(cut(1, readCorpus(t, corpusDir+"/http-asap/httplog.log"), 50_000), sealed); err == nil {
		t.Error("a stream of a bare line is not found")
	}
}

// TestHostileSource has a client begin a bare line, the first of its object,
// as if it were wrapped.
func TestHostileSource(t *testing.T) {
	raw := []byte("<6>x 200\ny 200\n<6>z 200\n")
	o, err := newEncoder(t, compile(t, "%[req.hdr(a)] %ST")).Encode(cut(1, raw, 50_000), sealed)
	if err != nil {
		t.Fatal(err)
	}
	eachRow(t, o.Body, func(row *Row) {
		if row.Header.Kind != wrapper.None || !strings.HasSuffix(string(row.Raw), string(row.Record.Values[0].Text)+" 200") ||
			!strings.HasPrefix(string(row.Raw), string(row.Record.Values[0].Text)) {
			t.Errorf("%q is %v with %q", row.Raw, row.Header.Kind, row.Record.Values[0].Text)
		}
	})
}

func TestJournaldIsNoWrapperOfLines(t *testing.T) {
	if _, err := NewEncoder(Options{Writer: "a", Wrapper: wrapper.Journald}); err == nil {
		t.Error("an archive of journal entries")
	}
}
