package haproxycfg

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixed is an environment for tests.
type fixed map[string]string

func (f fixed) variable(name string) (string, bool, bool) {
	v, ok := f[name]
	return v, ok, ok
}

func (f fixed) lookup(name string) (string, bool) {
	v, ok := f[name]
	return v, ok
}

// TestSplit has the examples of sections 2.2 and 2.3 of HAProxy's manual, and what its source adds.
func TestSplit(t *testing.T) {
	env := fixed{"A": "one two", "EMPTY": "", "LIST": " x  y ", "Q": `a"b'c#\`}
	for in, want := range map[string][]string{
		"":                                  nil,
		"  \t ":                             nil,
		"# all of it":                       nil,
		"a b\tc # d":                        {"a", "b", "c"},
		"a#b":                               {"a"},
		`a\#b 'a#b' "a#b"`:                  {"a#b", "a#b", "a#b"},
		`log-format %{+Q}o\ %t\ %s`:         {"log-format", "%{+Q}o %t %s"},
		`log-format "%{+Q}o %t %s"`:         {"log-format", "%{+Q}o %t %s"},
		`log-format '%{+Q}o %t %s'`:         {"log-format", "%{+Q}o %t %s"},
		`x "%{+Q}o %t"' %s %{-Q}r'`:         {"x", "%{+Q}o %t %s %{-Q}r"},
		`x "%{+Q}o %t"' %s'\ %{-Q}r`:        {"x", "%{+Q}o %t %s %{-Q}r"},
		`"" ''`:                             {"", ""},
		`a"" ''b`:                           {"a", "b"},
		`'a\b\'`:                            {`a\b\`},
		`"\\ \" \' \$ \# \1"`:               {`\ " ' $ # \1`},
		`\\ \" \' \$A \1`:                   {`\`, `"`, `'`, `\$A`, `\1`},
		`'a"b' "a'b"`:                       {`a"b`, `a'b`},
		`a\tb "a\tb" 'a\tb' a\x41\x7ab`:     {"a\tb", "a\tb", `a\tb`, "aAzb"},
		`\x20 "\x22"`:                       {" ", `"`},
		"'caf\xc3\xa9 \xff'":                {"caf\xc3\xa9 \xff"},
		`$A '$A' "$A" "${A}"`:               {"$A", "$A", "one two", "one two"},
		`"$A-x" "$A.x" "${A}x"`:             {"one two-x", "one two.x", "one twox"},
		`"${A-d}" "${NO-d e}" "${NO-}x"`:    {"one two", "d e", "x"},
		`"${EMPTY-d}" "$EMPTY"`:             nil,
		`x"${EMPTY}"y`:                      {"xy"},
		`a "${A[*]}" b`:                     {"a", "one", "two", "b"},
		`a "${LIST[*]}" "${EMPTY[*]}" b`:    {"a", "x", "y", "b"},
		`"${NO[*]-p q}"`:                    {"p", "q"},
		`"$Q"`:                              {`a"b'c#\`},
		`"$NO" "a${NO}b"`:                   {"\x00NO\x00", "a\x00NO\x00b"},
		"a\rb\nc":                           {"a"},
		`log-format "%ci" \`:                {"log-format", "%ci", `\`},
		`log-format %ci\`:                   {"log-format", `%ci\`},
		`http-request set-var(x) str(\"a\"`: {"http-request", "set-var(x)", `str("a"`},
	} {
		s := splitter{in: in, vars: env}
		if err := s.split(); err != nil {
			t.Errorf("%q: byte %d: %s", in, err.pos, err.msg)
			continue
		}
		if in == `"${EMPTY-d}" "$EMPTY"` {
			want = []string{"", ""}
		}
		if diff := cmp.Diff(want, s.words); diff != "" {
			t.Errorf("%q (-want +got)\n%s", in, diff)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for in, want := range map[string]wordError{
		`a "b`:      {2, "the quote is not closed"},
		`a 'b"`:     {2, "the quote is not closed"},
		`a \x4`:     {2, `want two hexadecimal digits behind \x`},
		`a "\xg0"`:  {3, `want two hexadecimal digits behind \x`},
		`"$1"`:      {2, `want the name of an environment variable behind "$"; a dollar is written "\$" or in single quotes`},
		`"${A"`:     {2, "want } to end the name of the environment variable"},
		`"${A+x}"`:  {2, "want } to end the name of the environment variable"},
		`"${A[*}"`:  {2, "want } to end the name of the environment variable"},
		`"${A-d e"`: {2, "want } to end the name of the environment variable"},
	} {
		s := splitter{in: in, vars: fixed{}}
		if err := s.split(); err == nil || *err != want {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
	}
}

func TestConditions(t *testing.T) {
	env := fixed{"A": "1", "EMPTY": ""}
	for in, want := range map[string]bool{
		"":                                   false,
		"0":                                  false,
		"1":                                  true,
		"00":                                 false,
		"42":                                 true,
		"!0":                                 true,
		"! ! 1":                              true,
		"defined(A)":                         true,
		"!defined(A)":                        false,
		"defined(HAPROXY_HTTP_LOG_FMT)":      true,
		"defined(GONE)":                      false,
		"defined(MADE)":                      true,
		`streq("$A",1)`:                      true,
		`streq("$A", 1)`:                     false,
		`streq("$EMPTY",)`:                   true,
		`strneq("$A",1)`:                     false,
		`strstr(abc,b)`:                      true,
		`strstr("a\,b",b)`:                   true,
		"1 && 0 || 1":                        true,
		"0 && 1 || 0":                        false,
		"1 || 0 && 0":                        true,
		"(1 || 0) && 0":                      false,
		"!(0)":                               true,
		"streq(a,a) && !streq(a,b)":          true,
		`streq('"a)b"','"a)b"') # comment`:   true,
		"feature(OPENSSL) && 0":              false,
		"0 || version_atleast(2.6-dev) && 1": true, // decided so first
	} {
		r := &reader{env: newEnvironment(env.lookup), answers: map[string]bool{}}
		r.env.keyword([]string{"unsetenv", "GONE"})
		r.env.keyword([]string{"setenv", "MADE", "x"})
		s := splitter{in: in, vars: r}
		if err := s.split(); err != nil {
			t.Errorf("%q: %s", in, err.msg)
			continue
		}
		if got := r.condition(s.words); got != want {
			t.Errorf("%q: got %v", in, got)
		}
		if asks := strings.Contains(in, "feature") || strings.Contains(in, "version"); asks != (len(r.decisions) > 0) {
			t.Errorf("%q: decided %v", in, r.decisions)
		}
	}
}

func TestEnvironment(t *testing.T) {
	e := newEnvironment(fixed{"A": "a", "B": "b", "C": "c"}.lookup)
	for _, words := range [][]string{
		{"presetenv", "A", "no"}, {"presetenv", "N", "n"}, {"setenv", "B", "B"}, {"unsetenv", "C"}, {"setenv", "ALONE"},
	} {
		e.keyword(words)
	}
	type result struct {
		value      string
		set, known bool
	}
	check := func(want map[string]result) {
		t.Helper()
		for name, w := range want {
			var got result
			if got.value, got.set, got.known = e.get(name); got != w {
				t.Errorf("%s: got %v, want %v", name, got, w)
			}
		}
	}
	check(map[string]result{
		"A": {"a", true, true}, "N": {"n", true, true}, "B": {"B", true, true}, "C": {"", false, true}, "D": {}, "ALONE": {},
	})
	e.keyword([]string{"resetenv", "A", "N"})
	check(map[string]result{"A": {"a", true, true}, "N": {"n", true, true}, "B": {"", false, true}, "D": {"", false, true}})
}
