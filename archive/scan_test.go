package archive

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// told is what a row tells, as a text to compare.
func told(r *Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s/%s:%d %q %v %v %q %s %q %v %s %s %s %s %s", r.Index, r.Source.Node, r.Source.ID, r.Offset, r.Raw, r.NoLF, r.Parts, r.Message,
		r.Format, r.Labels, r.Rest, r.Namespace, r.Pod, r.Container, r.ContainerID, r.Source.Path)
	if dated(r) {
		fmt.Fprintf(&b, " %d %d %v %v %d", r.Time, r.UTCOffset, r.TimeOK, r.TimeUnsure, r.ReadAt)
	}
	if h := r.Header; h.Kind != wrapper.None {
		fmt.Fprintf(&b, " %v %v %d %d %q %q %q %q %q %q %v %v %d", h.Kind, h.Inner, h.Facility, h.Severity, h.Host, h.Tag, h.PID, h.MsgID, h.StructuredData, h.Stream,
			h.Partial, h.TimeOK, h.Time.UnixMilli())
	}
	if r.Record != nil {
		fmt.Fprintf(&b, " %s %v %q", r.Record.Format.Name(), r.Record.Truncated, r.Record.Format.Append(nil, r.Record))
	}
	return b.String()
}

// dated reports whether the archive has a time for lines as r: of a format whose
// only time is the seconds since 1970 it has none.
func dated(r *Row) bool { return r.Record == nil || !strings.Contains(r.Format, "%Ts.%ms") }

// scanned gives what a Scanner tells of batches.
func scanned(t *testing.T, formats []*parser.Format, batches []Batch) (all []string) {
	t.Helper()
	s, err := NewScanner(Options{Formats: formats, Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	index := 0
	for i := range batches {
		first := index
		if err := s.Scan(&batches[i], func(r *Row) error {
			copied := *r
			copied.Index += first
			all = append(all, told(&copied))
			index++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestScan: a Scanner reads out of the lines of the corpus what the object of
// the same batches has.
func TestScan(t *testing.T) {
	logs := map[string][]byte{}
	specs := map[string]string{}
	for path, spec := range corpusLogs(t) {
		name, _ := filepath.Rel(corpusDir, path)
		raw := readCorpus(t, path)
		if end := bytes.LastIndexByte(raw[:min(len(raw), 30_000)], '\n'); end > 0 {
			raw = raw[:end+1]
		}
		logs[name], specs[name] = raw, spec
	}
	maps.Copy(logs, wrappings(t))
	logs["joined"] = []byte("2026-11-22T16:17:55.1Z stdout P 10.0.0.1:1 [22/Nov/2026:10:11:12.123] fe be/s 0/0/1/2/3 200 7 - - ---- 1/1/0/0/0 0/0 \"GET /jo\n" +
		"2026-11-22T16:17:55.1Z stderr F other\n2026-11-22T16:17:55.1Z stdout F ined HTTP/1.1\"\n2026-11-22T16:17:56.1Z stdout P without an end\n")
	for name, raw := range logs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			formats := wellKnown(t)
			if f := otherFormat(specs[name], formats); f != nil {
				formats = append([]*parser.Format{f}, formats...)
			}
			batches := cut(1, raw, 10_000)
			for i := range batches {
				h := &batches[i].Header
				h.Source.Path = "/var/log/pods/web_haproxy-1_12345678-1234-1234-1234-123456789abc/haproxy/0.log"
				h.Labels = wire.Labels{{Key: "role", Value: "edge"}}
				h.Rest = i == 1
			}
			o, err := newEncoder(t, formats...).Encode(batches, sealed)
			if err != nil {
				t.Fatal(err)
			}
			got := scanned(t, formats, batches)
			i := 0
			eachRow(t, o.Body, func(r *Row) {
				if i >= len(got) || got[i] != told(r) {
					t.Fatalf("row %d:\n%s\narchived:\n%s", i, got[min(i, len(got)-1)], told(r))
				}
				i++
			})
			if i != len(got) {
				t.Errorf("%d rows are archived, %d were read", i, len(got))
			}
		})
	}
}

// TestScanStops: the error of the function comes back, a loss has no lines.
func TestScanStops(t *testing.T) {
	s, err := NewScanner(Options{Formats: wellKnown(t)})
	if err != nil {
		t.Fatal(err)
	}
	b, stop, n := batch(1, 0, []byte("a\nb\n")), errors.New("stop"), 0
	if err := s.Scan(&b, func(*Row) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d lines", err, n)
	}
	loss := Batch{Header: wire.Header{Source: b.Header.Source, From: 4, To: 9, Lost: "gone"}}
	if err := s.Scan(&loss, func(*Row) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%v, and %d lines of a loss", err, n-1)
	}
	if _, err := NewScanner(Options{Wrapper: wrapper.Journald}); err == nil {
		t.Error("entries of the journal are no lines")
	}
}
