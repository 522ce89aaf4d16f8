package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// goldenDir has an object of each version of the format, written by the code
// of its time, and beside it what that code read back. Nobody changes them.
const goldenDir = "../testdata/archive"

// goldenFormats are what the golden objects were encoded with: one of them has
// dynamic columns.
func goldenFormats(t *testing.T) []*parser.Format {
	return append(wellKnown(t), compile(t, "%H %pid %rt %OG %ac %fc %bc %sc %rc %sq %bq %U %ts %f %ID"))
}

// goldenBatches are real lines of HAProxy in many formats, bare and wrapped,
// cut, kept, joined and lost.
func goldenBatches(t *testing.T) []Batch {
	t.Helper()
	labels, err := wire.NewLabels(map[string]string{"cluster": "edge \"1\"", "zone": ""})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 16, 18, 0, 0, time.UTC)
	var all []Batch
	for i, in := range []struct{ node, file, path string }{
		{"lb-1", "bare.log", "/var/log/haproxy.log"},
		{"lb-1", "syslog.log", "/var/log/haproxy-syslog.log"},
		{"lb-2", "docker.log", "/var/lib/docker/containers/" + strings.Repeat("0123456789abcdef", 4) + "/" + strings.Repeat("0123456789abcdef", 4) + "-json.log"},
		{"lb-2", "pod.log", "/var/log/pods/edge_lb-0_0-1/haproxy/0.log"},
	} {
		raw := readCorpus(t, filepath.Join(goldenDir, "input", in.file))
		half := len(raw)
		if in.file == "bare.log" {
			half = len(raw)/2 + bytes.IndexByte(raw[len(raw)/2:], '\n') + 1
		}
		for _, b := range [][]byte{raw[:half], raw[half:]} {
			if len(b) == 0 {
				continue
			}
			from := int64(0)
			if &b[0] != &raw[0] {
				from = int64(half)
			}
			h := wire.Header{
				Source: wire.Source{ID: fmt.Sprintf("%024x", i+1), Node: in.node, Path: in.path},
				From:   from, To: from + int64(len(b)), Records: wire.CountRecords(b), ReadAt: at,
			}
			if in.node == "lb-2" {
				h.Labels = labels
			}
			all = append(all, Batch{Header: h, Raw: b})
		}
	}
	rest := []byte("rest of a line that was too long\n")
	all = append(all, Batch{Raw: rest, Header: wire.Header{
		Source: wire.Source{ID: fmt.Sprintf("%024x", 9), Node: "lb-2", Path: "/var/log/long.log"},
		From:   1 << 20, To: 1<<20 + int64(len(rest)), Records: 1, ReadAt: at, Rest: true,
	}})
	for _, l := range []wire.Header{
		{From: 0, To: 4096, Lost: "truncated"},
		{From: 4096, To: 4106, Records: 10, Lost: "haproxy_dropped"},
	} {
		l.Source = wire.Source{ID: fmt.Sprintf("%024x", 7), Node: "lb-3", Path: "/var/log/gone.log"}
		l.ReadAt, l.Labels, l.Encoding = at, labels, wire.Plain
		all = append(all, Batch{Header: l})
	}
	return all
}

// goldenRow is what a reader tells about a row. Fields that came with a later
// version are left out when they are not set.
type goldenRow struct {
	Node, Source, Path string
	Offset             int64
	NoLF               bool `json:",omitempty"`
	Time               int64
	UTCOffset          int32
	TimeOK             bool
	ReadAt             int64
	Format             string            `json:",omitempty"`
	Values             map[string]string `json:",omitempty"`
	Lone               string            `json:",omitempty"`
	Wrapper            string            `json:",omitempty"`
	Host, Tag, Stream  string            `json:",omitempty"`
	Partial            bool              `json:",omitempty"`
	Cut                bool              `json:",omitempty"`
	Message            string            `json:",omitempty"`
	Rest               bool              `json:",omitempty"`
	Labels             string            `json:",omitempty"`
	Pod, ContainerID   string            `json:",omitempty"`
	Parts              []int64           `json:",omitempty"`
}

func newGoldenRow(r *Row) goldenRow {
	g := goldenRow{
		Node: r.Source.Node, Source: r.Source.ID, Path: r.Source.Path, Offset: r.Offset, NoLF: r.NoLF,
		Time: r.Time, UTCOffset: r.UTCOffset, TimeOK: r.TimeOK, ReadAt: r.ReadAt, Format: r.Format,
		Host: string(r.Header.Host), Tag: string(r.Header.Tag), Stream: string(r.Header.Stream), Partial: r.Header.Partial,
		Rest: r.Rest, Labels: string(r.Labels), Pod: string(r.Pod), ContainerID: string(r.ContainerID),
	}
	if r.Header.Kind != wrapper.None {
		g.Wrapper = r.Header.Kind.String()
	}
	if !bytes.Equal(r.Message, r.Raw) {
		g.Message = strings.ToValidUTF8(string(r.Message), "?")
	}
	for _, p := range r.Parts {
		g.Parts = append(g.Parts, p.Offset)
	}
	if r.Record == nil {
		return g
	}
	g.Cut = r.Record.Truncated
	g.Lone = string(r.Record.Lone.Text)
	g.Values = map[string]string{}
	for i, f := range r.Record.Format.Fields() {
		v := &r.Record.Values[i]
		switch {
		case v.State&parser.Present == 0:
		case f.Kind == parser.KindInt, f.Kind == parser.KindDate:
			g.Values[f.Name] = strconv.FormatInt(v.Int, 10)
		default:
			g.Values[f.Name] = strings.ToValidUTF8(string(v.Text), "?")
		}
	}
	return g
}

// golden is the content of an object.json.
type golden struct {
	Meta Meta
	Rows []goldenRow
}

// readGolden gives what today's code reads, and the lines.
func readGolden(t *testing.T, body []byte) (g golden, lines []byte) {
	t.Helper()
	rd := openBody(t, body)
	g.Meta = *rd.Meta()
	if err := rd.Rows(func(r *Row) error {
		g.Rows = append(g.Rows, newGoldenRow(r))
		lines = append(lines, r.Raw...)
		if !r.NoLF {
			lines = append(lines, '\n')
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return g, lines
}

// TestGoldenObjects reads an object of each version, as the code of its time
// wrote it: every byte of the lines, the metadata and the fields are as that
// code read them. With -update it writes the object of this version, if there
// is none yet.
func TestGoldenObjects(t *testing.T) {
	if dir := filepath.Join(goldenDir, "v"+strconv.Itoa(Version)); *update {
		writeGolden(t, dir)
	}
	for version := 1; version <= Version; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			dir := filepath.Join(goldenDir, "v"+strconv.Itoa(version))
			body, err := os.ReadFile(filepath.Join(dir, "object.parquet"))
			if err != nil {
				t.Fatalf("each version needs an object that stays: go test ./archive -run TestGoldenObjects -update: %v", err)
			}
			if err := checkFooter(body); err != nil {
				t.Error(err)
			}
			got, lines := readGolden(t, body)
			if got.Meta.Version != version {
				t.Errorf("version %d in %s", got.Meta.Version, dir)
			}
			if want := readCorpus(t, filepath.Join(dir, "lines.log")); !bytes.Equal(lines, want) {
				t.Errorf("other bytes come back: %s", lineDiff(lines, want))
			}
			var want golden
			if err := json.Unmarshal(readCorpus(t, filepath.Join(dir, "object.json")), &want); err != nil {
				t.Fatal(err)
			}
			if version < 3 { // Row.Message came with version 3
				for i := range got.Rows {
					got.Rows[i].Message = ""
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// writeGolden makes the golden object of this version. It never overwrites one.
func writeGolden(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return
	}
	e, err := NewEncoder(Options{Formats: goldenFormats(t), Wrapper: wrapper.Auto, Writer: "golden", CreatedBy: "0.0." + strconv.Itoa(Version)})
	if err != nil {
		t.Fatal(err)
	}
	o, err := e.Encode(goldenBatches(t), time.Date(2026, 11, 22, 16, 20, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	g, lines := readGolden(t, o.Body)
	text, err := json.MarshalIndent(g, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"object.parquet": o.Body, "lines.log": lines, "object.json": append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewerVersionIsRefused has each golden object say that it is of the next
// version: nobody guesses at what is in it.
func TestNewerVersionIsRefused(t *testing.T) {
	for version := 1; version <= Version; version++ {
		body := readCorpus(t, filepath.Join(goldenDir, "v"+strconv.Itoa(version), "object.parquet"))
		old, newer := fmt.Sprintf(`{"version":%d,`, version), fmt.Sprintf(`{"version":%d,`, Version+1)
		if bytes.Count(body, []byte(old)) != 1 || len(old) != len(newer) {
			t.Fatalf("cannot change the version of %d", version)
		}
		body = bytes.Replace(body, []byte(old), []byte(newer), 1)
		if _, err := Open(bytes.NewReader(body), int64(len(body))); !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
			t.Errorf("version %d as %d: %v", version, Version+1, err)
		}
	}
}
