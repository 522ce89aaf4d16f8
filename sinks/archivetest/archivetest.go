// Package archivetest makes objects of the archive for tests.
package archivetest

import (
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks"
)

// Formats compiles formats.
func Formats(t testing.TB, specs ...string) (formats []*parser.Format) {
	t.Helper()
	for _, spec := range specs {
		f, err := parser.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, f)
	}
	return formats
}

// Group encodes batches into an object that is ready to be stored.
func Group(t testing.TB, o archive.Options, sealed time.Time, batches ...archive.Batch) *sinks.Group {
	t.Helper()
	e, err := archive.NewEncoder(o)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := e.Encode(batches, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return &sinks.Group{Key: obj.Key, Body: obj.Body, SHA256: obj.SHA256, Lines: obj.Lines, RawBytes: obj.RawBytes}
}
