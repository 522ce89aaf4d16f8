package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go/format"

	"github.com/loghaul/loghaul/internal/wire"
)

// lost declares a loss.
func lost(id byte, from, to int64, lines int, reason string) Batch {
	b := batch(id, from, nil)
	b.Header.To, b.Header.Records, b.Header.Lost, b.Header.Encoding = to, lines, reason, wire.Plain
	return b
}

func openBody(t testing.TB, body []byte) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLosses(t *testing.T) {
	labels, err := wire.NewLabels(map[string]string{"cluster": "a<\"b\"", "zone": ""})
	if err != nil {
		t.Fatal(err)
	}
	one := lost(1, 4, 10, 2, "truncated")
	one.Header.Labels = labels
	one.Header.Source.Path = "/var/\xff.log"
	counter := lost(2, 0, math.MaxInt64, 0, "haproxy_dropped")
	first := batch(1, 0, []byte("a\nb\n"))
	e := newEncoder(t, wellKnown(t)...)
	for name, batches := range map[string][]Batch{
		"with lines":    {lost(1, 20, 30, 0, "gone"), first, one, counter, one},
		"without lines": {one, counter, lost(1, 20, 30, 0, "gone"), one},
	} {
		o, err := e.Encode(batches, sealed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := openBody(t, o.Body)
		read := first.Header.ReadAt
		want := []Loss{
			{Source: wire.Source{ID: one.Header.Source.ID, Node: "lb-1", Path: "/var/\uFFFD.log"}, From: 4, To: 10, Lines: 2, Reason: "truncated", Read: read, Labels: labels.Map()},
			{Source: first.Header.Source, From: 20, To: 30, Reason: "gone", Read: read},
			{Source: counter.Header.Source, To: math.MaxInt64, Reason: "haproxy_dropped", Read: read},
		}
		if d := cmp.Diff(want, r.Meta().Losses); d != "" {
			t.Errorf("%s: losses (-want +got):\n%s", name, d)
		}
		if d := cmp.Diff(want, o.Losses); d != "" {
			t.Errorf("%s: losses of the object (-want +got):\n%s", name, d)
		}
		if o.Duplicates != 1 {
			t.Errorf("%s: %d duplicates", name, o.Duplicates)
		}
		wantLines := map[string]int{"with lines": 2}[name]
		if o.Lines != wantLines || len(readBack(t, o.Body)) != 2*wantLines || len(o.Ranges) != wantLines/2 {
			t.Errorf("%s: %d lines in %v", name, o.Lines, o.Ranges)
		}
	}
}

func TestLossCounts(t *testing.T) {
	for _, tc := range []struct {
		loss    Loss
		bytes   int64
		counted bool
	}{
		{Loss{From: 5, To: 10}, 5, false}, {Loss{From: 5, To: 10, Lines: 2}, 5, false}, {Loss{From: 5, To: 10, Lines: 5}, 0, true},
	} {
		if tc.loss.Bytes() != tc.bytes || tc.loss.Counted() != tc.counted {
			t.Errorf("%+v: %d bytes, counted %v", tc.loss, tc.loss.Bytes(), tc.loss.Counted())
		}
	}
}

func TestEncodeRefusesBadLosses(t *testing.T) {
	bytesToo := lost(1, 0, 2, 0, "gone")
	bytesToo.Raw = []byte("a\n")
	for name, b := range map[string]Batch{
		"empty": lost(1, 5, 5, 0, "gone"), "negative": lost(1, -5, 5, 0, "gone"), "more lines than bytes": lost(1, 0, 5, 6, "gone"),
		"negative lines": lost(1, 0, 5, -1, "gone"), "reason": lost(1, 0, 5, 0, "Gone"), "bytes": bytesToo,
	} {
		if _, err := newEncoder(t).Encode([]Batch{b}, sealed); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBrokenLosses changes the metadata of an object that has nothing but a
// loss.
func TestBrokenLosses(t *testing.T) {
	w, err := newWindow([]Batch{lost(1, 4, 10, 2, "truncated")})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Meta)
		reads  bool // readers don't see it
	}{
		"gone":                  {func(m *Meta) { m.Losses = nil }, false},
		"empty range":           {func(m *Meta) { m.Losses[0].To = 4 }, false},
		"more lines than bytes": {func(m *Meta) { m.Losses[0].Lines = 7 }, false},
		"no reason":             {func(m *Meta) { m.Losses[0].Reason = "" }, false},
		"a line too many":       {func(m *Meta) { m.Lines = 1 }, false},
		"other range":           {func(m *Meta) { m.Losses[0].To++ }, true},
		"other reason":          {func(m *Meta) { m.Losses[0].Reason = "gone" }, true},
	} {
		e := newEncoder(t)
		body, meta, err := e.write(w, sealed)
		if err != nil {
			t.Fatal(err)
		}
		text, err := meta.encode()
		if err != nil {
			t.Fatal(err)
		}
		var wrong Meta
		if err := json.Unmarshal([]byte(text), &wrong); err != nil {
			t.Fatal(err)
		}
		tc.change(&wrong)
		body = editFooter(t, body, func(m *format.FileMetaData) {
			if m.KeyValueMetadata[0].Value, err = wrong.encode(); err != nil {
				t.Fatal(err)
			}
		})
		if _, err := e.verifier.verify(body, w, meta, e.table); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: verify: %v", name, err)
		}
		if err := readAll(body); tc.reads != (err == nil) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: reading it: %v", name, err)
		}
	}
}

// TestLabelsAndContainers has them of several batches and sources.
func TestLabelsAndContainers(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	labelled := func(b Batch, m map[string]string, path string) Batch {
		l, err := wire.NewLabels(m)
		if err != nil {
			t.Fatal(err)
		}
		b.Header.Labels, b.Header.Source.Path = l, path
		return b
	}
	line := []byte(long(1) + "\n")
	o, err := newEncoder(t, wellKnown(t)...).Encode([]Batch{
		labelled(batch(1, 0, line), map[string]string{"zone": "b", "cluster": "é<&\"\\\x00\n"}, "/var/log/pods/edge_lb-0_0-1/haproxy/0.log"),
		labelled(batch(1, int64(len(line)), line), nil, "/var/log/pods/edge_lb-0_0-1/haproxy/0.log.20261122-161755"),
		labelled(batch(2, 0, line), map[string]string{"a": ""}, "/var/log/containers/lb-0_edge_haproxy-"+id+".log"),
		labelled(batch(3, 0, line), nil, "/var/lib/docker/containers/"+id+"/"+id+"-json.log"),
		batch(4, 0, line),
	}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	want := [][5]string{
		{`{"cluster":"é<&\"\\\u0000\n","zone":"b"}`, "edge", "lb-0", "haproxy", ""},
		{"", "edge", "lb-0", "haproxy", ""},
		{`{"a":""}`, "edge", "lb-0", "haproxy", id},
		{"", "", "", "", id},
		{},
	}
	var got [][5]string
	eachRow(t, o.Body, func(row *Row) {
		got = append(got, [5]string{string(row.Labels), string(row.Namespace), string(row.Pod), string(row.Container), string(row.ContainerID)})
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for name, breakTable := range map[string]func(*table){
		"other labels":           func(tb *table) { tb.columns[colLabels].chunk.Texts.Data[2]++ },
		"labels of another row":  func(tb *table) { tb.columns[colLabels].bits[0] ^= 3 },
		"labels of a row more":   func(tb *table) { tb.columns[colLabels].addText(4, []byte("{}")) },
		"another pod":            func(tb *table) { tb.columns[colPod].chunk.Texts.Data[0]++ },
		"a pod more":             func(tb *table) { tb.columns[colPod].addText(4, []byte("x")) },
		"a container id too few": func(tb *table) { c := &tb.columns[colContainerID]; c.bits[0], c.chunk.Codes = 4, c.chunk.Codes[:1] },
	} {
		e := newEncoder(t, wellKnown(t)...)
		e.breakTable = breakTable
		_, err := e.Encode([]Batch{
			labelled(batch(1, 0, line), map[string]string{"zone": "b"}, "/var/log/pods/edge_lb-0_0-1/haproxy/0.log"),
			labelled(batch(1, int64(len(line)), line), nil, "/var/log/haproxy.log"),
			labelled(batch(2, 0, line), nil, "/var/log/containers/lb-0_edge_haproxy-"+id+".log"),
			labelled(batch(3, 0, line), nil, "/var/log/containers/lb-0_edge_haproxy-"+id+".log"),
			batch(4, 0, line),
		}, sealed)
		wantCheck(t, name, err, "identity")
	}
}
