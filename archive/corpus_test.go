package archive

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/parser"
)

const corpusDir = "../testdata/corpus"

// readCorpus reads a file of the corpus, unpacked.
func readCorpus(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the corpus of HAProxy lines: %v", err)
	}
	switch filepath.Ext(path) {
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		d, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if b, err = d.DecodeAll(b, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// corpusLogs gives all text logs of the corpus with their format, or nil.
func corpusLogs(t testing.TB) map[string]string {
	t.Helper()
	logs := map[string]string{}
	err := filepath.WalkDir(corpusDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimSuffix(d.Name(), ".gz")
		if filepath.Ext(name) == ".log" || strings.HasSuffix(name, ".octets") || strings.HasSuffix(name, ".stream") {
			logs[path] = corpusFormat(t, filepath.Dir(path), name)
		}
		return nil
	})
	if err != nil || len(logs) < 50 {
		t.Fatalf("found %d logs in %s: %v", len(logs), corpusDir, err)
	}
	return logs
}

func corpusFormat(t testing.TB, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "formats.json"))
	if err != nil {
		return "" // a case without formats of its own
	}
	var formats map[string]string
	if err := json.Unmarshal(b, &formats); err != nil {
		t.Fatal(err)
	}
	return formats[name]
}

// TestCorpus archives every file of the corpus, whatever is in it, with the
// well-known formats and its own one, and compares the bytes.
func TestCorpus(t *testing.T) {
	for path, spec := range corpusLogs(t) {
		name, _ := filepath.Rel(corpusDir, path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := readCorpus(t, path)
			formats := wellKnown(t)
			if f := otherFormat(spec, formats); f != nil {
				formats = append([]*parser.Format{f}, formats...)
			}
			e := newEncoder(t, formats...)
			o, err := e.Encode(cut(1, raw, 50_000), sealed)
			if err != nil {
				t.Fatal(err)
			}
			if o.Refused > 0 {
				t.Errorf("%d rows did not render back from the columns they were put in", o.Refused)
			}
			if got := readBack(t, o.Body); !bytes.Equal(got, raw) {
				t.Error("the object gives other bytes back")
			}
			t.Logf("%d lines, %d unparsed, %d keep their bytes", o.Lines, o.Unparsed, o.RawKept)
		})
	}
}

// otherFormat compiles spec unless it is one of known or does not compile.
func otherFormat(spec string, known []*parser.Format) *parser.Format {
	for _, f := range known {
		if f.Spec() == spec {
			return nil
		}
	}
	f, err := parser.Compile(spec)
	if spec == "" || err != nil {
		return nil
	}
	return f
}
