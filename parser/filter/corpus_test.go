package filter_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

const corpusDir = "../../testdata/corpus"

// corpusFile is one file of lines that HAProxy wrote, with its own account of each.
type corpusFile struct {
	name, spec string
	lines      [][]byte
	truth      []map[string]any
}

// readFile reads path, or path.gz.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		return data
	}
	packed, openErr := os.Open(path + ".gz")
	if !errors.Is(err, fs.ErrNotExist) || openErr != nil {
		t.Fatal(err, openErr)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return data
}

// corpusFiles reads the files whose format is known, and of each one line in four.
func corpusFiles(t testing.TB, want func(name string) bool) (files []corpusFile) {
	t.Helper()
	paths, err := filepath.Glob(corpusDir + "/*/formats.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus in %s: %v", corpusDir, err)
	}
	truths := map[string][]map[string]any{}
	for _, path := range paths {
		var formats map[string]string
		if err := json.Unmarshal(readFile(t, path), &formats); err != nil {
			t.Fatal(err)
		}
		for log, spec := range formats {
			log = filepath.Join(filepath.Dir(path), log)
			f := corpusFile{name: strings.TrimPrefix(log, corpusDir+"/"), spec: spec}
			if !want(f.name) {
				continue
			}
			for i, line := range bytes.Split(readFile(t, log), []byte("\n")) {
				if i%4 == 0 && len(line) > 0 {
					f.lines = append(f.lines, line)
				}
			}
			own := strings.TrimSuffix(log, ".log") + ".truth.jsonl"
			if found, err := filepath.Glob(own + "*"); err != nil || len(found) == 0 {
				own = filepath.Join(filepath.Dir(log), "truth.jsonl")
			}
			if truths[own] == nil {
				truths[own] = readTruth(t, own)
			}
			f.truth = truths[own]
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b corpusFile) int { return strings.Compare(a.name, b.name) })
	return files
}

func readTruth(t testing.TB, path string) (all []map[string]any) {
	t.Helper()
	for i, line := range bytes.Split(readFile(t, path), []byte("\n")) {
		if i%4 > 0 || len(line) == 0 {
			continue
		}
		var rec map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&rec); err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
	return all
}

// truthOf gives what HAProxy says about a field, as the text that it prints.
func truthOf(rec map[string]any, alias string) (string, bool) {
	switch {
	case alias == "r" && rec["r"] == nil:
		if rec["HM"] == "<BADREQ>" {
			return "<BADREQ>", true
		}
		method, ok := truthOf(rec, "HM")
		uri, _ := truthOf(rec, "HU")
		version, _ := truthOf(rec, "HV")
		return method + " " + uri + " " + version, ok
	case alias == "ts" && rec["ts"] == nil:
		alias = "state"
	}
	switch v := rec[alias].(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case map[string]any:
		text, _ := v["hex"].(string)
		b, err := hex.DecodeString(text)
		return string(b), err == nil
	}
	return "", false
}

// quoted writes a value of the language that stands for exactly text.
func quoted(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return `"` + b.String() + `"`
}

// TestCorpus asks for values of many fields in every file of lines that HAProxy wrote, and compares what is selected with
// HAProxy's own account. A line may be left out only if the parser says that it leaves the field open.
func TestCorpus(t *testing.T) {
	aliases := strings.Fields("ci f ft b s CC CS tsc ts HM HU HPO HQ HV r ID OG H sslv sslc " +
		"cp TR Tw Tc Tr Ta Tt Th Ti Tq Td Tu ST B U ac fc bc sc rc sq bq pid ms Ts")
	selected, open := map[string]int{}, map[string]int{}
	for _, file := range corpusFiles(t, func(string) bool { return true }) {
		if len(file.lines) != len(file.truth) {
			t.Fatalf("%s: %d lines, %d truths", file.name, len(file.lines), len(file.truth))
		}
		format, err := parser.Compile(file.spec)
		if err != nil {
			t.Fatal(err)
		}
		type question struct {
			alias, value string
			yes, no      *filter.Matcher
		}
		var questions []question
		for _, field := range format.Fields() {
			if !slices.Contains(aliases, field.Alias) || slices.ContainsFunc(questions, func(q question) bool { return q.alias == field.Alias }) {
				continue
			}
			if field.Alias == "ft" && slices.ContainsFunc(format.Fields(), func(x parser.Field) bool { return x.Alias == "f" }) {
				continue // the archive's column is that of another field
			}
			seen := map[string]bool{}
			for i := 0; i < len(file.truth) && len(seen) < 6; i += 1 + i/8 {
				value, ok := truthOf(file.truth[i], field.Alias)
				if !ok || seen[value] || value == "" || field.Alias != "r" && value == "<BADREQ>" && file.name != "custom/c04-tabs.log" {
					// %r has no parts then, and where a format has it, it fills the columns of its parts.
					continue
				}
				seen[value] = true
				text := field.Alias + "=" + quoted(value)
				questions = append(questions, question{field.Alias, value, parse(t, text).Matcher(), parse(t, "not "+text).Matcher()})
			}
		}
		set := parser.NewSet(format)
		var r parser.Record
		for i, line := range file.lines {
			l := filter.Line{Raw: line}
			if set.Parse(line, &r) >= 0 || set.ParseCut(line, &r) >= 0 {
				l.Record = &r
			}
			for _, q := range questions {
				got := q.yes.Match(&l)
				if got == q.no.Match(&l) {
					t.Fatalf("%s:%d %s=%q and its opposite say the same\n%q", file.name, i+1, q.alias, q.value, line)
				}
				value, ok := truthOf(file.truth[i], q.alias)
				want := ok && value == q.value
				switch {
				case got && want:
					selected[q.alias]++
				case want && (l.Record == nil || r.Truncated || leftOpen(&r, q.alias)):
					open[q.alias]++
				case got != want:
					t.Fatalf("%s:%d %s=%q: %v, HAProxy says %q\n%q", file.name, i+1, q.alias, q.value, got, value, line)
				}
			}
		}
	}
	for _, alias := range aliases {
		if selected[alias] == 0 {
			t.Errorf("%s: nothing selected", alias)
		}
		if open[alias] > selected[alias]/2 {
			t.Errorf("%s: %d lines selected, %d left open", alias, selected[alias], open[alias])
		}
	}
}

// leftOpen reports whether a record says that nothing is known of a field.
func leftOpen(r *parser.Record, alias string) bool {
	for i, field := range r.Format.Fields() {
		if field.Alias == alias {
			return r.Values[i].State&parser.Unsure != 0
		}
	}
	return false
}

// TestCorpusHeaders does the same for captured headers, by slot and by name, where the format knows what is captured.
func TestCorpusHeaders(t *testing.T) {
	captures := &parser.Captures{Request: []string{"Host", "User-Agent", "X-Req", "Cookie2"}, Response: []string{"Server", "Content-Type", "X-Res"}}
	logs := []string{"http/httplog.log", "http/clf.log", "http/escaped.log", "http/json.log"}
	known := map[string]*filter.Matcher{}
	for _, file := range corpusFiles(t, func(name string) bool { return slices.Contains(logs, name) }) {
		log := file.name
		format, err := parser.CompileWith(file.spec, parser.Options{Captures: captures})
		if err != nil {
			t.Fatal(err)
		}
		matches := func(text string, r *parser.Record) bool {
			if known[text] == nil {
				known[text] = parse(t, text).Matcher()
			}
			return known[text].Match(&filter.Line{Record: r})
		}
		var r parser.Record
		selected := 0
		for i, line := range file.lines {
			if !format.Parse(line, &r) {
				continue
			}
			for side, key := range map[string]string{"req.": "cap_req_x", "res.": "cap_res_x"} {
				items, _ := file.truth[i][key].([]any)
				names := captures.Request
				if side == "res." {
					names = captures.Response
				}
				for slot, item := range items {
					text, _ := item.(string)
					b, err := hex.DecodeString(text)
					if err != nil || slot >= len(names) {
						continue
					}
					printed := printHeader(b)
					for _, name := range []string{side + strconv.Itoa(slot+1), side + strings.ToUpper(names[slot])} {
						if printed == "" || printed == "-" {
							if matches(name+"=*", &r) || !matches(name+"!=x", &r) {
								t.Fatalf("%s:%d %s=* selects a line without it\n%q", log, i+1, name, line)
							}
							continue
						}
						selected++
						if !matches(name+"="+quoted(printed), &r) || matches(name+"="+quoted(printed+"x"), &r) || matches(name+"!=*", &r) {
							t.Fatalf("%s:%d %s=%q\n%q", log, i+1, name, printed, line)
						}
						list := map[string]string{"req.": "hr", "res.": "hs"}[side]
						if !matches(list+"~"+quoted(printed), &r) || !matches("headers="+quoted(printed), &r) {
							t.Fatalf("%s:%d %s~%q\n%q", log, i+1, list, printed, line)
						}
					}
				}
			}
		}
		if selected < 100 {
			t.Errorf("%s: only %d headers", log, selected)
		}
	}
}

// printHeader gives a captured header as HAProxy prints it.
func printHeader(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		if c < 32 || c >= 127 || strings.IndexByte(`"#{|}`, c) >= 0 {
			fmt.Fprintf(&b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
