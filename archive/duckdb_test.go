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

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

var update = flag.Bool("update", false, "rewrite the generated files")

const macroFile = "../deploy/sql/duckdb.sql"

// TestSQLIsFresh fails when deploy/sql is not what the columns and the formats
// say; `go generate ./archive` writes it.
func TestSQLIsFresh(t *testing.T) {
	for file, generate := range map[string]func([]*parser.Format) (string, error){
		macroFile:                 DuckDBMacros,
		"../deploy/sql/trino.sql": TrinoTables,
		"../deploy/sql/spark.sql": SparkTables,
	} {
		want, err := generate(wellKnown(t))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(got), want); diff != "" {
			t.Errorf("%s is stale, run `go generate ./archive`:\n%s", file, diff)
		}
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
	raws, messages, paths := map[string][]byte{}, map[string][]byte{}, map[string]string{}
	wrapped := wrappings(t)
	for name, record := range map[string]func(stream, text string, whole bool) string{
		"cri joined": func(stream, text string, whole bool) string {
			return cri(1, stream, map[bool]string{true: "F", false: "P"}[whole], text)
		},
		"docker joined": func(stream, text string, whole bool) string { return dockerRecord(1, stream, text, whole) },
	} {
		line := long(40)
		wrapped[name] = []byte(record("stdout", line[:50], false) + record("stdout", line[50:60], false) + record("stdout", line[60:], true) +
			record("stdout", line, true) + record("stderr", "", true) + record("stderr", `a\x0Ab c`, true) + record("stderr", "no end", false))
	}
	wrapped["cri bytes"] = []byte(cri(1, "stdout", "P", "\xff\\ \x00") + cri(2, "stdout", "F", "\xc3\x80 \r") + cri(2, "stdout", "F", "\xff"))
	logs := slices.AppendSeq([]string{
		"http/httplog.log.gz", "http/httpslog.log.gz", "http/clf.log.gz", "http-asap/httplog.log", "http-asap/clf.log",
		"tcp/tcplog.log", "tcp/clf.log.gz", "tcp-asap/tcplog.log", "tcp-asap/clf.log", "default/default.log",
		"errors-legacy/error.log", "errors-format/error.log", "dates-paris-spring/httplog.log", "dates-ny-dst-fall/clf.log",
		"nasty", "v26-http/httplog.log.gz", "v26-tcp/tcplog.log", "custom/c15-conv.log", "logsteps/httplog.log",
		"wrappers/udp-rfc5424.log.gz", "wrappers/udp-rfc3164.log.gz", "nasty, raw", "masked",
	}, maps.Keys(wrapped))
	for _, log := range logs {
		raw, ok := wrapped[log]
		encode := e.Encode
		switch {
		case ok:
		case log == "masked":
			masked := cut(1, readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log"), 64<<10)
			newMasker(t, wellKnown(t), MaskOptions{Fields: map[string]string{"ci": MaskTruncate, "r": MaskHash}, Blank: true}).Mask(masked)
			for i := range masked {
				raw = append(raw, masked[i].Raw...)
			}
		case log == "nasty, raw":
			raw, encode = []byte(nasty), e.EncodeRaw
		case log == "nasty":
			raw = []byte(nasty)
		default:
			raw = readCorpus(t, filepath.Join(corpusDir, log))
		}
		o, err := encode(cut(1, raw, 64<<10), sealed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, strconv.Itoa(len(args))+".parquet")
		if err := os.WriteFile(path, o.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
		raws[log], paths[log] = raw, path
		eachRow(t, o.Body, func(row *Row) {
			messages[log] = append(messages[log], row.Message...)
			if row.Ends() {
				messages[log] = append(messages[log], '\n')
			}
		})
	}
	duck(t, args...)
	for log, path := range paths {
		for suffix, want := range map[string][]byte{".wrapped": raws[log], ".lines": messages[log]} {
			got, err := os.ReadFile(path + suffix)
			if os.IsNotExist(err) && suffix == ".lines" && path != args[2] && bytes.Equal(messages[log], raws[log]) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: DuckDB rebuilt other %s: %s", log, suffix[1:], lineDiff(got, want))
			}
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

// summary is what HAProxy's second channel says about the requests of a log.
type summary struct {
	Lines     int
	BytesSum  int64 `json:"bytes_sum"`
	ClientIPs int   `json:"distinct_client_ips"`
	Status    map[string]int
	Frontend  map[string]int
	Term      map[string]int `json:"termination"`
}

// TestDuckDBCounts compares counts with what HAProxy's second channel says
// about the same 199,706 requests.
func TestDuckDBCounts(t *testing.T) {
	var want summary
	said := readCorpus(t, corpusDir+"/httplog-200k.summary.json")
	if err := json.Unmarshal(said, &want); err != nil {
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

// TestDuckDBLabelsAndLosses has DuckDB read labels, and an object that holds
// nothing but a loss beside another one.
func TestDuckDBLabelsAndLosses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, batches ...Batch) {
		o, err := newEncoder(t, wellKnown(t)...).Encode(batches, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), o.Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := batch(1, 0, []byte(long(1)+"\n"))
	b.Header.Labels = wire.Labels{{Key: "cluster", Value: "a \"é\" \\"}, {Key: "zone", Value: ""}}
	b.Header.Source.Path = "/var/log/pods/edge_lb-0_0-1/haproxy/0.log"
	write("lines.parquet", b, batch(2, 0, []byte("x\n")))
	write("losses.parquet", lost(3, 0, 10, 0, "truncated"))
	const none = `[]`
	for pattern, want := range map[string]string{
		"*.parquet":      `[["a \"é\" \\","","edge","lb-0","haproxy",null],[null,null,null,null,null,null]]`,
		"losses.parquet": none,
	} {
		var got, wanted any
		if err := json.Unmarshal(duck(t, "labels", macroFile, filepath.Join(dir, pattern)), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, d)
		}
	}
}
