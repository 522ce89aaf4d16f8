package sql

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// row is what a reader tells about a row, bytes as texts.
type row struct {
	dt, hour, node, source string
	offset                 int64
	wrapped, line          string
}

// unknown is null.
const unknown = "<null>"

// world is an archive in a folder, and what is in it.
type world struct {
	t    *testing.T
	dir  string
	days string // a derived copy
	root string
	enc  *archive.Encoder
	rows map[row]int // of all partitions but that of truth
	// distinct has each identity with each bytes of it.
	distinct map[row]bool
	truth    truth
	objects  int
}

// truth is what HAProxy's second channel says about the lines of one log.
type truth struct {
	Lines     int
	BytesSum  int64 `json:"bytes_sum"`
	ClientIPs int   `json:"distinct_client_ips"`
	Status    map[string]int
	Frontend  map[string]int
	Term      map[string]int `json:"termination"`
}

// Partitions: lines of all formats; the same again as another forwarder's
// start would cut them, and one line that claims the place of another; objects
// of older versions; nothing but losses; and the lines whose truth is known.
var ( //nolint:gochecknoglobals // constants
	formatsHour = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	repeatsHour = time.Date(2026, 11, 22, 16, 30, 0, 0, time.UTC)
	goldenHour  = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	lossesHour  = time.Date(2026, 11, 23, 0, 10, 0, 0, time.UTC)
	truthHour   = time.Date(2026, 11, 24, 23, 59, 59, 0, time.UTC)
)

func newWorld(t *testing.T) *world {
	t.Helper()
	enc, err := archive.NewEncoder(archive.Options{Formats: archivetest.Formats(t, parser.WellKnown()...), Wrapper: wrapper.Auto, Writer: "agg-1"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), days: t.TempDir(), root: testenv.Root(t), enc: enc, rows: map[row]int{}, distinct: map[row]bool{}}
	w.addFormats()
	w.addGolden()
	w.addOthers()
	w.copyDays()
	w.addTruth()
	return w
}

// addFormats archives some lines of each log, each as a source of its own, and
// a part of them once more.
func (w *world) addFormats() {
	w.t.Helper()
	var first, again []archive.Batch
	for i, log := range []string{
		"http/httplog.log.gz", "http/httpslog.log.gz", "http/clf.log.gz", "http-asap/httplog.log", "http-asap/clf.log",
		"tcp/tcplog.log", "tcp/clf.log.gz", "tcp-asap/tcplog.log", "tcp-asap/clf.log", "default/default.log",
		"errors-legacy/error.log", "errors-format/error.log", "dates-paris-spring/httplog.log", "dates-ny-dst-fall/clf.log",
		"custom/c15-conv.log", "events/raw.log", "trunc/raw-300.log.gz", "wrappers/udp-rfc5424.log.gz", "wrappers/udp-rfc3164.log.gz",
		"../archive/input/pod.log", "../archive/input/docker.log", "../archive/input/bare.log",
	} {
		lines := bytes.SplitAfter(w.read("testdata/corpus/"+log), []byte("\n"))
		lines = lines[:min(len(lines), 400)]
		raw := bytes.Join(lines, nil)
		src := wire.Source{ID: fmt.Sprintf("%024x", i+1), Node: fmt.Sprintf("lb-%d", i%3), Path: "/var/log/" + filepath.Base(log)}
		first = append(first, w.batch(src, 0, raw))
		if i%4 == 0 {
			skip := len(bytes.Join(lines[:min(3, len(lines)-1)], nil))
			again = append(again, w.batch(src, int64(skip), raw[skip:]))
		}
	}
	other := w.batch(first[0].Header.Source, 0, []byte("another line at the same place\n"))
	w.put(formatsHour, first...)
	w.put(repeatsHour, append(again, other)...)
}

func (w *world) batch(src wire.Source, from int64, raw []byte) archive.Batch {
	return archive.Batch{Raw: raw, Header: wire.Header{
		Source: src, From: from, To: from + int64(len(raw)), Records: wire.CountRecords(raw), ReadAt: formatsHour,
	}}
}

// put encodes an object.
func (w *world) put(sealed time.Time, batches ...archive.Batch) {
	w.t.Helper()
	o, err := w.enc.Encode(batches, sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(o.Key, o.Body)
	w.objects++
	if !sealed.Equal(truthHour) {
		w.expect(sealed, o.Body)
	}
}

// expect notes what our own reader gives for an object, which its tests compare
// with the lines.
func (w *world) expect(sealed time.Time, body []byte) {
	w.t.Helper()
	known := append(parser.WellKnown(), parser.EventFormat)
	rd, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := rd.Rows(func(r *archive.Row) error {
		k := row{
			sealed.Format("2006-01-02"), sealed.Format("15"), r.Source.Node, r.Source.ID, r.Offset, string(r.Raw), string(r.Message),
		}
		if r.Record != nil && r.Record.Exact() && !slices.Contains(known, r.Format) {
			k.wrapped, k.line = unknown, unknown // the statements are those of the well-known formats
		}
		w.rows[k]++
		k.dt, k.hour, k.line = "", "", "" // version 1 did not know what Docker's JSON is
		w.distinct[k] = true
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// addGolden adds objects of older versions of the format.
func (w *world) addGolden() {
	w.t.Helper()
	for version := 1; version <= archive.Version; version++ {
		body := w.read(fmt.Sprintf("testdata/archive/v%d/object.parquet", version))
		sealed := goldenHour.Add(time.Duration(version) * time.Hour)
		sum := sha256.Sum256(body)
		w.write(archive.KeyInfo{Writer: "old", Sealed: sealed, Hash: hex.EncodeToString(sum[:6])}.Key(), body)
		w.objects++
		w.expect(sealed, body)
	}
}

// addOthers adds an object without rows, and what else lies in a bucket.
func (w *world) addOthers() {
	w.t.Helper()
	lost := w.batch(wire.Source{ID: strings.Repeat("f", 24), Node: "lb-9", Path: "/gone"}, 0, nil)
	lost.Header.To, lost.Header.Lost, lost.Header.Encoding = 4096, "truncated", wire.Plain
	w.put(lossesHour, lost)
	w.put(formatsHour, lost)
	for _, key := range []string{
		"_manifests/agg-1/dt=2026-11-22/hour=09.json.zst", "_manifests/dt=2026-11-22/hour=09/agg-1.json.zst",
		"_quarantine/dt=2026-11-22/hour=09/1.raw", "_derived/dt=2026-11-22/part.json", "_quarantine/x.parquet",
	} {
		w.write(key, []byte("no Parquet"))
	}
}

// copyDays makes a derived copy of what is there so far.
func (w *world) copyDays() {
	w.t.Helper()
	var stores []objectstore.Store
	for _, dir := range []string{w.dir, w.days} {
		s, err := objectstore.Open(w.t.Context(), "file://"+dir, objectstore.Options{})
		if err != nil {
			w.t.Fatal(err)
		}
		stores = append(stores, s)
	}
	_, err := audit.Compact(w.t.Context(), stores[0], stores[1], audit.CompactOptions{Archive: stores[0].String(), Lines: 2000, Warn: func(err error) { w.t.Error(err) }})
	if err != nil {
		w.t.Fatal(err)
	}
}

// addTruth adds 199,706 lines in two objects.
func (w *world) addTruth() {
	w.t.Helper()
	if err := json.Unmarshal(w.read("testdata/corpus/httplog-200k.summary.json"), &w.truth); err != nil {
		w.t.Fatal(err)
	}
	raw := w.read("testdata/corpus/httplog-200k.log.zst")
	half := len(raw)/2 + bytes.IndexByte(raw[len(raw)/2:], '\n') + 1
	src := wire.Source{ID: strings.Repeat("a", 24), Node: "lb-1", Path: "/var/log/haproxy.log"}
	w.put(truthHour, w.batch(src, 0, raw[:half]))
	w.put(truthHour, w.batch(src, int64(half), raw[half:]))
}

func (w *world) write(key string, content []byte) {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// read gives a file of the repository.
func (w *world) read(path string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.root, path))
	if err != nil {
		w.t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(b)
	switch filepath.Ext(path) {
	case ".gz":
		r, err = gzip.NewReader(r)
	case ".zst":
		r, err = zstd.NewReader(r)
	}
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// each calls fn for each file of a folder with its key.
func (w *world) each(dir string, fn func(key string, body []byte)) {
	w.t.Helper()
	if err := fs.WalkDir(os.DirFS(dir), ".", func(key string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(filepath.Join(dir, key))
		fn(key, body)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
}

// statements gives those of a file of deploy/sql with texts in it replaced.
func (w *world) statements(file string, replace ...string) []string {
	w.t.Helper()
	text := string(w.read("deploy/sql/" + file))
	if !strings.Contains(text, replace[0]) {
		w.t.Fatalf("%s has no %s", file, replace[0])
	}
	var all []string
	for s := range strings.SplitSeq(strings.NewReplacer(replace...).Replace(text), ";\n") {
		lines := slices.DeleteFunc(strings.Split(s, "\n"), func(line string) bool { return strings.HasPrefix(line, "--") })
		if s = strings.Join(lines, "\n"); strings.TrimSpace(s) != "" {
			all = append(all, s)
		}
	}
	return all
}
