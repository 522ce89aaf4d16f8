package manifest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks/archivetest"
)

var hour = time.Date(2026, 11, 26, 4, 0, 0, 0, time.UTC)

func newSigner(t testing.TB) *manifest.Signer {
	t.Helper()
	private, _, err := manifest.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := manifest.ParseSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keyring(t testing.TB, signers ...*manifest.Signer) *manifest.Keyring {
	t.Helper()
	var text []byte
	for _, s := range signers {
		text = append(text, s.Public()...)
	}
	k, err := manifest.ParseKeyring(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// batchOf makes a batch of lines of httplog with the given clients.
func batchOf(source string, from int64, clients ...string) archive.Batch {
	var raw bytes.Buffer
	for i, c := range clients {
		fmt.Fprintf(&raw, "%s:%d [26/Nov/2026:04:00:%02d.000] fe be/s1 0/0/0/1/1 %d 1 - - ---- 1/1/0/0/0 0/0 \"GET /%d HTTP/1.1\"\n", c, 1000+i, i%60, 200+i%2, i)
	}
	b := archive.Batch{Raw: raw.Bytes()}
	b.Header = wire.Header{
		Source: wire.Source{ID: source, Node: "web-1", Path: "/var/log/haproxy.log"}, From: from, To: from + int64(raw.Len()),
		Records: len(clients), ReadAt: hour.Add(time.Minute),
	}
	return b
}

func encoder(t testing.TB) *archive.Encoder {
	t.Helper()
	e, err := archive.NewEncoder(archive.Options{Formats: archivetest.Formats(t, "httplog"), Writer: "agg-1"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// entryOf makes an object and its entry.
func entryOf(t testing.TB, at time.Time, batches ...archive.Batch) (*manifest.Entry, *archive.Object) {
	t.Helper()
	o, err := encoder(t).Encode(batches, at)
	if err != nil {
		t.Fatal(err)
	}
	s, err := archive.NewSummarizer()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := s.Summarize(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	return manifest.NewEntry(o.Key, int64(len(o.Body)), o.SHA256, sum), o
}

func clients(from, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("10.%d.%d.%d", (from+i)>>16, (from+i)>>8&255, (from+i)&255))
	}
	return out
}

func sample(t testing.TB) (*manifest.Manifest, []*manifest.Entry) {
	t.Helper()
	a, _ := entryOf(t, hour.Add(time.Minute), batchOf(strings.Repeat("a", 24), 0, clients(0, 10)...))
	b, _ := entryOf(t, hour.Add(2*time.Minute), batchOf(strings.Repeat("b", 24), 500, clients(1000, 300)...),
		archive.Batch{Header: wire.Header{Source: wire.Source{ID: strings.Repeat("c", 24), Node: "web-2"}, From: 7, To: 12, Lost: "gone", ReadAt: hour}})
	c, _ := entryOf(t, hour.Add(3*time.Minute), batchOf(strings.Repeat("a", 24), 2000, clients(5000, 12)...))
	a.Masks = []archive.Mask{{Field: "ci", Method: archive.MaskTruncate, IPv4: 24, IPv6: 48, Unparsed: "keep"}}
	q := manifest.NewEntry("_quarantine/dt=2026-11-26/hour=04/x.bin", 5, [32]byte{1}, nil)
	m := &manifest.Manifest{
		Writer: "agg-1", Sequence: 2, From: hour, To: hour.Add(time.Hour), Made: hour.Add(time.Hour), End: true,
		Previous: &manifest.Link{Sequence: 1, SHA256: strings.Repeat("0", 64)},
		Heads:    []manifest.Head{{Writer: "agg-2", Link: manifest.Link{Sequence: 9, SHA256: strings.Repeat("1", 64)}}},
	}
	return m, []*manifest.Entry{c, q, b, a}
}

func TestRoundTrip(t *testing.T) {
	m, entries := sample(t)
	s := newSigner(t)
	b, f, err := manifest.Encode(m, entries, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := manifest.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got.Manifest); diff != "" {
		t.Errorf("reads back otherwise (-written +read):\n%s", diff)
	}
	if f.Hash != got.Hash || f.Link() != got.Link() {
		t.Errorf("hash %x, want %x", got.Hash, f.Hash)
	}
	if err := keyring(t, newSigner(t), s).Check(got); err != nil {
		t.Error(err)
	}
	if len(got.Manifest.Objects) != 4 || got.Manifest.Objects[3].Lines != 12 || len(got.Manifest.Sources) != 3 {
		t.Errorf("%d objects, %d sources", len(got.Manifest.Objects), len(got.Manifest.Sources))
	}
	k, err := manifest.ParseKey(m.Key())
	if err != nil || k.Writer != "agg-1" || k.Sequence != 2 || !k.From.Equal(hour) {
		t.Errorf("%s: %+v, %v", m.Key(), k, err)
	}
}

// TestZstdPrintsTheDocument: a manifest needs no tool of ours.
func TestZstdPrintsTheDocument(t *testing.T) {
	m, entries := sample(t)
	b, _, err := manifest.Encode(m, entries, newSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var got struct {
		Writer  string
		Objects []struct{ Key string }
	}
	if err := json.NewDecoder(z).Decode(&got); err != nil || got.Writer != "agg-1" || len(got.Objects) != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestMayHold asks for every client: the object that has it is never left out.
func TestMayHold(t *testing.T) {
	m, entries := sample(t)
	b, f, err := manifest.Encode(m, entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(b)
	for object, all := range map[int][]string{1: clients(0, 10), 2: clients(1000, 300), 3: clients(5000, 12)} {
		for _, c := range all {
			may, err := f.MayHold(r, "client_ip", []byte(c))
			if err != nil || !may[object] {
				t.Fatalf("%s in object %d: %v, %v", c, object, may, err)
			}
		}
	}
	wrong := 0
	for _, c := range clients(100_000, 1000) {
		may, err := f.MayHold(r, "client_ip", []byte(c))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range may {
			if m {
				wrong++
			}
		}
	}
	if wrong > 3*1000/25 {
		t.Errorf("%d of 3000 look-ups in vain were not spared", wrong)
	}
	if may, _ := f.MayHold(r, "unique_id", []byte("x")); may[1] || may[2] || may[3] {
		t.Errorf("a column that is all null may have a value: %v", may)
	}
	if may, _ := f.MayHold(r, "http_path", []byte("x")); !may[2] {
		t.Error("a column without a filter cannot have a value")
	}
}

func TestSignatures(t *testing.T) {
	m, entries := sample(t)
	s, other := newSigner(t), newSigner(t)
	b, _, err := manifest.Encode(m, entries, s)
	if err != nil {
		t.Fatal(err)
	}
	open := func(b []byte) *manifest.File {
		f, err := manifest.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	check := func(what string, k *manifest.Keyring, b []byte, want error) {
		t.Helper()
		if err := k.Check(open(b)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	check("the right key", keyring(t, s), b, nil)
	check("after a rotation", keyring(t, other, s), b, nil)
	check("another key", keyring(t, other), b, manifest.ErrUnknownKey)
	forged := bytes.Clone(b)
	forged[len(forged)-1] ^= 1
	check("a changed signature", keyring(t, s), forged, manifest.ErrForged)
	m.End = false
	edited, _, err := manifest.Encode(m, entries, other)
	if err != nil {
		t.Fatal(err)
	}
	copy(edited[len(edited)-96:], b[len(b)-96:])
	check("another document under the signature", keyring(t, s), edited, manifest.ErrForged)
	copy(edited[len(edited)-96:], make([]byte, 96))
	check("no signature", keyring(t, s), edited, manifest.ErrUnsigned)
}
