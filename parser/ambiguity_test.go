package parser

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCorpusAmbiguities: what Parse calls unsure in lines of HAProxy has been found in the format before.
func TestCorpusAmbiguities(t *testing.T) {
	for _, file := range corpusFiles(t, false) {
		f := mustCompile(t, file.spec)
		var named []string
		for _, a := range f.Ambiguities() {
			named = append(named, a.Fields...)
			if a.Why == "" || a.Fix == "" || a.Pos < 0 || a.Pos >= len(f.Spec()) {
				t.Errorf("%s: %+v", file.name, a)
			}
			var r Record
			if !f.Parse([]byte(a.Example), &r) || !slices.ContainsFunc(a.Fields, r.unsure) {
				t.Errorf("%s: %v are not unsure in %q", file.name, a.Fields, a.Example)
			}
		}
		if spec := f.Suggest(); (spec == "") != (len(named) == 0) {
			t.Errorf("%s: suggested %q", file.name, spec)
		}
		var r Record
		missing := map[string]string{}
		for _, line := range file.lines {
			if !f.Parse(line, &r) {
				continue
			}
			for i := range r.Values {
				if name := f.fields[i].Name; r.Values[i].State&Unsure != 0 && !slices.Contains(named, name) {
					missing[name] = string(line)
				}
			}
		}
		for name, line := range missing {
			t.Errorf("%s: %s is unsure in %q", file.name, name, line)
		}
	}
}

func (r *Record) unsure(name string) bool {
	for i := range r.Format.fields {
		if r.Format.fields[i].Name == name && r.Values[i].State&Unsure != 0 {
			return true
		}
	}
	return false
}

// TestAmbiguities has a format for each reason. want is the groups of fields, and the suggested string.
func TestAmbiguities(t *testing.T) {
	captured := &Captures{Request: []string{"host", "user-agent"}, Response: []string{"server"}}
	for _, tc := range []struct {
		spec     string
		captures *Captures
		want     string
		why      string
		suggest  string
	}{
		{"%CC %CS %ST", nil, "CC,CS", "can hold anything", "%{+Q,+E}CC %{+Q,+E}CS %ST"},
		{"%{+Q}CC %{+Q}CS", nil, "CC,CS", `a '"' within`, "%{+Q,+E}CC %{+Q,+E}CS"},
		{"%CC %ST", nil, "", "", ""},
		{"%ci %hr %hs %{+Q}r", nil, "hr,hs", "one {…}", "%ci %hr|%hs %{+Q}r"},
		{"%ci %hr %hs %{+Q}r", captured, "", "", ""},
		{"%ci %hr %{+Q}r", nil, "", "", ""},
		{"%{+Q}hrl %{+Q}hsl %ST", nil, "hrl,hsl", "how many", "%{+Q}hrl|%{+Q}hsl %ST"},
		{"%hrl|%ST", nil, "hrl", "how many", "%{+Q}hrl|%ST"},
		{"%cp%ST", nil, "cp,ST", "nothing that is not in them", "%{+Q}cp|%ST"},
		{"%ST%B", nil, "ST,B", "nothing that is not in them", "%ST|%B"},
		{"%{+Q}[a] %{+Q}[b]", nil, "a,b", `a '"' within`, "%{+Q,+E}[a] %{+Q,+E}[b]"},
		{"%{+Q,+E}[a] %{+Q,+E}[b]", nil, "", "", ""},
		{"%(n)[a]", nil, "n", `"-" stands for no value`, "%(n){+Q,+E}[a]"},
		{"%{-M}o %[a] %[b] %ST", nil, "a,b", "can hold anything", "%{-M}o %{+Q,+E}[a] %{+Q,+E}[b] %ST"},
		{"%b-%s", nil, "b,s", "nothing that is not in them", "%{+Q}b-%{+Q}s"},
		{"%HU %HP", nil, "", "", ""},
		{"%{+json}o %(a)[a] %(b)[b] %(hr)hr %(hs)hs %(c)CC", nil, "", "", ""},
		{"%{+cbor}o %(a)[a] %(b)[b] %(hr)hr %(hs)hs %(c)CC", nil, "", "", ""},
		{"default", nil, "", "", ""},
		{"error", nil, "", "", ""},
		{EventFormat, nil, "", "", ""},
	} {
		f, err := CompileWith(tc.spec, Options{Captures: tc.captures})
		if err != nil {
			t.Fatal(err)
		}
		var groups []string
		why := ""
		for _, a := range f.Ambiguities() {
			groups = append(groups, strings.Join(a.Fields, ","))
			why = a.Why
		}
		if got := strings.Join(groups, " "); got != tc.want || !strings.Contains(why, tc.why) {
			t.Errorf("%s: got %s because %s; want %s", tc.spec, got, why, tc.want)
		}
		if got := f.Suggest(); got != tc.suggest {
			t.Errorf("%s: got %s, want %s", tc.spec, got, tc.suggest)
		}
	}
}

// TestSuggestJSON compiles what is suggested: it has the same fields and leaves nothing open.
func TestSuggestJSON(t *testing.T) {
	for _, name := range []string{"httplog", "httpslog", "clf", "tcplog", `%ci %[req.hdr("a b"),lower] %(x)[src]`} {
		f := mustCompile(t, name)
		g := mustCompile(t, f.SuggestJSON())
		if len(g.Fields()) != len(f.Fields()) || len(g.Ambiguities()) > 0 {
			t.Errorf("%s: %s", name, f.SuggestJSON())
		}
	}
	if got := mustCompile(t, "error").SuggestJSON(); got != "" {
		t.Errorf("got %s for what HAProxy writes by itself", got)
	}
}

func TestOverlaps(t *testing.T) {
	formats := []*Format{mustCompile(t, "httplog"), mustCompile(t, "tcplog"), mustCompile(t, "%[a] %[b]"), mustCompile(t, "error"), mustCompile(t, EventFormat), mustCompile(t, "%ST %B")}
	var got []string
	for _, o := range Overlaps(formats...) {
		got = append(got, formats[o.First].Name()+">"+formats[o.Second].Name())
		var r Record
		if !formats[o.First].Parse([]byte(o.Example), &r) || !formats[o.Second].Parse([]byte(o.Example), &r) {
			t.Errorf("%+v", o)
		}
	}
	want := []string{"httplog>%[a] %[b]", "tcplog>%[a] %[b]", "%[a] %[b]>error", "%[a] %[b]>event", "%[a] %[b]>%ST %B"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAmbiguitiesOfLongFormats bounds the time.
func TestAmbiguitiesOfLongFormats(t *testing.T) {
	f := mustCompile(t, strings.Repeat("%[a] ", maxSpec/5))
	start := time.Now()
	if len(f.Ambiguities()) == 0 {
		t.Error("none")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}
