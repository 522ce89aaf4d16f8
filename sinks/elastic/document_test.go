package elastic

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documents gives the documents of the rows of a group, one per line.
func documents(t testing.TB, body []byte, d *Documents) []byte {
	t.Helper()
	r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	if err := r.Rows(func(row *archive.Row) error {
		if doc, ok := d.Append(b, row, "KEY"); ok {
			b = append(doc, '\n')
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDocumentGolden shows the documents of lines that HAProxy wrote.
func TestDocumentGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/lines.log")
	if err != nil {
		t.Fatal(err)
	}
	formats := append(parser.WellKnown(), `%ci %HM %HU %ST %{+Q}[var(txn.id)] %[var(a.b)] %[var(a_b)] %Tt %Ta %sslv`)
	var got bytes.Buffer
	for line := range bytes.Lines(documents(t, group(t, 1, raw, formats...).Body, &Documents{})) {
		if err := json.Indent(&got, line, "", " "); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	const golden = "testdata/documents.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil { //nolint:gosec // no secret
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("run with -update if this is right (-want +got):\n%s", diff)
	}
}

// perFile bounds the lines taken of each file of the corpus, spread over it:
// the parser's own tests read them all.
const perFile = 250

func sample(raw []byte) []byte {
	every := 1 + bytes.Count(raw, []byte{'\n'})/perFile
	var out []byte
	i := 0
	for line := range bytes.Lines(raw) {
		if i%every == 0 {
			out = append(out, line...)
		}
		i++
	}
	return out
}

// corpus calls fn for each file of real lines, with its formats.
func corpus(t testing.TB, fn func(name string, raw []byte, formats []string)) {
	t.Helper()
	dir := filepath.Join(testenv.Root(t), "testdata", "corpus")
	specs, err := filepath.Glob(dir + "/*/formats.json")
	if err != nil || len(specs) == 0 {
		t.Fatalf("no corpus in %s: %v", dir, err)
	}
	for _, spec := range specs {
		b, err := os.ReadFile(spec)
		if err != nil {
			t.Fatal(err)
		}
		var formats map[string]string
		if err := json.Unmarshal(b, &formats); err != nil {
			t.Fatal(err)
		}
		for file, format := range formats {
			path := filepath.Join(filepath.Dir(spec), file)
			raw, err := os.ReadFile(path)
			if err != nil {
				raw = gunzip(t, path+".gz")
			}
			if len(raw) == 0 {
				continue
			}
			rest := slices.DeleteFunc(parser.WellKnown(), func(n string) bool {
				f, err := parser.Compile(n)
				return err != nil || f.Spec() == format
			})
			fn(strings.TrimPrefix(path, dir+"/"), sample(raw), append([]string{format}, rest...))
		}
	}
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDocumentsOfTheCorpusAreSound checks what Elasticsearch is strict about:
// JSON, UTF-8, and no name twice.
func TestDocumentsOfTheCorpusAreSound(t *testing.T) {
	n := 0
	corpus(t, func(name string, raw []byte, formats []string) {
		f, err := parser.Compile(formats[0])
		if err != nil {
			return // not a format of this version of the parser
		}
		var d Documents
		var r parser.Record
		row := archive.Row{Source: wire.Source{ID: "id", Node: "n", Path: "p"}}
		for line := range bytes.Lines(raw) {
			row.Index++
			row.Raw, row.Record = bytes.TrimSuffix(line, []byte("\n")), nil
			row.Message = row.Raw
			row.Labels = []byte(`{"ci":"x","cluster":"a\"","txn_id":"y"}`)
			if f.Parse(row.Raw, &r) {
				row.Record, row.Format = &r, f.Name()
			}
			doc, _ := d.Append(nil, &row, "key")
			if err := sound(doc); err != nil {
				t.Errorf("%s line %d: %v\n%s", name, row.Index, err, doc)
				return
			}
			n++
		}
	})
	if n < 1000 {
		t.Errorf("only %d lines were checked", n)
	}
}

func sound(doc []byte) error {
	if !utf8.Valid(doc) || bytes.IndexByte(doc, '\n') >= 0 {
		return fmt.Errorf("not UTF-8, or it has a line feed")
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	if _, err := dec.Token(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string)
		for parent := key; parent != ""; {
			if seen[parent] {
				return fmt.Errorf("%s is given twice, or as an object and a value", key)
			}
			i := strings.LastIndexByte(parent, '.')
			parent = parent[:max(i, 0)]
		}
		seen[key] = true
		var value any
		if err := dec.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

// TestTheCorpusFitsTheTemplate sends every real line to a real server, which
// may reject none.
func TestTheCorpusFitsTheTemplate(t *testing.T) {
	r := run(t, testConfig(servers.Elastic(t).URL, "corpus"))
	source, total := 1, 0
	corpus(t, func(_ string, raw []byte, formats []string) {
		if _, err := parser.Compile(formats[0]); err != nil {
			formats = formats[1:]
		}
		g := group(t, source, raw, formats...)
		if !r.Offer(g) {
			t.Fatal("the queue is full")
		}
		source, total = source+1, total+g.Lines
	})
	r.settled()
	if n := r.documents("indexed"); n != total || total < 1000 {
		t.Errorf("%d of %d lines are indexed", n, total)
	}
}

func TestNoMessage(t *testing.T) {
	g := group(t, 1, lines(1))
	if doc := documents(t, g.Body, &Documents{NoMessage: true}); bytes.Contains(doc, []byte(`"message"`)) {
		t.Errorf("the document has the line: %s", doc)
	}
	if doc := documents(t, g.Body, &Documents{Namespace: "prod"}); !bytes.Contains(doc, []byte(`"data_stream.namespace":"prod"`)) {
		t.Errorf("the document lacks the namespace: %s", doc)
	}
}

func FuzzEscaped(f *testing.F) {
	for _, s := range []string{"plain", "\"\\\x00\x1f\x7f\t\n", "ü日\U0001f600", "\xff\xc3", "\xed\xa0\x80", "\u2028", "1234567\"", "12345678\x1f", "\x80234567", "a\x80\"b\\c\x01 12", "!!!!!!!!", "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, []byte(s))
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q becomes %s: %v", s, b, err)
		}
		if want := string([]rune(s)); got != want { // each bad byte becomes U+FFFD
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	})
}

// BenchmarkDocuments makes documents of lines of httplog.
func BenchmarkDocuments(b *testing.B) {
	g := group(b, 1, lines(1000))
	r, err := archive.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
	if err != nil {
		b.Fatal(err)
	}
	var rows []archive.Row
	if err := r.Rows(func(row *archive.Row) error {
		c := *row
		c.Raw, c.Message = bytes.Clone(row.Raw), bytes.Clone(row.Message)
		rec := &parser.Record{Format: row.Record.Format, Values: slices.Clone(row.Record.Values)}
		for i := range rec.Values {
			rec.Values[i].Text = bytes.Clone(rec.Values[i].Text)
		}
		c.Record = rec
		rows = append(rows, c)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		d    Documents
	}{{"plain", Documents{}}, {"no message", Documents{NoMessage: true}}} {
		b.Run(c.name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			i, start := 0, cpuTime(b)
			for b.Loop() {
				buf, _ = c.d.Append(buf[:0], &rows[i], g.Key)
				if i++; i == len(rows) {
					i = 0
				}
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
			b.SetBytes(int64(len(buf)))
		})
	}
}

// cpuTime is that of this process: other processes may share the machine.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
