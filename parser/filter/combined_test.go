package filter_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// compiled has the formats that record made.
var compiled = map[string]*parser.Format{}

// record makes a record of a format by hand.
func record(t testing.TB, spec string, texts ...string) *parser.Record {
	t.Helper()
	f := compiled[spec]
	if f == nil {
		var err error
		if f, err = parser.Compile(spec); err != nil {
			t.Fatal(err)
		}
		compiled[spec] = f
	}
	var r parser.Record
	r.Reset(f)
	for i, text := range texts {
		if text != "_" {
			r.Values[i] = parser.Value{Text: []byte(text), State: parser.Present}
		}
	}
	return &r
}

func matches(t testing.TB, text string, r *parser.Record) bool {
	t.Helper()
	return parse(t, text).Matcher().Match(&filter.Line{Record: r})
}

// TestCombined compares fields that the archive has as several columns with what HAProxy prints for them.
func TestCombined(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test
	word := func(letters string, least, most int) string {
		b := make([]byte, least+rnd.IntN(most-least+1))
		for i := range b {
			b[i] = letters[rnd.IntN(len(letters))]
		}
		return string(b)
	}
	passed := 0
	for range 30_000 {
		var alias, printed string
		var r *parser.Record
		path, query := word("aA/", 0, 3), word("aA?", 0, 3)
		uri, mark := path, rnd.IntN(2) > 0
		if mark {
			uri += "?" + query
		}
		switch rnd.IntN(6) {
		case 0:
			alias, printed = "HU", uri
			r = record(t, "%HU", uri)
		case 1: // the same from two fields
			alias, printed = "HU", uri
			if r = record(t, "%HP %HQ", path, "_"); mark {
				r = record(t, "%HP %HQ", path, "?"+query)
			}
		case 2:
			if !mark {
				continue
			}
			alias, printed = "HQ", "?"+query
			r = record(t, "%HQ", printed)
		case 3:
			alias, printed = "ft", word("aA", 1, 3)+[]string{"", "~"}[rnd.IntN(2)]
			r = record(t, "%ft", printed)
		case 4:
			alias, printed = "r", word("aA /?", 1, 6)
			r = record(t, "%r", printed)
		case 5:
			alias = "r"
			method, version := word("aA", 1, 2), word("aA", 1, 2)
			printed = method + " " + uri
			if rnd.IntN(2) > 0 {
				printed += " " + version
			} else {
				version = "_"
			}
			r = record(t, "%HM %HU %HV", method, uri, version)
		}
		op := []string{"=", "~", "~*", "^=", "$="}[rnd.IntN(5)]
		// Parts of what is printed, mostly, and other things that it could be.
		value := printed
		if from := rnd.IntN(len(printed) + 1); len(printed) > 0 && op != "=" {
			value = printed[from : from+rnd.IntN(len(printed)-from+1)]
			switch op {
			case "^=":
				value = printed[:from]
			case "$=":
				value = printed[from:]
			}
		}
		if rnd.IntN(3) == 0 {
			value = word("aA /?~", 1, 3)
		}
		if value == "" && op != "=" || alias == "HQ" && (op == "=" || op == "^=") && !strings.HasPrefix(value, "?") {
			continue // the question mark may be left out
		}
		var want bool
		switch op {
		case "=":
			want = printed == value
		case "~":
			want = strings.Contains(printed, value)
		case "~*":
			want = strings.Contains(strings.ToLower(printed), strings.ToLower(value))
		case "^=":
			want = strings.HasPrefix(printed, value)
		case "$=":
			want = strings.HasSuffix(printed, value)
		}
		text := alias + op + "'" + value + "'"
		if got := matches(t, text, r); got != want {
			t.Fatalf("%s of %q (%s): %v, want %v\n%s", text, printed, r.Format.Spec(), got, want, describe(parse(t, text).Tree()))
		}
		if got := matches(t, "not "+text, r); got == want {
			t.Fatalf("not %s of %q: %v", text, printed, got)
		}
		if !matches(t, alias+"=*", r) && (alias != "r" || printed != "") {
			t.Fatalf("%s=* of %q", alias, printed)
		}
		if want {
			passed++
		}
	}
	if passed < 5_000 {
		t.Errorf("only %d passed", passed)
	}
}

// TestAbsent makes sure that what is not there is no value: a test is false, and its opposite true.
func TestAbsent(t *testing.T) {
	var unsure parser.Record
	unsure.Reset(record(t, "httplog").Format)
	for i := range unsure.Values {
		unsure.Values[i] = parser.Value{Text: []byte("x"), Int: 5, State: parser.Unsure}
	}
	for _, r := range []*parser.Record{nil, record(t, "httplog"), &unsure, record(t, "%%")} {
		m := map[string]*filter.Matcher{}
		for _, name := range filter.Names() {
			switch name {
			case "raw", "truncated":
				continue
			case "format":
				if r != nil {
					continue
				}
			}
			m[name+"=*"] = parse(t, name+"=*").Matcher()
			for _, value := range []string{"=x", "~x", "=5", ">1", "<9", "=10.0.0.1", "=true"} {
				if f, err := filter.Parse(name + value); err == nil {
					m[name+value] = f.Matcher()
				}
			}
		}
		for text, matcher := range m {
			if matcher.Match(&filter.Line{Record: r}) {
				t.Errorf("%s selects a line without it", text)
			}
			if !parse(t, "not "+text).Matcher().Match(&filter.Line{Record: r}) {
				t.Errorf("not %s leaves out a line without it", text)
			}
		}
	}
	r := record(t, "%b", "_")
	for _, text := range []string{"b!=x", "b!~x", "b!=*", "not b=x", "ST!=200", "not ST<200", "not ST>=200", "req.host!=x", "labels.a!=x", "HU!~x", "r!=*", "node!=a"} {
		if !matches(t, text, r) {
			t.Errorf("%s leaves out a line without it", text)
		}
	}
}

// TestLine asks for what is known of a line besides its record.
func TestLine(t *testing.T) {
	r := record(t, "%b %CC", "be", "_")
	line := filter.Line{
		Record: r, Raw: []byte("be -"),
		Node: []byte("lb-1"), Source: []byte("0123"), Path: []byte("/var/log/x"), Labels: []byte(`{"a":"x","b_2":"a\"\\\u00e9\ud83d\ude00\n,\":","c":""}`),
		Namespace: []byte("ns"), Pod: []byte("pod-1"), Container: []byte("haproxy"), ContainerID: []byte("ff"),
	}
	check := func(yes []string, no []string) {
		t.Helper()
		for _, text := range yes {
			if !parse(t, text).Matcher().Match(&line) {
				t.Errorf("%s leaves the line out", text)
			}
		}
		for _, text := range no {
			if parse(t, text).Matcher().Match(&line) {
				t.Errorf("%s selects the line", text)
			}
		}
	}
	check([]string{
		"raw='be -'", "raw~be", "raw=*", "node=lb-1", "node^=lb", "source=0123", "path~/log/", "namespace=ns", "pod$=-1", "container=haproxy", "container_id=ff",
		"labels.a=x", `labels.b_2='a"\é😀` + "\n" + `,":'`, `labels.c=""`, "labels.c=*", "labels.d!=*", "truncated=false", "format='%b %CC'", "b=be", "wrapper!=*",
		"syslog_host!=x", "node=lb-1 b=be or b=other", "node=lb-2 or b=be",
	}, []string{
		"raw=be", "node=lb", "labels.a=y", "labels.d=x", "truncated=true", "format=httplog", "wrapper=*", "syslog_severity>=0", "node=lb-2 b=be", "node=lb-1 b=other",
	})
	r.Truncated = true
	check([]string{"truncated=true"}, []string{"truncated=false"})
	line.Labels = nil
	check([]string{"labels.a!=x"}, []string{"labels.a=*"})
	for _, broken := range []string{`{`, `{"a`, `{"a"`, `{"a":`, `{"a":1}`, `{"a" "x"}`, `{"b":"1"`, `{"b":"1",`, `[]`, `{}`} {
		line.Labels = []byte(broken)
		check(nil, []string{"labels.a=*"})
	}
}

// TestNumberExpressions asks for expressions that the format makes numbers of.
func TestNumberExpressions(t *testing.T) {
	f, err := parser.Compile(`%{+json}o %(n:sint)[x] %(s:str)[y] %(b:bool)[z] %(e:sint)[fc_err]`)
	if err != nil {
		t.Fatal(err)
	}
	var r parser.Record
	if !f.Parse([]byte(`{"n": 57, "s": "7", "b": true, "e": 0}`), &r) {
		t.Fatal("the line is not of the format")
	}
	for _, text := range []string{"%[x]=57", "%(n)=57", "%[x]>56", "%[x]!=5", "%[x]~7", "%[x]^=5", "%[x]=*", "%(s)=7", "%[z]=true", "fc_err=0", "fc_err<1"} {
		if !matches(t, text, &r) || matches(t, "not "+text, &r) {
			t.Errorf("%s leaves the line out", text)
		}
	}
	for _, text := range []string{"%[x]=5", "%[x]>57", "%[x]$=5", "%(x)=57", "%[n]=57"} {
		if matches(t, text, &r) {
			t.Errorf("%s selects the line", text)
		}
	}
	for _, text := range []string{"%[x]=5", "%[x]!=5", "%[x]~5", "%[x]>5", "%[x]=*", "%[x]!=*"} {
		test := leaf(t, text)
		for low := int64(3); low < 8; low++ {
			for high := low; high < 8; high++ {
				some := false
				for v := low; v <= high; v++ {
					some = some || test.MatchInt(v)
				}
				if some && !test.MayMatchRange(low, high) {
					t.Errorf("%s denies what passes between %d and %d", text, low, high)
				}
			}
		}
	}
}
