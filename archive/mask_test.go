package archive

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

func maskKey() []byte { return []byte("a key of the tests, 32 bytes ...") }

func newMasker(t *testing.T, formats []*parser.Format, o MaskOptions) *Masker {
	t.Helper()
	o.IPv4, o.IPv6, o.Key = 24, 48, maskKey()
	m, err := NewMasker(Options{Formats: formats, Wrapper: wrapper.Auto}, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMaskCorpus masks every log of the corpus and looks for what was masked
// in the objects.
func TestMaskCorpus(t *testing.T) {
	logs := map[string][]byte{}
	specs := map[string]string{}
	for path, spec := range corpusLogs(t) {
		name, _ := filepath.Rel(corpusDir, path)
		raw := readCorpus(t, path)
		if end := min(len(raw), 200_000); end < len(raw) {
			raw = raw[:bytes.LastIndexByte(raw[:end], '\n')+1]
		}
		logs[name], specs[name] = raw, spec
	}
	maps.Copy(logs, wrappings(t))
	for name, raw := range logs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			formats := wellKnown(t)
			if f := otherFormat(specs[name], formats); f != nil {
				formats = append([]*parser.Format{f}, formats...)
			}
			fields := map[string]string{"ci": MaskTruncate, "hr": MaskHash, "hs": MaskHash, "CC": MaskHash, "CS": MaskHash, "r": MaskHash}
			before := newMasker(t, formats, MaskOptions{Fields: fields, Blank: true})
			batches := cut(1, bytes.Clone(raw), 50_000)
			m := newMasker(t, formats, MaskOptions{Fields: fields, Blank: true})
			count := m.Mask(batches)
			var masked []byte
			for i := range batches {
				masked = append(masked, batches[i].Raw...)
			}
			// What there was to mask, and in which lines.
			was := map[string]int{}
			blanked := 0
			for a, b := raw, masked; len(a) > 0; {
				var old, line []byte
				old, a, _ = nextRecord(a)
				line, b, _ = nextRecord(b)
				if len(old) != len(line) {
					t.Fatalf("a line of %d bytes has %d", len(old), len(line))
				}
				if len(line) > 0 && len(bytes.Trim(line, "x")) == 0 {
					blanked++
					continue
				}
				if bytes.Equal(old, line) {
					continue
				}
				before.line = append(before.line[:0], old...)
				before.read(before.line, &before.before)
				if !before.find(before.before.format) {
					t.Fatalf("not blanked, though it is not certain: %s", old)
				}
				for _, e := range before.edits {
					text := bytes.Clone(before.line[e.at : e.at+e.n])
					if before.value.mask(text, e.value, e.method); !bytes.Equal(text, before.line[e.at:e.at+e.n]) && e.n >= 6 {
						was[string(before.line[e.at:e.at+e.n])]++
					}
				}
			}
			if blanked != count.Blanked || count.Kept > 0 {
				t.Errorf("%+v, but %d lines are blank", count, blanked)
			}
			formats = before.options.Formats
			e, err := NewEncoder(Options{Formats: formats, Wrapper: wrapper.Auto, Writer: "agg-1", Masks: m.Masks()})
			if err != nil {
				t.Fatal(err)
			}
			o, err := e.Encode(batches, sealed)
			if err != nil {
				t.Fatal(err)
			}
			if got := readBack(t, o.Body); !bytes.Equal(got, masked) {
				t.Error("the object gives other bytes back")
			}
			plain, err := newEncoder(t, formats...).Encode(cut(1, raw, 50_000), sealed)
			if err != nil {
				t.Fatal(err)
			}
			if o.RawBytes != plain.RawBytes || len(o.Ranges) != len(plain.Ranges) || o.Ranges[0].To != plain.Ranges[0].To {
				t.Errorf("ranges %v of %d bytes, unmasked %v of %d", o.Ranges, o.RawBytes, plain.Ranges, plain.RawBytes)
			}
			bare, err := e.EncodeRaw(batches, sealed)
			if err != nil {
				t.Fatal(err)
			}
			all := columnTexts(t, e, o)
			gone := 0
			for value, n := range was {
				left := occurrences(raw, value) - n // in fields that are not masked
				if got := occurrences(masked, value); got > left {
					t.Errorf("%q is there %d times, before %d times, of which %d were to be masked", value, got, left+n, n)
				}
				if left > 0 {
					continue
				}
				if gone++; gone > 60 {
					break
				}
				for where, b := range map[string][]byte{"columns": all, "object": o.Body, "raw fall-back": bare.Body} {
					if occurrences(b, value) > 0 {
						t.Errorf("%q is in the %s", value, where)
					}
				}
			}
			t.Logf("%d lines: %+v, %d values are gone", o.Lines, count, gone)
		})
	}
}

// occurrences counts a text in b, where no digit follows: 10.0.0.1 is no part
// of 10.0.0.100.
func occurrences(b []byte, text string) (n int) {
	for {
		i := bytes.Index(b, []byte(text))
		if i < 0 {
			return n
		}
		if b = b[i+len(text):]; len(b) == 0 || b[0] < '0' || b[0] > '9' {
			n++
		}
	}
}

// columnTexts gives the texts of all columns of an object.
func columnTexts(t *testing.T, e *Encoder, o *Object) []byte {
	t.Helper()
	var d decoded
	if err := d.open(o.Body, e.defs, Version, o.Lines); err != nil {
		t.Fatal(err)
	}
	defer d.release()
	var all []byte
	for i := range d.columns {
		if d.columns[i].def.Type == parquet.ByteArray {
			d.columns[i].eachText(func(v []byte) { all = append(append(all, v...), '\n') })
		}
	}
	return all
}

func TestMaskFields(t *testing.T) {
	const start, end = "10.1.2.37:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 ", "---- 1/1/1/1/0 0/0 "
	line := start + `SID=secret - ` + end + `{ex.org|curl/8} {nginx} "GET /a/b?token=t HTTP/1.1"`
	hash := func(text string) string {
		m := newValueMask(maskKey(), 24, 48)
		b := []byte(text)
		m.mask(b, []byte(text), MaskHash)
		return string(b)
	}
	docker := func(line string) string {
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		return `{"log":"` + string(text[1:len(text)-1]) + `\n","stream":"stdout","time":"2026-11-22T16:17:01Z"}`
	}
	known := func(request, response []string) []*parser.Format {
		f, err := parser.CompileWith("httplog", parser.Options{Captures: &parser.Captures{Request: request, Response: response}})
		if err != nil {
			t.Fatal(err)
		}
		return []*parser.Format{f}
	}
	r := func(old, new string) string {
		if !strings.Contains(line, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(line, old, new, 1)
	}
	for name, tc := range map[string]struct {
		formats  []*parser.Format
		fields   map[string]string
		in, want string
	}{
		"address":         {nil, map[string]string{"ci": "truncate"}, line, r("10.1.2.37", "10.1.2.10")},
		"other address":   {nil, map[string]string{"ci": "hash"}, line, r("10.1.2.37", hash("10.1.2.37"))},
		"cookie":          {nil, map[string]string{"CC": "hash"}, line, r("=secret", "="+hash("secret"))},
		"query":           {nil, map[string]string{"HQ": "hash"}, line, r("token=t", hash("token=t"))},
		"path":            {nil, map[string]string{"HP": "hash"}, line, r("a/b", hash("a/b"))},
		"path and query":  {nil, map[string]string{"HU": "hash"}, line, r("a/b?token=t", hash("a/b")+"?"+hash("token=t"))},
		"path, and query": {nil, map[string]string{"HQ": "hash", "HP": "hash"}, line, r("a/b?token=t", hash("a/b")+"?"+hash("token=t"))},
		"all headers":     {nil, map[string]string{"hr": "hash"}, line, r("ex.org|curl/8", hash("ex.org")+"|"+hash("curl/8"))},
		"a header, unknown which": {
			nil, map[string]string{"req.User-Agent": "hash"}, line, r("ex.org|curl/8", hash("ex.org")+"|"+hash("curl/8")),
		},
		"a header": {
			known([]string{"Host", "User-Agent"}, []string{"Server"}), map[string]string{"req.user-agent": "hash"}, line, r("curl/8", hash("curl/8")),
		},
		"a header and the rest": {
			known([]string{"Host", "User-Agent"}, []string{"Server"}),
			map[string]string{"req.Host": "truncate", "hr": "hash"},
			line,
			r("ex.org|curl/8", "xxxxxx|"+hash("curl/8")),
		},
		"the only block": {
			nil, map[string]string{"res.Server": "hash"}, start + "- - " + end + `{a} "GET / HTTP/1.1"`, start + "- - " + end + "{" + hash("a") + `} "GET / HTTP/1.1"`,
		},
		"the only block, known": {
			known(nil, []string{"Server"}),
			map[string]string{"res.Server": "hash"},
			start + "- - " + end + `{a} "GET / HTTP/1.1"`, start + "- - " + end + "{" + hash("a") + `} "GET / HTTP/1.1"`,
		},
		"forwarded for": {
			nil,
			map[string]string{"hr": "truncate"},
			start + "- - " + end + `{10.1.2.37, 1.2.3.4} {} "GET / HTTP/1.1"`,
			start + "- - " + end + `{10.1.2.10, 1.2.3.0} {} "GET / HTTP/1.1"`,
		},
		"no request":       {nil, map[string]string{"r": "hash"}, start + "- - " + end + `{} {} "<BADREQ>"`, start + "- - " + end + `{} {} "<BADREQ>"`},
		"a broken request": {nil, map[string]string{"r": "hash"}, start + "- - " + end + `{} {} "GET /a b c"`, start + "- - " + end + `{} {} "` + hash("GET /a b c") + `"`},
		"a socket": {
			nil, map[string]string{"ci": "truncate"}, strings.Replace(line, "10.1.2.37", "unix", 1), strings.Replace(line, "10.1.2.37", "unix", 1),
		},
		"syslog": {
			nil,
			map[string]string{"ci": "truncate"},
			"<134>Nov 22 16:17:01 lb1 haproxy[123]: " + line,
			"<134>Nov 22 16:17:01 lb1 haproxy[123]: " + r("10.1.2.37", "10.1.2.10"),
		},
		"Docker": {nil, map[string]string{"HQ": "hash"}, docker(r("?token=t", "?a=<b>&c=d")), strings.Replace(docker(r("?token=t", "?a=<b>&c=d")), `a=\u003cb\u003e\u0026c=d`, func() string {
			b := make([]byte, len(`a=\u003cb\u003e\u0026c=d`))
			m := newValueMask(maskKey(), 24, 48)
			m.mask(b, []byte("a=<b>&c=d"), MaskHash)
			return string(b)
		}(), 1)},
		"no format": {nil, map[string]string{"ci": "truncate"}, "10.1.2.37 is not a line", strings.Repeat("x", len("10.1.2.37 is not a line"))},
		"cut before the query": {
			nil, map[string]string{"HQ": "hash"}, line[:len(line)-len(`?token=t HTTP/1.1"`)], strings.Repeat("x", len(line)-len(`?token=t HTTP/1.1"`)),
		},
		"cut, but known": {
			nil, map[string]string{"ci": "truncate"}, line[:len(line)-len(`?token=t HTTP/1.1"`)], r("10.1.2.37", "10.1.2.10")[:len(line)-len(`?token=t HTTP/1.1"`)],
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.formats == nil {
				tc.formats = wellKnown(t)
			}
			b := []Batch{batch(1, 0, []byte(tc.in+"\n"))}
			m := newMasker(t, tc.formats, MaskOptions{Fields: tc.fields, Blank: true})
			m.Mask(b)
			if got := string(b[0].Raw); got != tc.want+"\n" {
				t.Errorf("got  %swant %s", got, tc.want)
			}
			if b[0].Header.CRC != wire.Checksum(b[0].Raw) {
				t.Error("the checksum is another one's")
			}
			// What cannot be masked for certain is kept as it is without Blank.
			b = []Batch{batch(1, 0, []byte(tc.in+"\n"))}
			count := newMasker(t, tc.formats, MaskOptions{Fields: tc.fields}).Mask(b)
			want := tc.want
			if strings.Trim(want, "x") == "" {
				want = tc.in
				if count.Kept != 1 || count.Masked+count.Blanked > 0 {
					t.Errorf("counted %+v", count)
				}
			} else if count.Kept+count.Blanked > 0 {
				t.Errorf("counted %+v", count)
			}
			if got := string(b[0].Raw); got != want+"\n" {
				t.Errorf("without Blank: got %swant %s", got, want)
			}
		})
	}
}

// TestMaskRecords has lines that lie in several records, and rests of cut ones.
func TestMaskRecords(t *testing.T) {
	raw := cri(1, "stdout", "P", "10.1.2.37:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0") + cri(2, "stdout", "F", `/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {} {} "GET / HTTP/1.1"`)
	rest := batch(2, 100, []byte("10.1.2.37 in the rest\n10.1.2.37 in a line\n"))
	rest.Header.Rest = true
	for _, all := range []bool{false, true} {
		batches := []Batch{batch(1, 0, []byte(raw)), rest, {Header: wire.Header{Source: rest.Header.Source, From: 10, To: 20, Lost: "gone"}}}
		batches[1].Raw = bytes.Clone(rest.Raw)
		count := newMasker(t, wellKnown(t), MaskOptions{Fields: map[string]string{"ci": "truncate"}, Blank: all}).Mask(batches)
		want := MaskCount{Kept: 3}
		if all {
			want = MaskCount{Blanked: 3}
		}
		if count != want {
			t.Errorf("counted %+v, want %+v", count, want)
		}
		for i := range batches[:2] {
			if got := bytes.Contains(batches[i].Raw, []byte("10.1.2.37")); got == all {
				t.Errorf("%s", batches[i].Raw)
			}
		}
	}
}

func TestMaskOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		o    MaskOptions
		want string
	}{
		"method":   {MaskOptions{Fields: map[string]string{"ci": "md5"}, IPv4: 24, IPv6: 48}, `ci: there is no method "md5": write hash or truncate`},
		"key":      {MaskOptions{Fields: map[string]string{"ci": "hash"}, IPv4: 24, IPv6: 48, Key: []byte("short")}, "ci: a hash needs a key of at least 16 bytes"},
		"field":    {MaskOptions{Fields: map[string]string{"ST": "truncate"}, IPv4: 24, IPv6: 48}, "ST: no format has such a field that can be masked: write one of ci, "},
		"truncate": {MaskOptions{Fields: map[string]string{"HQ": "truncate"}, IPv4: 24, IPv6: 48}, "HQ: truncate is for addresses"},
		"bits":     {MaskOptions{Fields: map[string]string{"ci": "truncate"}, IPv4: 20, IPv6: 48}, "20 bits of IPv4"},
	} {
		if _, err := NewMasker(Options{Formats: wellKnown(t)}, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
