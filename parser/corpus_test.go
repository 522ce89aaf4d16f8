package parser

import (
	"bufio"
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
)

const corpusDir = "../testdata/corpus"

// corpusFile is one file of lines with HAProxy's own account of each line.
type corpusFile struct {
	name, spec string
	lines      [][]byte
	truth      []truth
}

// truth is one record of the corpus, see its README.
type truth map[string]any

// corpusFiles reads every file whose format is known, in order, with the truth if that is asked for.
func corpusFiles(t testing.TB, withTruth bool) []corpusFile {
	t.Helper()
	truths := make(map[string][]truth)
	specs, err := filepath.Glob(corpusDir + "/*/formats.json")
	if err != nil || len(specs) == 0 {
		t.Fatalf("no corpus in %s: %v", corpusDir, err)
	}
	var files []corpusFile
	for _, path := range specs {
		var formats map[string]string
		if err := json.Unmarshal(readFile(t, path), &formats); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for log, spec := range formats {
			f := readLines(t, filepath.Join(filepath.Dir(path), log), spec)
			if withTruth {
				from := truthFile(filepath.Join(filepath.Dir(path), log))
				if truths[from] == nil {
					truths[from] = readTruth(t, from)
				}
				f.truth = truths[from]
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b corpusFile) int { return strings.Compare(a.name, b.name) })
	return files
}

func readLines(t testing.TB, path, spec string) corpusFile {
	t.Helper()
	f := corpusFile{name: strings.TrimPrefix(path, corpusDir+"/"), spec: spec}
	for line := range bytes.Lines(readFile(t, path)) {
		f.lines = append(f.lines, bytes.TrimSuffix(line, []byte("\n")))
	}
	return f
}

// truthFile is where the truth of a log is: in a file of its own, or in that of its folder.
func truthFile(log string) string {
	own := strings.TrimSuffix(log, ".log") + ".truth.jsonl"
	for _, p := range []string{own, own + ".gz"} {
		if _, err := os.Stat(p); err == nil {
			return own
		}
	}
	return filepath.Join(filepath.Dir(log), "truth.jsonl")
}

func readTruth(t testing.TB, path string) (all []truth) {
	t.Helper()
	sc := bufio.NewScanner(bytes.NewReader(readFile(t, path)))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var rec truth
		d := json.NewDecoder(bytes.NewReader(sc.Bytes()))
		d.UseNumber()
		if err := d.Decode(&rec); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if strings.Contains(path, "v26-http-asap") {
			rec["_asap"] = true // as its haproxy.cfg says
		}
		rec["_cut"] = strings.Contains(path, "trunc")
		all = append(all, rec)
	}
	return all
}

// readFile reads path, or path.gz.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		return data
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	packed, err := os.Open(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err = io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// score counts the records of a file by what came of them.
type score struct {
	exact   int // every field as HAProxy says
	dash    int // the same, but a field printed "-" which may stand for no value or for "-"
	unsure  int // the fields that are told are right, some others are named unsure
	refused int // not parsed
	other   int // rightly not parsed: an event, or a connection error that HAProxy prints without the format
	wrong   int
}

// TestCorpus compares every field of every record with what HAProxy said it is. A value may be called unsure; it must
// not be wrong.
func TestCorpus(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-36s %6s %6s %6s %6s %7s %5s\n", "file", "exact", "other", "dash", "unsure", "refused", "wrong")
	for _, file := range corpusFiles(t, true) {
		f, err := Compile(file.spec)
		if err != nil {
			t.Fatalf("%s: %v", file.name, err)
		}
		s := scoreFile(t, f, &file)
		fmt.Fprintf(&table, "%-36s %6d %6d %6d %6d %7d %5d\n", file.name, s.exact, s.other, s.dash, s.unsure, s.refused, s.wrong)
		if s.wrong > 0 {
			t.Errorf("%s: %d records wrong", file.name, s.wrong)
		}
	}
	t.Log("\n" + table.String())
}

// TestCorpusLegacy compares the lines that HAProxy writes where no log-format applies.
func TestCorpusLegacy(t *testing.T) {
	f := mustCompile(t, "error")
	path := corpusDir + "/errors-legacy/error.log"
	file, all := readLines(t, path, f.Spec()), readTruth(t, truthFile(path))
	var r Record
	matched := 0
	for i, line := range file.lines {
		want, isLegacy := all[i].text("_legacy")
		if f.Parse(line, &r) != isLegacy {
			t.Fatalf("%d: match is not %v: %q", i+1, isLegacy, line)
		}
		if !isLegacy {
			continue
		}
		matched++
		if _, _, bad := compareRecord(f, &r, all[i]); bad != "" || string(r.Values[4].Text) != want {
			t.Errorf("%d: %s, bind %q\n%q", i+1, bad, r.Values[4].Text, line)
		}
	}
	if matched == 0 {
		t.Error("no line matched")
	}

	f = mustCompile(t, "default")
	path = corpusDir + "/default/default.log"
	file, all = readLines(t, path, f.Spec()), readTruth(t, truthFile(path))
	for i, line := range file.lines {
		if !f.Parse(line, &r) {
			t.Fatalf("%d: no match: %q", i+1, line)
		}
		if all[i]["unix"] == true {
			all[i]["src"] = "unix" // and the port is the number of the listener
			all[i]["sport"] = strconv.FormatInt(r.Values[1].Int, 10)
			all[i]["dport"] = "0"
		}
		want := make([]string, 0, 6)
		for _, key := range []string{"src", "sport", "dst", "dport", "fe", "mode"} {
			text, _ := all[i].text(key)
			want = append(want, text)
		}
		v := r.Values
		got := []string{string(v[0].Text), strconv.FormatInt(v[1].Int, 10), string(v[2].Text), strconv.FormatInt(v[3].Int, 10), string(v[4].Text), string(v[5].Text)}
		if !slices.Equal(got, want) {
			t.Errorf("%d: got %q, want %q", i+1, got, want)
		}
	}
}

func scoreFile(t *testing.T, f *Format, file *corpusFile) (s score) {
	t.Helper()
	if len(file.lines) != len(file.truth) {
		t.Fatalf("%s: %d lines, %d truths", file.name, len(file.lines), len(file.truth))
	}
	var r Record
	var out []byte
	set := NewSet(f)
	for i, line := range file.lines {
		if set.Parse(line, &r) < 0 {
			if strings.HasPrefix(file.name, "trunc/") {
				continue // TestCorpusCut
			}
			if truth := file.truth[i]; truth["_kind"] != "traffic" || truth["_legacy"] != nil {
				s.other++
				continue
			}
			s.refused++
			if testing.Verbose() && s.refused <= 3 {
				t.Logf("%s:%d refused: %q", file.name, i+1, line)
			}
			continue
		}
		if out = f.Append(out[:0], &r); !bytes.Equal(out, line) {
			t.Errorf("%s:%d rendered\n%q, want\n%q", file.name, i+1, out, line)
		}
		if got := renderStored(f, &r); !bytes.Equal(got, line) && r.Exact() {
			t.Errorf("%s:%d rendered from values alone\n%q, want\n%q", file.name, i+1, got, line)
		}
		dash, unsure, bad := compareRecord(f, &r, file.truth[i])
		switch {
		case bad != "":
			s.wrong++
			if s.wrong <= 5 {
				t.Errorf("%s:%d %s\n%q", file.name, i+1, bad, line)
			}
		case unsure:
			s.unsure++
		case dash:
			s.dash++
		default:
			s.exact++
		}
	}
	return s
}

// renderStored renders r as somebody would who stored its values.
func renderStored(f *Format, r *Record) []byte {
	var stored Record
	stored.Reset(f)
	for i, v := range r.Values {
		if v.State&Present != 0 {
			stored.Values[i] = v
		}
	}
	stored.Lone = r.Lone
	return f.Append(nil, &stored)
}

func compareRecord(f *Format, r *Record, want truth) (dash, unsure bool, bad string) {
	for i := range f.Fields() {
		field, v := &f.Fields()[i], &r.Values[i]
		if v.State&Unsure != 0 {
			if string(v.Text) == "-" {
				dash = true
			} else {
				unsure = true
			}
			continue
		}
		if msg := compareField(field, v, want, f.encoding != encNone || strings.Contains(f.spec, "+json")); msg != "" {
			return dash, unsure, "%" + field.Name + ": " + msg
		}
	}
	return dash, unsure, ""
}

// compareField says how v differs from the truth, or nothing.
func compareField(field *Field, v *Value, want truth, encoded bool) string {
	switch field.Kind {
	case KindInt:
		number, ok := want.number(field.Alias)
		if !ok {
			if field.Alias == "rt" || v.State&Present == 0 {
				return "" // the counter is left out of some records
			}
			return fmt.Sprintf("got %d, want none", v.Int)
		}
		if v.State&Present == 0 || v.Int != number {
			return fmt.Sprintf("got %d (state %b), want %d", v.Int, v.State, number)
		}
		if plus := v.State&Plus != 0; plus != (want.plus(field.Alias) && !encoded) {
			return fmt.Sprintf("plus %v", plus)
		}
	case KindDate:
		text, ok := want.text(field.Alias)
		if !ok {
			return "" // not in the truth of 2.6
		}
		var d dateCache
		if got := d.print(v, field.zoned); string(got) != text {
			return fmt.Sprintf("got %q, want %q", got, text)
		}
	default:
		if field.Alias == "bind" || field.Alias == "message" {
			return "" // not in the truth
		}
		text, ok := want.expected(field)
		if !ok && v.State&Present != 0 && len(v.Text) > 0 {
			return fmt.Sprintf("got %q, want none", v.Text)
		}
		if field.Alias == "hrl" || field.Alias == "hsl" {
			// An absent header prints "-" unless +Q.
			key := map[string]string{"hrl": "cap_req_x", "hsl": "cap_res_x"}[field.Alias]
			if dashes, _ := want.headers(key, "-"); string(v.Text) == dashes {
				text = dashes
			}
		}
		if want["_cut"] == true && field.Kind == KindList && strings.TrimRight(text, "|") == strings.TrimRight(string(v.Text), "|") {
			return "" // these records name more headers than there are
		}
		if ok && string(v.Text) != text && (text != "" || v.State&Present != 0) {
			return fmt.Sprintf("got %q, want %q", v.Text, text)
		}
		if field.Kind == KindList && ok && v.State&Present != 0 && int(v.Int) != 1+strings.Count(text, "|") {
			return fmt.Sprintf("%d items, want %q", v.Int, text)
		}
		if field.Kind == KindAddr && v.State&Present != 0 && text != "unix" && v.Addr().String() != text {
			return fmt.Sprintf("address %v, want %q", v.Addr(), text)
		}
	}
	return ""
}

func (w truth) number(key string) (int64, bool) {
	n, ok := w[key].(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

func (w truth) plus(alias string) bool {
	switch alias {
	case "rc":
		return w["redisp"] == true
	case "Ta", "Tt", "Tu", "B":
		return w["_asap"] == true
	default:
		return false
	}
}

func (w truth) text(key string) (string, bool) { return decodeTruth(w[key]) }

func decodeTruth(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case map[string]any:
		return unhex(v["hex"])
	default:
		return "", false
	}
}

func unhex(v any) (string, bool) {
	s, ok := v.(string)
	if !ok {
		return "", false
	}
	b, err := hex.DecodeString(s)
	return string(b), err == nil
}

// expected returns the text of a field, and whether HAProxy has a value.
func (w truth) expected(field *Field) (string, bool) {
	switch field.Alias {
	case "":
		return w.expression(field.Expr)
	case "hr", "hrl":
		return w.headers("cap_req_x", "")
	case "hs", "hsl":
		return w.headers("cap_res_x", "")
	case "r":
		if text, ok := w.text("r"); ok {
			return text, true
		}
		if w["HM"] == "<BADREQ>" {
			return "<BADREQ>", true
		}
		method, _ := w.text("HM")
		uri, _ := w.text("HU")
		version, _ := w.text("HV")
		return method + " " + uri + " " + version, true
	case "ts":
		if _, ok := w["ts"]; !ok {
			return w.text("state")
		}
	}
	return w.text(field.Alias)
}

// headers rebuilds what a list prints from the captured bytes, joined with '|'.
func (w truth) headers(key, absent string) (string, bool) {
	list, ok := w[key].([]any)
	if !ok {
		return "", false
	}
	items := make([]string, len(list))
	for i, v := range list {
		if v == nil {
			items[i] = absent
			continue
		}
		raw, _ := unhex(v)
		var b strings.Builder
		for _, c := range []byte(raw) {
			if c < 32 || c >= 127 || strings.IndexByte(`"#{|}`, c) >= 0 {
				fmt.Fprintf(&b, "#%02X", c)
			} else {
				b.WriteByte(c)
			}
		}
		items[i] = b.String()
	}
	return strings.Join(items, "|"), true
}

func (w truth) expression(expr string) (string, bool) {
	var key string
	switch expr {
	case "capture.req.hdr(0)", "capture.req.hdr(1)", "capture.req.hdr(2)", "capture.req.hdr(3)", "capture.req.hdr(4)":
		return w.captured("cap_req_x", expr)
	case "capture.res.hdr(2)":
		return w.captured("cap_res_x", expr)
	case "fc_err", "ssl_c_err", "ssl_c_ca_err", "fc_err_str":
		key = expr
	case "ssl_fc_err,hex":
		key = "ssl_fc_err"
	case "ssl_fc_is_resumed":
		switch w["resumed"] {
		case true, "1":
			return "1", true
		default:
			return "0", true
		}
	case "txn.redispatched":
		if w["redisp"] == nil {
			return "", false
		}
		return fmt.Sprint(w["redisp"]), true
	case "ssl_fc_sni":
		return unhex(w["sni_x"])
	case "src,ipmask(24)":
		key = "x_net"
	case "capture.req.hdr(1),base64":
		key = "x_b64"
	case "capture.req.uri,sha1,hex":
		key = "x_sha"
	case "capture.req.hdr(0),lower":
		return unhex(w["x_low_x"])
	case "capture.req.uri,length":
		key = "x_len"
	case "capture.req.uri,url_dec,hex":
		key = "x_pdec"
	case "capture.req.hdr(1),hex":
		key = "x_uahex"
	default:
		panic("the test does not know %[" + expr + "]")
	}
	return w.text(key)
}

func (w truth) captured(key, expr string) (string, bool) {
	list, _ := w[key].([]any)
	i, err := strconv.Atoi(expr[len(expr)-2 : len(expr)-1])
	if err != nil || i >= len(list) {
		return "", false
	}
	return unhex(list[i])
}
