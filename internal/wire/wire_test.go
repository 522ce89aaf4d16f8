package wire_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/internal/wire"
)

const text = "first line\nsecond\n\nlast without its end"

func header(raw string, e wire.Encoding) wire.Header {
	return wire.Header{
		Source:   wire.Source{ID: "0123456789abcdef01234567", Node: "web-1.example", Path: "/var/log/ha proxy%.log"},
		From:     4096,
		To:       4096 + int64(len(raw)),
		Records:  wire.CountRecords([]byte(raw)),
		CRC:      wire.Checksum([]byte(raw)),
		Encoding: e,
		ReadAt:   time.UnixMilli(1_763_900_000_123).UTC(),
	}
}

func encode(t testing.TB, raw string, e wire.Encoding) []byte {
	t.Helper()
	switch e {
	case wire.S2:
		var b bytes.Buffer
		w := s2.NewWriter(&b)
		if _, err := w.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	case wire.Zstd:
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll([]byte(raw), nil)
	case wire.Plain:
	}
	return []byte(raw)
}

func decoder(t testing.TB) *wire.Decoder {
	t.Helper()
	d, err := wire.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, path := range []string{"", "/var/log/haproxy.log", " leading", "trailing ", "100%", "%41", "a\r\nNats-Msg-Id: x", "/ä/\xff\x00\x7f\t", "%"} {
		want := header(text, wire.Zstd)
		want.Source.Path = path
		m := want.Encode()
		for name, v := range m {
			if len(v) != 1 || strings.ContainsAny(v[0], "\r\n") || strings.TrimSpace(v[0]) != v[0] {
				t.Errorf("path %q: header %s cannot travel: %q", path, name, v)
			}
		}
		got, err := wire.DecodeHeader(m)
		if err != nil {
			t.Fatalf("path %q: %v", path, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("path %q: %s", path, d)
		}
	}
}

func TestDecodeGivesTheBytesBack(t *testing.T) {
	d := decoder(t)
	big := strings.Repeat("a line that repeats itself\n", 100_000)
	random := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{})
	if _, err := rng.Read(random); err != nil {
		t.Fatal(err)
	}
	var buf []byte
	for _, raw := range []string{text, "\n", "x", big, string(random), text} {
		for _, e := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
			h := header(raw, e)
			got, err := d.Decode(buf, &h, encode(t, raw, e))
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", e, len(raw), err)
			}
			if string(got) != raw {
				t.Fatalf("%s, %d bytes: other bytes came back", e, len(raw))
			}
			buf = got
		}
	}
	room := make([]byte, 7, 4096)
	h := header(text, wire.S2)
	got, err := d.Decode(room[:0:4096], &h, encode(t, text, wire.S2))
	if err != nil || &got[0] != &room[0] {
		t.Errorf("the room given was not used (%v)", err)
	}
}

func TestMsgIDTellsBatchesApart(t *testing.T) {
	h := header(text, wire.S2)
	ids := map[string]bool{h.MsgID(): true}
	for _, change := range []func(*wire.Header){
		func(h *wire.Header) { h.To++ },
		func(h *wire.Header) { h.From++ },
		func(h *wire.Header) { h.Source.ID = "1123456789abcdef01234567" },
	} {
		o := h
		change(&o)
		if ids[o.MsgID()] {
			t.Errorf("%+v has the id of another batch", o)
		}
		ids[o.MsgID()] = true
	}
	// The same bytes read again later, from the renamed file, sent otherwise
	// compressed, are the same batch.
	o := h
	o.Source.Path, o.ReadAt, o.Encoding = "/var/log/haproxy.log.1", time.UnixMilli(1), wire.Zstd
	if o.MsgID() != h.MsgID() {
		t.Error("the id depends on more than source and range")
	}
	if len(h.MsgID()) > 64 {
		t.Errorf("%d bytes: every broker keeps each id in memory for minutes", len(h.MsgID()))
	}
}

type message struct {
	header  map[string][]string
	payload []byte
}

// corruption is a row of the table of named corruptions of
// docs/formats/wire.md.
type corruption struct {
	name, want string
	corrupt    func(*testing.T, *message)
}

func set(name, value string) func(*testing.T, *message) {
	return func(_ *testing.T, m *message) { m.header[name] = []string{value} }
}

// refused corrupts a message in each way: each is recognized, and none passes
// as a batch.
func refused(t *testing.T, header func() map[string][]string, payload []byte, table []corruption) {
	t.Helper()
	d := decoder(t)
	for _, tc := range table {
		m := message{header: maps.Clone(header()), payload: payload}
		tc.corrupt(t, &m)
		got, err := wire.DecodeHeader(m.header)
		if err == nil {
			_, err = d.Decode(nil, &got, m.payload)
		}
		if !errors.Is(err, wire.ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ErrMalformed with %q", tc.name, err, tc.want)
		}
		// A decoder that met a corruption still works.
		h := good()
		if raw, err := d.Decode(nil, &h, encode(t, text, wire.Zstd)); err != nil || string(raw) != text {
			t.Fatalf("after %s the decoder is broken: %v", tc.name, err)
		}
	}
}

func good() wire.Header { return header(text, wire.Zstd) }

func TestCorruptions(t *testing.T) {
	payload := func(change func(p []byte) []byte) func(*testing.T, *message) {
		return func(_ *testing.T, m *message) { m.payload = change(slices.Clone(m.payload)) }
	}
	with := func(e wire.Encoding, raw string) func(*testing.T, *message) {
		return func(t *testing.T, m *message) {
			t.Helper()
			m.header["Lh-Enc"] = []string{e.String()}
			m.payload = encode(t, raw, e)
		}
	}
	h := header(text, wire.S2)
	refused(t, h.Encode, encode(t, text, wire.S2), []corruption{
		{"no headers", "header Lh-V is given 0 times", func(_ *testing.T, m *message) { clear(m.header) }},
		{"header missing", "header Lh-Node is given 0 times", func(_ *testing.T, m *message) { delete(m.header, "Lh-Node") }},
		{"header twice", "header Lh-From is given 2 times", func(_ *testing.T, m *message) { m.header["Lh-From"] = []string{"1", "1"} }},
		{"later version", `version "3", this build reads "1" and "2"`, set("Lh-V", "3")},
		{"source too short", "is not 24 hexadecimal digits", set("Lh-Source", "0123")},
		{"source in upper case", "is not 24 hexadecimal digits", set("Lh-Source", "0123456789ABCDEF01234567")},
		{"broken escape in path", "header Lh-Path has a broken escape", set("Lh-Path", "/x%4")},
		{"sign in escape", "header Lh-Path has a broken escape", set("Lh-Path", "/x%+1")},
		{"negative range", "is empty or negative", set("Lh-From", "-1")},
		{"empty range", "is empty or negative", set("Lh-To", "4096")},
		{"range overflows", "header Lh-To: \"99999999999999999999\" is not a number", set("Lh-To", "99999999999999999999")},
		{"huge range", "raw bytes, the limit is", set("Lh-To", "999999999999")},
		{"range of the whole number line", "raw bytes, the limit is", set("Lh-To", "9223372036854775807")},
		{"no records", "0 records in", set("Lh-Records", "0")},
		{"more records than bytes", "records in", set("Lh-Records", "4096")},
		{"records as float", "is not a number", set("Lh-Records", "1e3")},
		{"checksum too long", "is not a CRC-32", set("Lh-Crc", "100000000")},
		{"negative checksum", "is not a CRC-32", set("Lh-Crc", "-1")},
		{"unknown encoding", `unknown encoding "gzip"`, set("Lh-Enc", "gzip")},
		{"wrong encoding", "zstd payload", set("Lh-Enc", "zstd")},
		{"time as text", "is not a number", set("Lh-Read", "2026-01-01")},
		{"wrong checksum", "checksum", set("Lh-Crc", "1")},
		{"wrong number of records", "4 records, declared 3", set("Lh-Records", "3")},
		{"empty payload", "ends after 0 of", payload(func([]byte) []byte { return nil })},
		{"payload cut", "payload", payload(func(p []byte) []byte { return p[:len(p)/2] })},
		{"payload flipped", "", payload(func(p []byte) []byte { p[len(p)-3] ^= 1; return p })},
		{"payload twice", "holds more than the declared", payload(func(p []byte) []byte { return append(p, p...) })},
		{"rubbish behind s2", "", payload(func(p []byte) []byte { return append(p, "rubbish"...) })},
		{"other bytes of the same length", "checksum", with(wire.S2, strings.Replace(text, "first", "worst", 1))},
		{"one byte less, s2", "ends after", with(wire.S2, text[:len(text)-1])},
		{"one byte more, s2", "holds more than the declared", with(wire.S2, text+"x")},
		{"one byte less, zstd", "ends after", with(wire.Zstd, text[:len(text)-1])},
		{"one byte more, zstd", "holds more than the declared", with(wire.Zstd, text+"x")},
		{"zstd bomb", "holds more than the declared", with(wire.Zstd, text+strings.Repeat("\x00", 64<<20))},
		{"one byte less, none", "ends after", with(wire.Plain, text[:len(text)-1])},
		{"one byte more, none", "holds more than the declared", with(wire.Plain, text+"x")},
		{"rest that is not 1", `header Lh-Rest: "yes" is not 1`, set("Lh-Rest", "yes")},
		{"empty rest", `header Lh-Rest: "" is not 1`, set("Lh-Rest", "")},
		{"rest twice", "header Lh-Rest is given 2 times", func(_ *testing.T, m *message) { m.header["Lh-Rest"] = []string{"1", "1"} }},
		{"label without value", "header Lh-Labels: labels", set("Lh-Labels", "a")},
		{"label twice", "header Lh-Labels: labels", set("Lh-Labels", "a=1,a=2")},
		{"empty label", "header Lh-Labels: labels", set("Lh-Labels", "a=1,,b=2")},
		{"name of a label", "header Lh-Labels: label \"A\"", set("Lh-Labels", "A=1")},
		{"value of a label that is not UTF-8", "header Lh-Labels: label a", set("Lh-Labels", "a=%FF")},
		{"value of a label too long", "header Lh-Labels: label a", set("Lh-Labels", "a="+strings.Repeat("x", 257))},
		{"broken escape in a label", "header Lh-Labels: labels", set("Lh-Labels", "a=%4")},
		{"too many labels", "21 labels, the limit is 20", set("Lh-Labels", manyLabels(30))},
		{"labels twice", "header Lh-Labels is given 2 times", func(_ *testing.T, m *message) { m.header["Lh-Labels"] = []string{"a=1", "a=1"} }},
	})
}

func manyLabels(n int) string {
	l := make([]string, n)
	for i := range l {
		l[i] = "k" + strconv.Itoa(i) + "="
	}
	return strings.Join(l, ",")
}

func TestCountRecords(t *testing.T) {
	for raw, want := range map[string]int{"": 0, "\n": 1, "x": 1, "x\n": 1, "x\ny": 2, "\n\n": 2, text: 4} {
		if got := wire.CountRecords([]byte(raw)); got != want {
			t.Errorf("%q has %d records, want %d", raw, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	// Written out: nodes and brokers of different builds must agree for ever.
	for node, want := range map[string]string{"web-1": "raw.07.web-1", "web-2": "raw.02.web-2", "a.b c*d>é": "raw.07.a_b_c_d__"} {
		if got := wire.Subject(node, 8); got != want {
			t.Errorf("subject of %q is %s, want %s", node, got, want)
		}
	}
	if wire.StreamName(3) != "RAW-03" || wire.StreamSubjects(3) != "raw.03.>" {
		t.Error("the names of streams have changed")
	}
	seen := map[int]int{}
	for i := range 10_000 {
		seen[wire.Shard(strings.Repeat("n", i%7)+string(rune('a'+i%26))+strings.Repeat("x", i/100), 16)]++
	}
	if len(seen) != 16 {
		t.Errorf("only %d of 16 shards are used", len(seen))
	}
}

func TestEncodingNames(t *testing.T) {
	for _, e := range []wire.Encoding{wire.S2, wire.Zstd, wire.Plain} {
		if got, err := wire.ParseEncoding(e.String()); err != nil || got != e {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
	if _, err := wire.ParseEncoding("S2"); err == nil {
		t.Error("an unknown name was taken")
	}
}
