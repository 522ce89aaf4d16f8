package archive

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated files")

const macroFile = "../deploy/sql/duckdb.sql"

// TestDuckDBMacrosAreFresh fails when deploy/sql/duckdb.sql is not what the
// formats say; `go generate ./archive` writes it.
func TestDuckDBMacrosAreFresh(t *testing.T) {
	want, err := DuckDBMacros(wellKnown(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(macroFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(macroFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale, run `go generate ./archive`:\n%s", macroFile, diff)
	}
}

// python gives the interpreter that has DuckDB, a reader with no line of code
// in common with the writer or with parquet-go.
func python(t *testing.T) string {
	t.Helper()
	tools := os.Getenv("LOGHAUL_TOOLS")
	if tools == "" {
		tools = "../.cache/tools"
	}
	path, err := filepath.Abs(filepath.Join(tools, "venv/bin/python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no Python with DuckDB: run `make tools`: %v", err)
	}
	return path
}

// duck runs testdata/query.py over objects and gives what it prints.
func duck(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python(t), append([]string{"testdata/query.py"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("DuckDB: %v\n%s", err, stderr.Bytes())
	}
	return out
}

// TestDuckDBLines has DuckDB rebuild the raw lines of real logs.
func TestDuckDBLines(t *testing.T) {
	e := newEncoder(t, wellKnown(t)...)
	dir, args := t.TempDir(), []string{"lines", macroFile}
	want, lines := map[string][]byte{}, map[string]string{}
	wrapped := wrappings(t)
	logs := slices.AppendSeq([]string{
		"http/httplog.log.gz", "http/httpslog.log.gz", "http/clf.log.gz", "http-asap/httplog.log", "http-asap/clf.log",
		"tcp/tcplog.log", "tcp/clf.log.gz", "tcp-asap/tcplog.log", "tcp-asap/clf.log", "default/default.log",
		"errors-legacy/error.log", "errors-format/error.log", "dates-paris-spring/httplog.log", "dates-ny-dst-fall/clf.log",
		"nasty", "v26-http/httplog.log.gz", "v26-tcp/tcplog.log", "custom/c15-conv.log", "logsteps/httplog.log",
		"wrappers/udp-rfc5424.log.gz", "wrappers/udp-rfc3164.log.gz",
	}, maps.Keys(wrapped))
	for _, log := range logs {
		raw, ok := wrapped[log]
		switch {
		case ok:
		case log == "nasty":
			raw = []byte(nasty)
		default:
			raw = readCorpus(t, filepath.Join(corpusDir, log))
		}
		o, err := e.Encode(cut(1, raw, 64<<10), sealed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, strconv.Itoa(len(args))+".parquet")
		if err := os.WriteFile(path, o.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
		want[log] = raw
		lines[log] = path + ".lines"
	}
	duck(t, args...)
	for log, raw := range want {
		got, err := os.ReadFile(lines[log])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, raw) {
			t.Errorf("%s: DuckDB rebuilt other lines: %s", log, lineDiff(got, raw))
		}
	}
}

func lineDiff(got, want []byte) string {
	for len(want) > 0 {
		var a, b []byte
		a, got, _ = nextRecord(got)
		b, want, _ = nextRecord(want)
		if !bytes.Equal(a, b) {
			return "\n got " + string(a) + "\nwant " + string(b)
		}
	}
	return "more lines than there were"
}

// TestDuckDBCounts compares counts with what HAProxy's second channel says
// about the same 199,706 requests.
func TestDuckDBCounts(t *testing.T) {
	var want struct {
		Lines     int
		BytesSum  int64 `json:"bytes_sum"`
		ClientIPs int   `json:"distinct_client_ips"`
		Status    map[string]int
		Frontend  map[string]int
		Term      map[string]int `json:"termination"`
	}
	summary := readCorpus(t, corpusDir+"/httplog-200k.summary.json")
	if err := json.Unmarshal(summary, &want); err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, wellKnown(t)...)
	dir := t.TempDir()
	batches := cut(1, readCorpus(t, corpusDir+"/httplog-200k.log.zst"), 1<<20)
	for _, part := range [][]Batch{batches[:len(batches)/2], batches[len(batches)/2:]} {
		o, err := e.Encode(part, sealed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, o.Key)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, o.Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := want
	got.Status, got.Frontend, got.Term = nil, nil, nil
	if err := json.Unmarshal(duck(t, "counts", macroFile, dir+"/*/*/*.parquet"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HAProxy's summary (-), DuckDB over the archive (+):\n%s", diff)
	}
}
