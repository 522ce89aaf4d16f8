package haproxycfg_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

func TestCandidates(t *testing.T) {
	type captures struct{ request, response string }
	frontend := func(spec string, c captures) string {
		s := "frontend f\n mode http\n log x local0\n"
		if spec == "httplog" || spec == "tcplog" {
			s += " option " + spec + "\n"
		} else {
			s += " log-format '" + spec + "'\n"
		}
		for h := range strings.FieldsSeq(c.request) {
			s += " capture request header " + h + " len 9\n"
		}
		for h := range strings.FieldsSeq(c.response) {
			s += " capture response header " + h + " len 9\n"
		}
		return s
	}
	known, err := parser.Compile("httplog")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		in   []string
		want string
	}{
		"none":                {nil, ""},
		"order":               {[]string{frontend("%ci", captures{}), frontend("tcplog", captures{}), frontend("%cp", captures{}), frontend("%ci", captures{})}, "%ci | ; tcplog | ; %cp | ; "},
		"a well-known string": {[]string{frontend(known.Spec(), captures{"A", "B"}), frontend("httplog", captures{"A", "B"})}, "httplog A|B; "},
		"same captures":       {[]string{frontend("httplog", captures{"A", "B"}), frontend("httplog", captures{"A", "B"})}, "httplog A|B; "},
		"other numbers":       {[]string{frontend("httplog", captures{"A", "B"}), frontend("httplog", captures{"A B", "B"}), frontend("httplog", captures{})}, "httplog A|B; httplog A,B|B; httplog |; "},
		"other names":         {[]string{frontend("httplog", captures{"A B", "C"}), frontend("httplog", captures{"A C", "D"})}, "httplog A,|; "},
		"alike":               {[]string{frontend("httplog", captures{"A B", ""}), frontend("httplog", captures{"", "D E"}), frontend("httplog", captures{"", "F"})}, "httplog unknown; httplog |F; "},
		"not printed":         {[]string{frontend("%ci %ST", captures{"A", ""}), frontend("%ci %ST", captures{"B C", "D"})}, "%ci %ST |; "},
		"one side printed":    {[]string{frontend("%hr %ST", captures{"A", "X"}), frontend("%hr %ST", captures{"A", ""}), frontend("%hr %ST", captures{"", "D"})}, "%hr %ST A|; %hr %ST |D; "},
		"silent":              {[]string{"frontend f\n log-format %ci\n"}, ""},
		"encoded":             {[]string{"frontend f\n log x local0\n log-format '%{+json}o %(a)ci'\n"}, "%{+json}o %(a)ci | ; "},
		"lists":               {[]string{frontend("clf", captures{"A", "B C"}), frontend("clf", captures{"A B", "C"}), frontend("clf", captures{"A", "B"})}, "clf unknown; clf A|B; "},
		"expressions":         {[]string{frontend("%hr %[capture.res.hdr(0)]", captures{"A", "B"})}, "%hr %[capture.res.hdr(0)] A|B; "},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			all := parse(t, strings.Join(tc.in, ""), nil).Candidates()
			end := slices.IndexFunc(all, func(f *parser.Format) bool { return f.Name() == "error" }) + 1
			for _, f := range all[end:] {
				if f.Captures() != nil || strings.Contains(got, f.Name()+" unknown") {
					t.Errorf("%s with %v behind the others", f.Name(), f.Captures())
				}
			}
			for _, f := range all[:end] {
				c := f.Captures()
				if c == nil {
					got += f.Name() + " unknown; "
					continue
				}
				got += fmt.Sprintf("%s %s|%s; ", f.Name(), strings.Join(c.Request, ","), strings.Join(c.Response, ","))
			}
			want := strings.ReplaceAll(tc.want, " | ; ", " |; ") + "error unknown; "
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzParse: whatever stands in a file, reading it ends, and what it gives compiles.
func FuzzParse(f *testing.F) {
	f.Add("defaults\n log x len 80 profile p local0\n option httplog\nfrontend \"${A-b}\" from d\n capture request header A len 1\n", "A")
	f.Add("log-profile p\n on any drop format '%ci' sd x\n.if defined(X) && !(feature(\"a,b\") || 0)\n.elif streq(a,\"$X\")\n.endif\n", "X")
	f.Add("global\n setenv A \"\\x41\\t ${B[*]}\"\n resetenv A\n log \"${C}\" local0\nlisten l\n log global\n log-steps a,b\n", "B")
	f.Fuzz(func(t *testing.T, text, variable string) {
		if strings.Count(text, "if") > 3 {
			return // many conditions are read many times, which says no more
		}
		env := func(name string) (string, bool) { return "v w", name == variable }
		c, err := haproxycfg.Parse([]haproxycfg.File{{Name: "a.cfg", Data: []byte(text)}}, env)
		if c == nil {
			t.Fatalf("no result, %v", err)
		}
		if all := c.Candidates(); len(all) == 0 || all[len(all)-1].Name() != "error" {
			t.Fatalf("candidates %v", all)
		}
		for _, x := range c.Formats {
			if strings.Contains(x.Spec, "\x00") || x.Line < 1 {
				t.Errorf("%+v", x)
			}
		}
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
