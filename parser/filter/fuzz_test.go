package filter_test

import (
	"errors"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// FuzzFilter parses any string: it never panics, an error has a position in the string, and what parses prints to the
// same filter, is in normal form, and says of each line the opposite of its negation.
func FuzzFilter(f *testing.F) {
	for _, tc := range goodFilters {
		f.Add(tc.text)
	}
	for _, tc := range badFilters {
		f.Add(tc.text)
	}
	lines := someLines(f)
	f.Fuzz(func(t *testing.T, text string) {
		one, err := filter.Parse(text)
		if err != nil {
			var syntax *filter.SyntaxError
			if !errors.As(err, &syntax) || syntax.Pos < 0 || syntax.Pos > len(text) || syntax.Error() == "" {
				t.Fatalf("%v: position outside the string", err)
			}
			return
		}
		checkFilter(t, one)
		opposite, err := filter.Parse("not (" + text + ")")
		if err != nil {
			var syntax *filter.SyntaxError
			if errors.As(err, &syntax) && len(text) < 16<<10-10 && syntax.Pos >= 0 && len(text) < 200 {
				t.Fatalf("not (%s): %v", text, err)
			}
			return // too long, or too deep
		}
		yes, no := one.Matcher(), opposite.Matcher()
		for i := range lines {
			if yes.Match(&lines[i]) == no.Match(&lines[i]) {
				t.Fatalf("%s and its opposite say the same of line %d", text, i)
			}
		}
		for test := range one.Tree().Tests {
			if test.String() == "" {
				t.Fatal("a test without a text")
			}
			for _, v := range []string{"", "-", "x", "10.2.3.4", "::1", "500"} {
				if passes := test.MatchText([]byte(v)); passes && !test.MayMatchTextRange([]byte(v), []byte(v+"z")) {
					t.Fatalf("%s selects %q and denies it", test, v)
				}
			}
			if test.MatchInt(500) && !test.MayMatchRange(499, 501) {
				t.Fatalf("%s selects 500 and denies it", test)
			}
			test.Equals()
		}
	})
}

// someLines are lines of several formats.
func someLines(t testing.TB) (lines []filter.Line) {
	t.Helper()
	for _, l := range []struct{ spec, line string }{
		{"httplog", `10.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ be_app/s 0/0/0/0/+2500 503 +1 a=b - SD-- 1/1/1/1/+1 0/0 {example.com|curl} {x} "GET /login?x=1 HTTP/1.1"`},
		{"tcplog", `::1:5 [22/Nov/2026:16:10:39.048] f be/s 0/0/0 5 -- 1/1/1/1/0 0/0`},
		{"%HM %HP %HQ %[x] %(name)[y]", `GET /x ?y 5 z`},
		{parser.EventFormat, `Server be/s1 is DOWN, reason: Layer4 timeout`},
	} {
		f, err := parser.CompileWith(l.spec, parser.Options{Captures: &parser.Captures{Request: []string{"Host", "User-Agent"}, Response: []string{"Server"}}})
		if err != nil {
			t.Fatal(err)
		}
		r := &parser.Record{}
		if !f.Parse([]byte(l.line), r) {
			t.Fatalf("%s is not of %s", l.line, l.spec)
		}
		lines = append(lines, filter.Line{Record: r, Raw: []byte(l.line), Node: []byte("lb-1"), Labels: []byte(`{"cluster":"a"}`)})
	}
	return append(lines, filter.Line{Raw: []byte("nothing known")})
}

// BenchmarkMatch gives the time for one line, which takes no memory.
func BenchmarkMatch(b *testing.B) {
	lines := someLines(b)
	for _, text := range []string{
		"ST>=500", "ci=10.2.0.0/16 ST>=500 HU~/login b=be_app Ta>2s req.Host=example.com", "HU~*LOGIN", `r~"GET /x"`, "headers~curl", "raw~login", "ci=::1",
	} {
		m := parse(b, text).Matcher()
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				m.Match(&lines[i%len(lines)])
				i++
			}
		})
	}
}

// TestMatchTakesNoMemory makes sure of what BenchmarkMatch shows.
func TestMatchTakesNoMemory(t *testing.T) {
	lines := someLines(t)
	for _, tc := range goodFilters {
		m := parse(t, tc.text).Matcher()
		match := func() {
			for i := range lines {
				m.Match(&lines[i])
			}
		}
		match()
		if n := testing.AllocsPerRun(10, match); n > 0 {
			t.Errorf("%s: %v allocations", tc.text, n)
		}
	}
}
