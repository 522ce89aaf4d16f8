package parser

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestCompileErrors puts the caret where the fault is.
func TestCompileErrors(t *testing.T) {
	for _, tc := range []struct{ spec, caret, msg string }{
		{"", "^", "prints nothing"},
		{"%{+Q}o", "^", "prints nothing"},
		{"%ci %xx", "    ^", "there is no alias 'xx'"},
		{"%CI", "^", "did you mean %ci?"},
		{"%STa", "^", "did you mean %ST?"},
		{"%bind", "^", "there is no alias 'bind'"},
		{"50% off", "   ^", "a percent sign is written '%%'"},
		{"100%", "    ^", "the string ends after '%'"},
		{"%1", " ^", "a percent sign is written '%%'"},
		{"%{+Q", " ^", "expected '}'"},
		{"%{+Q} ci", "     ^", "expected an alias or '['"},
		{"%{+Q}", "     ^", "expected an alias or '['"},
		{"%(name", " ^", "expected ')'"},
		{"%(na me)ci", "    ^", "a name may hold"},
		{"%(n:float)ci", "    ^", "unknown type 'float'"},
		{"%(n)", "    ^", "the string ends"},
		{"a %[src", "   ^", "expected ']'"},
		{"%[]", "  ^", "expected a sample expression"},
		{"%[req.hdr(a]", "         ^", "expected ')'"},
		{"%{+json}o %(a)ci %xx", "                 ^", "there is no alias 'xx'"},
		{"a\nb", " ^", "line feed"},
		{strings.Repeat("x", maxSpec+1), strings.Repeat(" ", maxSpec) + "^", "may have 16384 bytes"},
	} {
		_, err := Compile(tc.spec)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: got %v, want a SyntaxError", tc.spec, err)
			continue
		}
		if syntax.Pos != len(tc.caret)-1 || !strings.Contains(syntax.Msg, tc.msg) || syntax.Spec != tc.spec {
			t.Errorf("%q: got position %d, %q; want %d, %q", tc.spec, syntax.Pos, syntax.Msg, len(tc.caret)-1, tc.msg)
		}
	}
}

func TestCompileFields(t *testing.T) {
	f := mustCompile(t, `%{+Q,-M}o x=%(who)ci %% %{-Q}[capture.req.hdr(0),regsub("]",b)] %(n:sint){+X}pid%"%hrl`)
	var got []string
	for _, field := range f.Fields() {
		got = append(got, field.Name+" "+field.Kind.String())
	}
	want := []string{"ci address", `capture.req.hdr(0),regsub("]",b) text`, "pid integer", "hrl list"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if expr := f.Fields()[1].Expr; expr != `capture.req.hdr(0),regsub("]",b)` {
		t.Errorf("expression %q", expr)
	}
}

// TestAliasTable checks what the compiler relies on.
func TestAliasTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range aliases {
		if seen[a.name] {
			t.Errorf("%s is there twice", a.name)
		}
		seen[a.name] = true
		if a.doc == "" {
			t.Errorf("%s says nothing about its meaning", a.name)
		}
		if a.flags&legacy != 0 {
			continue
		}
		f := mustCompile(t, "%"+a.name)
		if len(f.Fields()) != 1 || f.Fields()[0].Alias != a.name || f.Fields()[0].Kind != a.kind {
			t.Errorf("%%%s: got %+v", a.name, f.Fields())
		}
	}
	for _, name := range WellKnown() {
		if f := mustCompile(t, name); f.Name() != name || f.Spec() == name {
			t.Errorf("%s: name %q, string %q", name, f.Name(), f.Spec())
		}
	}
}

// TestLines has the corners of the language that the corpus does not reach. want is the fields as "name=text", "?" for
// unsure ones; empty if the line must not match.
func TestLines(t *testing.T) {
	const refused = "refused"
	for _, tc := range []struct{ spec, line, want string }{
		// Numbers are printed in one way only.
		{"%ST", "200", "ST=200"},
		{"%ST", "-1", "ST=-1"},
		{"%ST", "0200", refused},
		{"%ST", "-0", refused},
		{"%ST", "", refused},
		{"%ST", "+200", refused},
		{"%B", "+200", "B=+200"},
		{"%B", "9223372036854775807", "B=9223372036854775807"},
		{"%B", "9223372036854775808", refused},
		{"%B", "18446744073709551616", refused},
		{"%{+X}pid", "01A3", "pid=419"},
		{"%{+X}pid", "1A3", refused},
		{"%{+X}pid", "001A3", refused},
		{"%{+X}pid", "01a3", refused},
		{"%ms", "007", "ms=007"},
		{"%ms", "7", refused},
		// Dates have to exist.
		{"%t", "29/Feb/2024:23:59:59.999", "t=29/Feb/2024:23:59:59.999"},
		{"%t", "29/Feb/2023:23:59:59.999", refused},
		{"%t", "31/Apr/2024:00:00:00.000", refused},
		{"%t", "01/jan/2024:00:00:00.000", refused},
		{"%t", "01/Jan/1969:00:00:00.001", "t=01/Jan/1969:00:00:00.001"},
		{"%T", "01/Jan/2024:00:00:00 -0000", refused},
		{"%T", "01/Jan/2024:00:00:00 +0545", "T=01/Jan/2024:00:00:00 +0545"},
		{"%T", "01/Jan/2024:00:00:00 +0560", refused},
		// Addresses.
		{"%ci:%cp", "::1:80", "ci=::1 cp=80"},
		{"%ci:%cp", "2001:db8::ff:1:443", "ci=2001:db8::ff:1 cp=443"},
		{"%ci:%cp", "unix:3", "ci=unix cp=3"},
		{"%ci:%cp", "-:-", ""},
		{"%ci:%cp", "1.2.3.256:80", refused},
		{"%ci:%cp", "1.2.3.04:80", refused},
		{"%si:%sp", "-:-", ""},
		{"%{+Q}si %{+Q}sp", `"" ""`, ""},
		{"%{+X}ci", "7F000001", "ci=127.0.0.1"},
		{"%{+X}ci", "20010DB8000000000000000000000001", "ci=2001:db8::1"},
		// Separators collapse where nothing was printed.
		{"a %hr b", "a b", ""},
		{"a %hr b", "a {x|y} b", "hr=x|y"},
		{"a %hr b", "a  b", refused},
		{"  a  b ", "a b ", "none"},
		{"%{+Q}o a %hrl b", `a "x" "" b`, "hrl=x|"},
		{"a %hrl b", "a x y b", "hrl=?"},
		{"%hr %hs %ST", "{a} 200", "hr=? hs=? ST=200"},
		{"%hr %hs", "{a} ", "hr=a"},
		{"%hr %hs", "{a}", "hs=a"},
		// What HAProxy escapes cannot be there bare.
		{`%{+Q}r`, `"GET / HTTP/1.1"`, "r=GET / HTTP/1.1"},
		{`%{+Q}r`, `"GET /" HTTP/1.1"`, refused},
		{`%{+Q}r`, "\"GET /\x80 HTTP/1.1\"", refused},
		{`%{+Q,+E}[x]`, `"a\"b\\c\]"`, `x=a"b\c]`},
		{`%{+Q,+E}[x]`, `"a"b"`, refused},
		{`%{+Q,+E}[x]`, `"a]b"`, refused},
		{`%{+Q,+E}[x]`, `"a\b"`, refused},
		// Any text in quotes is certain while its border is.
		{`%{+Q}[x]`, `"a"b"`, `x=a"b`},
		{`%{+Q}[x] %{+Q}[y]`, `"a" "b"`, "x=a y=b"},
		{`%{+Q}[x] %{+Q}[y]`, `"a" "b" "c"`, "x=? y=?"},
		{`%[x] %[y]`, `a b`, "x=a y=b"},
		{`%[x] %[y]`, `a b c`, "x=? y=?"},
		{`%[x] %ST %[y]`, `a b 200 c d`, "x=a b ST=200 y=c d"},
		{`%[x] %ST %[y]`, `a 1 200 c d`, "x=? ST=? y=?"},
		{`%[x]`, `-`, "x=?"},
		// Cookies are told apart by their names.
		{"%CC %CS", "- -", ""},
		{"%CC %CS", "A=x y -", "CC=A=x y"},
		{"%CC %CS", "A=x y B=z w", "CC=A=x y CS=B=z w"},
		{"%CC %CS", "A=x B=y C=z", "CC=? CS=?"},
		{"%CC %CS", "x y", refused},
		{"%CC %CS", "a[:/]=x \xe9=y", "CC=a[:/]=x CS=\xe9=y"},
		{"%CC|%CS", "-|-", ""},
		{"%CC|%CS", "-|A=x", "CS=A=x"},
		{"%CC|%CS", "-|A=x|-", "CC=? CS=?"},
		// Neighbours without anything between.
		{"%cp%ST", "80200", "cp=? ST=?"},
		{"%tsc%HM", "----GET", "tsc=---- HM=GET"},
		{"%cp%tsc", "80----", "cp=80 tsc=----"},
		{"%sc%ID", "07F00", "sc=0 ID=7F00"},
		{"%ST%B", "07", "ST=0 B=7"},
		{"%[x]%B%ST", "x012", "x=? B=? ST=?"},
		{"%HU%U%ST", "/x012", "HU=? U=? ST=?"},
		{"%B%[x]", "18446744073709551616", "B=? x=?"},
		{"%{-M}o%{+json}ST%[x]", "20012", "ST=? x=?"},
		{"%{-M}o%{+json}[x]%ID", "20012", "x=? ID=?"},
		{"%{+json}ST%{+json}B x", "2000 x", "ST=200 B=0"},
		{"%{+json}[x]%B", "true2", "x=true B=2"},
		// One block, and other fields that tell whose it is.
		{"%hr %hs %hrl %ft %CC", "{a} a fe A=x", "hr=a hrl=a ft=fe CC=A=x"},
		{"%hr %hs %hrl %hsl %ST", "{1} 1 200", "hr=? hs=? hrl=? hsl=? ST=200"},
		{"%hr %hs %hrl %HM %[x]", "{a} a GET /x", "hr=? hs=? hrl=? HM=? x=?"},
		{"%{+Q}o %hr %hs %[capture.req.hdr(0)] %r", `"{a}" "{b}" "c"`, refused},
		{"%{+Q}o %hr %hs %[capture.req.hdr(0)] %r", `"{a}" "{b}" "a" "c"`, "hr=a hs=b capture.req.hdr(0)=a r=c"},
		// The only header that is captured is there, and empty: nothing is printed for the list.
		{"%ci %hr %hs %hrl %hsl %ST", "1.2.3.4 {} {} - 200", "ci=1.2.3.4 hr= hs= hrl=? hsl=? ST=200"},
		{"%hr %hrl %ST", "{} 200", "hr= ST=200"},
		{"%hr %hrl %ST", "{a} a 200", "hr=a hrl=a ST=200"},
		{"%", "", "error"},
	} {
		f, err := Compile(tc.spec)
		if err != nil {
			if tc.want != "error" {
				t.Errorf("%s: %v", tc.spec, err)
			}
			continue
		}
		var fast, slow Record
		agree(t, f, []byte(tc.line), &fast, &slow)
		got := refused
		if f.Parse([]byte(tc.line), &fast) {
			got = describe(f, &fast)
		}
		if want := strings.TrimPrefix(tc.want, "none"); got != want {
			t.Errorf("%s of %q: got %q, want %q", tc.spec, tc.line, got, want)
		}
	}
}

func describe(f *Format, r *Record) string {
	var out []string
	for i, field := range f.Fields() {
		v := &r.Values[i]
		switch {
		case v.State&Unsure != 0:
			out = append(out, field.Name+"=?")
		case v.State&Present == 0:
		case field.Kind == KindInt && !strings.Contains(f.Spec(), "+X"), field.Kind == KindDate:
			n := &f.nodes[slices.IndexFunc(f.nodes, func(n node) bool { return n.kind == nodeField && n.field == i })]
			out = append(out, field.Name+"="+string(n.appendValue(nil, v, &r.dates)))
		case field.Kind == KindInt:
			out = append(out, field.Name+"="+string((&node{shape: shapeInt}).appendNumber(nil, v)))
		default:
			out = append(out, field.Name+"="+string(v.Text))
		}
	}
	return strings.Join(out, " ")
}
