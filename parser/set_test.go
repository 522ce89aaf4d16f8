package parser

import (
	"slices"
	"testing"
)

// TestSetIgnoresHistory parses lines of several formats in every order: what matched before changes nothing.
func TestSetIgnoresHistory(t *testing.T) {
	specs := append(WellKnown(), `%ci:%cp [%t] %ft %b/%s %{+Q}r`, `%[x] %ST`, `%{+json}o %(a)ci`)
	formats := make([]*Format, len(specs))
	for i, spec := range specs {
		formats[i] = mustCompile(t, spec)
	}
	set := NewSet(formats...)
	lines := [][]byte{
		[]byte(`127.0.0.1:80 [22/Nov/2026:16:17:55.857] fe be/s "GET / HTTP/1.1"`), []byte(`x 200`), []byte(`{"a": "127.0.0.1"}`), []byte(`none of them`),
		[]byte(`127.0.0.1:80 [22/Nov/2026:16:17:55.857] fe/1: SSL handshake failure`),
	}
	for _, name := range []string{"http/httplog.log", "http/httpslog.log", "http/clf.log", "tcp/tcplog.log", "tcp/clf.log", "default/default.log"} {
		all := readLines(t, corpusDir+"/"+name, "").lines
		for i := 0; i < len(all); i += 250 {
			lines = append(lines, all[i])
		}
	}
	want := make([]int, len(lines))
	for i, line := range lines {
		var fresh Record
		want[i] = slices.IndexFunc(formats, func(f *Format) bool { return f.Parse(line, &fresh) })
	}
	var r Record
	for i := range lines {
		for j, line := range lines {
			set.Parse(lines[i], &r) // what the set learns from
			if got := set.Parse(line, &r); got != want[j] {
				t.Fatalf("%q after %q: format %d, want %d", line, lines[i], got, want[j])
			} else if got >= 0 && string(formats[got].Append(nil, &r)) != string(line) {
				t.Fatalf("%q after %q renders to something else", line, lines[i])
			}
		}
	}
}

// TestDisjoint tells formats whose lines cannot be confused from those whose can.
func TestDisjoint(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"httplog", "tcplog", true},
		{"httplog", "httpslog", true},
		{"httplog", "clf", true},
		{"httplog", "error", false}, // the message may be anything, and names may look like the rest
		{"clf", "tcplog-clf", false},
		{"default", "httplog", true},
		{`%{+json}o %(a)ci`, "httplog", true},
		{`%{+json}o %(a)ci`, `%{+json}o %(b)ci`, true},
		{`%ci %ST`, `%ci %ST %B`, true},
		{`%ci %[x]`, `%ci %ST %B`, false},
		{`%ST a`, `%ST b`, true},
		{`%ST`, `%B`, false},
		{`%HM x`, `%ST`, true},
	} {
		a, b := mustCompile(t, c.a), mustCompile(t, c.b)
		if disjoint(a, b) != c.want || disjoint(b, a) != c.want {
			t.Errorf("%s and %s: %v %v, want %v", c.a, c.b, disjoint(a, b), disjoint(b, a), c.want)
		}
	}
}
