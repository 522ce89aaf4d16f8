package archive

import (
	"bytes"
	"crypto/sha256"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

// nasty is what a log file can hold besides lines of HAProxy.
const nasty = "\n" + // an empty record
	"garbage\n" +
	"\x00\x00\x00\n" +
	"\xff\xfe \xc3(\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\r\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n" +
	// A cookie is printed as it came: not UTF-8, and not for a text column.
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 a=\xff - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 a=\xff - ---- 1/1/1/1/0 0/0 \"GET /x HTTP/1.1\"\n" +
	// More header slots than there are columns.
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {1|2|3|4|5|6|7|8|9} {} \"GET / HTTP/1.1\"\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {1|2|3|4|5|6|7|8} {|} \"GET / HTTP/1.1\"\n" +
	// Numbers beyond 32 bits, and beyond what HAProxy prints.
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/99999999999 200 9999999999999 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n" +
	"1.2.3.4:05 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 0200 1 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/0/0/+0 200 +1 - - ---- 1/1/1/1/+1 0/0 \"<BADREQ>\"\n" +
	"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/0/0/+0 200 1 - - ---- 1/1/1/1/0 0/0 \"GET /?\"\n" +
	"1.2.3.4:5 [31/Dec/1969:23:59:59.999] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 \"GET  HTTP/1.1\"\n" +
	"::1:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {} \"G E T\"\n" +
	"no LF at the end"

func TestNastyLines(t *testing.T) {
	for _, formats := range [][]*parser.Format{nil, wellKnown(t)} {
		e := newEncoder(t, formats...)
		for range 2 { // buffers are used again
			o, err := e.Encode([]Batch{batch(1, 0, []byte(nasty))}, sealed)
			if err != nil {
				t.Fatal(err)
			}
			if o.Refused > 0 {
				t.Errorf("%d rows did not render back", o.Refused)
			}
			if got := readBack(t, o.Body); string(got) != nasty {
				t.Errorf("got %q", got)
			}
			if o.Lines != strings.Count(nasty, "\n")+1 || o.RawBytes != int64(len(nasty)) || o.SHA256 != sha256.Sum256(o.Body) {
				t.Errorf("object says %d lines, %d bytes", o.Lines, o.RawBytes)
			}
		}
	}
}

func TestRows(t *testing.T) {
	line := "1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/0/0/7 200 1 - - ---- 1/1/1/1/0 0/0 {a|b} \"GET / HTTP/1.1\""
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(Options{Formats: wellKnown(t), Zone: parser.NewZone(berlin), Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	b := batch(7, 1000, []byte(line+"\nx"))
	o, err := e.Encode([]Batch{b}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	var rows []Row
	if err := r.Rows(func(row *Row) error {
		c := *row
		if c.Record != nil {
			if got := string(c.Record.Format.Append(nil, c.Record)); got != line {
				t.Errorf("record gives %q", got)
			}
			if got := string(c.Record.Lone.Text); got != "a|b" {
				t.Errorf("only block of headers is %q", got)
			}
			c.Record = nil
		}
		c.Raw, c.Message = bytes.Clone(c.Raw), bytes.Clone(c.Message)
		rows = append(rows, c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 15, 10, 39, 48e6, time.UTC).UnixMilli()
	read := b.Header.ReadAt.UnixMilli()
	want := []Row{
		{Source: b.Header.Source, Offset: 1000, Raw: []byte(line), Message: []byte(line), Time: at, UTCOffset: 3600, TimeOK: true, ReadAt: read, Format: "httplog"},
		{Index: 1, Source: b.Header.Source, Offset: 1000 + int64(len(line)) + 1, Raw: []byte("x"), Message: []byte("x"), NoLF: true, ReadAt: read},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	m := r.Meta()
	if m.Lines != 2 || m.Unparsed != 1 || m.MinTime != at || m.MaxTime != at || m.Writer != "w" || !m.Sealed.Equal(sealed) {
		t.Errorf("metadata %+v", m)
	}
}

func TestWindowOrderAndDuplicates(t *testing.T) {
	other := batch(2, 0, []byte("o\n"))
	other.Header.Source.Node = "lb-0"
	moved := batch(1, 4, []byte("c\n"))
	moved.Header.Source.Path = "/var/log/haproxy.log.1"
	changed := batch(1, 2, []byte("X\n"))
	o, err := newEncoder(t).Encode([]Batch{
		moved, batch(1, 2, []byte("b\n")), batch(1, 0, []byte("a\n")), other, batch(1, 2, []byte("b\n")), changed,
	}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(readBack(t, o.Body)); got != "o\na\nb\nX\nc\n" && got != "o\na\nX\nb\nc\n" {
		t.Errorf("rows %q", got)
	}
	if o.Duplicates != 1 {
		t.Errorf("%d duplicates, want 1: other bytes at the same place are no duplicate", o.Duplicates)
	}
	if n := len(o.Ranges); n != 4 || o.Ranges[1].To != 4 || o.Ranges[1].Lines != 2 {
		t.Errorf("ranges %+v", o.Ranges)
	}
}

func TestEncodeRefusesBadBatches(t *testing.T) {
	short := batch(1, 0, []byte("a\nb\n"))
	short.Header.To--
	count := batch(1, 0, []byte("a\nb\n"))
	count.Header.Records = 3
	for name, batches := range map[string][]Batch{
		"none": nil, "range shorter than bytes": {short}, "other number of records": {count},
		"empty": {{Header: wire.Header{Records: 0}}},
	} {
		if o, err := newEncoder(t).Encode(batches, sealed); err == nil {
			t.Errorf("%s: made object %s", name, o.Key)
		}
	}
}

func TestNewEncoderRefuses(t *testing.T) {
	f := compile(t, "httplog")
	for name, o := range map[string]Options{
		"no writer": {}, "writer with a slash": {Writer: "a/b"}, "format twice": {Writer: "a", Formats: []*parser.Format{f, f}},
	} {
		if _, err := NewEncoder(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestSchema holds the columns in a file, so that a change is seen: tables
// that people have made over the archive depend on them.
func TestSchema(t *testing.T) {
	const golden = "testdata/schema.txt"
	_, defs := plans(wellKnown(t))
	got := schemaString(defs) + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the schema has changed; if that is meant, run go test ./archive -update:\n%s", diff)
	}
	names := map[string]bool{}
	for _, d := range defs {
		if names[d.Name] || d.Name != strings.ToLower(d.Name) {
			t.Errorf("column %s is there twice or not in lower case", d.Name)
		}
		names[d.Name] = true
	}
}

func TestKey(t *testing.T) {
	k := KeyInfo{Writer: "agg-7.eu", Sealed: time.UnixMilli(1795339800123).UTC(), Hash: "0123456789ab"}
	const key = "dt=2026-11-22/hour=09/agg-7.eu-1795339800123-0123456789ab.parquet"
	if k.Key() != key {
		t.Errorf("key %s", k.Key())
	}
	got, err := ParseKey(key)
	if diff := cmp.Diff(k, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if !k.Matches([32]byte{1, 0x23, 0x45, 0x67, 0x89, 0xab}) || k.Matches([32]byte{1}) {
		t.Error("Matches is wrong")
	}
	for _, bad := range []string{
		"", "x", "dt=2026-11-22/hour=09/", key[:len(key)-1], "x/" + key, strings.Replace(key, "hour=09", "hour=10", 1),
		strings.Replace(key, "012345", "01234G", 1), strings.Replace(key, "agg-7.eu", "", 1), strings.Replace(key, "17953398", "+17953398", 1),
		strings.Replace(key, "1795339800123", "9223372036854775807", 1),
	} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, k)
		}
	}
}
