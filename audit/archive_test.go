package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// world is an archive in a folder, filled by the real encoder.
type world struct {
	t     testing.TB
	dir   string
	store objectstore.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	var err error
	if w.store, err = objectstore.Open(t.Context(), "file://"+w.dir, objectstore.Options{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// source names a source by one letter.
func source(node string, letter rune) wire.Source {
	return wire.Source{ID: fmt.Sprintf("%024x", letter), Node: node, Path: "/var/log/" + string(letter) + ".log"}
}

// batch makes a batch of src that starts at from.
func batch(src wire.Source, from int64, raw string, readAt time.Time) archive.Batch {
	b := []byte(raw)
	return archive.Batch{
		Header: wire.Header{
			Source: src, From: from, To: from + int64(len(b)), Records: wire.CountRecords(b),
			CRC: wire.Checksum(b), ReadAt: readAt,
		},
		Raw: b,
	}
}

// add writes one object and gives its key.
func (w *world) add(writer string, sealed time.Time, batches ...archive.Batch) string {
	w.t.Helper()
	g := archivetest.Group(w.t, archive.Options{
		Formats: archivetest.Formats(w.t, "httplog"), Wrapper: wrapper.Auto, Zone: parser.NewZone(time.UTC), Writer: writer, CreatedBy: "test",
	}, sealed, batches...)
	if err := w.store.Write(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	return g.Key
}

func (w *world) path(key string) string { return filepath.Join(w.dir, filepath.FromSlash(key)) }

// httplog is a line of HAProxy with the given accept date.
func httplog(at time.Time, n int) string {
	return fmt.Sprintf("203.0.113.7:40%03d [%s] www api/s1 0/0/1/%d/%d 200 %d - - ---- 1/1/0/0/0 0/0 \"GET /item/%d HTTP/1.1\"\n",
		n%1000, at.Format("02/Jan/2006:15:04:05.000"), n, n+1, 100+n, n)
}

// realLines are from a real HAProxy.
func realLines(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile("../cmd/loghaul/testdata/demo/httplog.log")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

// keys gives the keys of all objects.
func (w *world) keys() (keys []string) {
	w.t.Helper()
	if err := w.store.List(w.t.Context(), "dt=", func(i objectstore.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return keys
}
