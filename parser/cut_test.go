package parser

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestCorpusCut compares what is read of lines that HAProxy cut with the truth, which is not cut.
func TestCorpusCut(t *testing.T) {
	cut := 0
	for _, file := range corpusFiles(t, true) {
		if !strings.HasPrefix(file.name, "trunc/") {
			continue
		}
		f := mustCompile(t, file.spec)
		var r Record
		fields := 0
		for i, line := range file.lines {
			if f.Parse(line, &r) {
				continue
			}
			if file.truth[i]["_kind"] != "traffic" {
				continue
			}
			cut++
			if !f.ParseCut(line, &r) {
				t.Errorf("%s:%d refused: %q", file.name, i+1, line)
				continue
			}
			if !r.Truncated || r.Exact() {
				t.Errorf("%s:%d is not marked: %q", file.name, i+1, line)
			}
			fields += checkCut(t, f, &r, file.truth[i], fmt.Sprintf("%s:%d", file.name, i+1))
		}
		t.Logf("%s: %d fields of cut lines", file.name, fields)
	}
	if cut < 300 {
		t.Errorf("%d cut lines", cut)
	}
}

// checkCut compares the fields that are present, and counts them.
func checkCut(t *testing.T, f *Format, r *Record, want truth, where string) (fields int) {
	t.Helper()
	for i := range f.fields {
		v := &r.Values[i]
		if v.State&Present == 0 {
			continue
		}
		fields++
		if msg := compareField(&f.fields[i], v, want, f.encoding != encNone); msg != "" {
			t.Errorf("%s %%%s: %s", where, f.fields[i].Name, msg)
		}
	}
	return fields
}

// TestCutAnywhere cuts lines of the corpus at every kind of place: what is read is what the whole line says, and most
// of what is before the cut is read.
func TestCutAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, file := range corpusFiles(t, false) {
		f := mustCompile(t, file.spec)
		var whole, part Record
		for i, line := range file.lines {
			if i%23 != 0 || !f.Parse(line, &whole) {
				continue
			}
			for range 5 {
				begin := line[:rng.IntN(len(line)+1)]
				if !f.ParseCut(begin, &part) {
					continue
				}
				for j := range f.fields {
					got, want := part.Values[j], whole.Values[j]
					if got.State&Present == 0 || want.State&Unsure != 0 {
						continue
					}
					if got.State != want.State || got.Int != want.Int && f.fields[j].Kind == KindInt || !bytes.Equal(got.Text, want.Text) && f.fields[j].Kind != KindInt && f.fields[j].Kind != KindDate {
						t.Fatalf("%s:%d %%%s is %q %d, of the whole line %q %d\n%q\n%q", file.name, i+1, f.fields[j].Name, got.Text, got.Int, want.Text, want.Int, begin, line)
					}
				}
			}
			if len(line) > 0 && f.ParseCut(line[:0], &part) {
				t.Fatalf("%s: nothing is read as a cut line", file.name)
			}
		}
	}
}

// TestCutFields names what is read of a line that ends at every byte.
func TestCutFields(t *testing.T) {
	for _, c := range []struct {
		spec, line string
		fields     string // those present
		unsure     string
	}{
		{"httplog", `127.0.0.1:80 [22/Nov/2026:16:17:55.857] fe be/s 0/0/0/1/1 200 512 - - ---- 1/1/1/1/0 0/0 {a|b} "GET /x`, "ci cp tr ft b s TR Tw Tc Tr Ta ST B tsc ac fc bc sc rc sq bq", "hr hs"},
		{"httplog", `127.0.0.1:80 [22/Nov/2026:16:17:55.857] fe be/s 0/0/0/1/1 20`, "ci cp tr ft b s TR Tw Tc Tr Ta", "ST"},
		{"httplog", `127.0.0.1:80 [22/Nov/2026:16:1`, "ci cp", ""},
		{"httplog", `127.0.0.1:80`, "", ""},
		{"httplog", `no log line at all`, "", ""},
		// The value of a cookie may hold spaces, so that all that follows may be part of it.
		{"httplog", `127.0.0.1:80 [22/Nov/2026:16:17:55.857] fe be/s 0/0/0/1/1 200 512 a=b - ---- 1/1/1/1/0 0/0 "GET`, "ci cp tr ft b s TR Tw Tc Tr Ta ST B", "CC CS tsc ac fc bc sc rc sq bq hr hs"},
		{`%{+json}o %(a)ci %(b)ST %(c)r %(d)[x]`, `{"a": "127.0.0.1", "b": 200, "c": "GET /`, "ci ST", ""},
		{`%{+json}o %(a)ci %(b)ST %(c)r %(d)[x]`, `{"a": "127.0.0.1", "b": 20`, "", ""},
		{`%{+Q,+E}o %CC %ST %r`, `"A=x" 200 "GET / HT`, "CC ST", ""}, // the value of the cookie holds no bare quote
		{`%{+Q}o %ci %ST %r %b`, `"127.0.0.1" 200 "GET / HTTP/1.1" "be`, "ci ST r", ""},
	} {
		f := mustCompile(t, c.spec)
		var r Record
		ok := f.ParseCut([]byte(c.line), &r)
		var present, unsure []string
		for i, v := range r.Values {
			switch {
			case !ok:
			case v.State&Present != 0:
				present = append(present, f.fields[i].Name)
			case v.State&Unsure != 0:
				unsure = append(unsure, f.fields[i].Name)
			}
		}
		if got := strings.Join(present, " "); got != c.fields || ok != (c.fields != "") {
			t.Errorf("%q: %v, got %q, want %q", c.line, ok, got, c.fields)
		}
		if !slices.Equal(unsure, strings.Fields(c.unsure)) {
			t.Errorf("%q: unsure are %q, want %q", c.line, unsure, c.unsure)
		}
	}
}

// TestCutLength: a line that is as long as lines are cut at may lack something of a last field that has no end of its own.
func TestCutLength(t *testing.T) {
	for _, c := range []struct {
		spec   string
		lens   []int
		length int
		unsure bool
	}{
		{"%ci %ST %HPO", nil, 199, true},
		{"%ci %ST %HPO", nil, 198, false},
		{"%ci %ST %HPO", nil, 1023, true},
		{"%ci %ST %HPO", nil, 176, false},
		{"%ci %ST %HPO", []int{177}, 176, true},
		{"%ci %ST %HPO", []int{177}, 177, false},
		{"%ci %ST %HPO", []int{177}, 199, false}, // a round number, but the configuration says another one
		{"%ci %ST %HPO", []int{177}, 1023, true}, // the default: before the configuration was changed
		{"%ci %ST %{+Q}HPO", []int{177}, 176, false},
		{"%[x] %ST %HPO", nil, 199, true}, // no field is certain if the line was cut
	} {
		f, err := CompileWith(c.spec, Options{MaxLens: c.lens})
		if err != nil {
			t.Fatal(err)
		}
		line := []byte("1.2.3.4 200 /" + strings.Repeat("x", c.length))[:c.length]
		if strings.Contains(c.spec, "+Q") {
			line[len("1.2.3.4 200 ")], line[c.length-1] = '"', '"'
		}
		var r Record
		if NewSet(f).Parse(line, &r) != 0 || r.unsure("HPO") != c.unsure || c.spec[1] == 'c' && r.unsure("ST") {
			t.Errorf("%+v: not as expected", c)
		}
	}
}
