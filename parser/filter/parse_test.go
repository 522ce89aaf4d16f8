package filter_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser/filter"
)

// goodFilters are filters and how they are printed, "" for the same.
var goodFilters = []struct{ text, printed string }{
	{"ci=10.2.0.0/16 ST>=500 HU~/login b=be_app Ta>2s req.host=example.com", ""},
	{"ST=500", ""},
	{" \tST = 500\n", "ST=500"},
	{"status=500", "ST=500"},
	{"client_ip=::1", "ci=::1"},
	{"ST=500,502, 503,510..", "ST=500,502,503,510.."},
	{"ST=5xx,404", ""},
	{"ST=400..499 ST!=404", ""},
	{"ST<500 ST<=500 ST>500 ST>=500 ST=..-1", ""},
	{"Ta>2s Tw>=150ms Tr<100 Tc=-1 Tt>1.5h Ti=1m..2d", ""},
	{"B>1MiB B>=10k U<1.5GB", ""},
	{"b!=x b~x b!~x b~*x b!~*x b^=x b$=x", ""},
	{"b=* b!=*", ""},
	{"b=x and s=y", "b=x s=y"},
	{"b=x AND s=y Or f=z", "b=x s=y or f=z"},
	{"b=x (s=y or f=z)", ""},
	{"(b=x s=y) or f=z", "b=x s=y or f=z"},
	{"b=x (s=y (f=z))", "b=x s=y f=z"},
	{"not b=x", ""},
	{"!b=x !(s=y f=z)", "not b=x not (s=y f=z)"},
	{"not not b=x", ""},
	{"not(b=x)", "not b=x"},
	{"b!=x,y", ""},
	{"s=<NOSRV> r=<BADREQ>", ""},
	{`HU="/a b"`, ""},
	{`HU='/a b'`, `HU="/a b"`},
	{`HU="/a"`, "HU=/a"},
	{`HU='"\'`, `HU="\"\\"`},
	{`HU="\x00\xff\\\"é"`, ""},
	{`HP="*" CC=""`, ""},
	{`HP="/a","/b"`, ""},
	{`HU~a=b&c=d`, ""},
	{`HU~"a,b"`, ""},
	{`HU~"=x"`, ""},
	{`raw~"not"`, "raw~not"},
	{`raw~not`, ""},
	{"ci=10.0.0.1,unix,2001:db8::/32,::ffff:10.0.0.0/104", ""},
	{"ci^=10.2. ci~::", ""},
	{"req.1~x res.8=y header_3=* req_header_2=z", "req.1~x res.8=y header_3=* req.2=z"},
	{"req.X-Forwarded-For~10. res.Content-Type^=text/", "req.x-forwarded-for~10. res.content-type^=text/"},
	{"req.Content-Length>1000000", "req.content-length>1000000"},
	{"hrl~x hsl~y headers~z", "hr~x hs~y headers~z"},
	{"%[ssl_fc_sni]=example.com", "tls_sni=example.com"},
	{"%[req.hdr(x),regsub([a-z],b)]=y %(my-name)>5", ""},
	{"labels.cluster=a,b node^=lb- namespace=x pod~y", ""},
	{"truncated=true frontend_tls!=false redispatched=true asap=*", "truncated=true frontend_tls!=false redisp=true asap=*"},
	{"syslog_host=a syslog_severity<=3 wrapper=cri+short stream=stderr", ""},
	{"format=* format=httplog,httpslog", ""},
	{"HQ~?a ft=web~ hr=* state=DOWN HPO=/x ts=SD", ""},
}

func TestGood(t *testing.T) {
	for _, tc := range goodFilters {
		f, err := filter.Parse(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		want := tc.printed
		if want == "" {
			want = tc.text
		}
		if got := f.String(); got != want {
			t.Errorf("%s: printed as %s, want %s", tc.text, got, want)
		}
		checkFilter(t, f)
	}
}

// checkFilter makes sure that a filter is what it prints, and that its tree is in normal form.
func checkFilter(t *testing.T, f *filter.Filter) {
	t.Helper()
	again, err := filter.Parse(f.String())
	if err != nil {
		t.Fatalf("%s does not parse: %v", f, err)
	}
	if again.String() != f.String() {
		t.Fatalf("%s is printed as %s the second time", f, again)
	}
	if a, b := describe(f.Tree()), describe(again.Tree()); a != b {
		t.Fatalf("%s has the tree\n%s\nand printed\n%s", f, a, b)
	}
	checkNormal(t, f.Tree(), true)
}

func checkNormal(t *testing.T, n *filter.Node, root bool) {
	t.Helper()
	if n.Op == filter.Leaf {
		if n.Test == nil || n.Nodes != nil || n.Test.Field == nil {
			t.Fatalf("a leaf of %+v", n)
		}
		return
	}
	if n.Test != nil || len(n.Nodes) == 1 || len(n.Nodes) == 0 && !root {
		t.Fatalf("a node of %d nodes", len(n.Nodes))
	}
	for _, sub := range n.Nodes {
		if sub.Op == n.Op {
			t.Fatal("a node is nested in one of its kind")
		}
		checkNormal(t, sub, false)
	}
}

// describe prints a tree with all that its tests compare with.
func describe(n *filter.Node) string {
	if n.Op == filter.Leaf {
		return fmt.Sprintf("{%+v %s}", *n.Test.Field, n.Test)
	}
	var all []string
	for _, sub := range n.Nodes {
		all = append(all, describe(sub))
	}
	return fmt.Sprintf("%d(%s)", n.Op, strings.Join(all, " "))
}

// badFilters are filters, the column where they are wrong, and what the error has to say.
var badFilters = []struct {
	text   string
	column int
	says   string
}{
	{"", 1, "empty"},
	{"  ", 1, "empty"},
	{"ST", 1, "ST=* asks"},
	{"login", 1, "raw~login"},
	{"login error", 1, "raw~login"},
	{`"login"`, 1, `raw~"login"`},
	{"st=5", 1, `no field "st"`},
	{"ST=", 4, "missing behind ="},
	{"ST= 5", 4, "no blank may stand right behind ="},
	{"b= s=y", 3, "no blank may stand right behind ="},
	{"ST=,5", 4, "missing before this comma"},
	{"ST=5,", 6, "missing behind ="},
	{"ST=abc", 4, `"abc" is no value`},
	{"ST>abc", 4, `"abc" is no value`},
	{"ST=<500", 4, `"<500" is no value`},
	{"ST=5.5", 4, `"5.5" is no value`},
	{"ST=99999999999999999999", 4, "is no value"},
	{"ST=0xx", 4, "is no value"},
	{"ST=600..500", 4, "ends before it begins"},
	{"ST=..", 4, "want a number before or behind"},
	{"ST<5,6", 6, "takes one value"},
	{"ST<5..6", 4, "is no value"},
	{"ST~5", 1, "ST is a number"},
	{"ST:5", 3, "write = for :"},
	{"ST==5", 3, "== is no operator"},
	{"b=~x", 2, "no regular expressions"},
	{"b~=x", 2, "~= is no operator"},
	{"b!x", 2, "want one of !="},
	{"b*=x", 2, "before the *"},
	{"b<x", 1, "cannot be compared with <"},
	{"HU>x", 1, "cannot be compared with >"},
	{"Ta>2x", 4, "1.5s"},
	{"Ta>0.5ms", 4, "whole number of milliseconds"},
	{"Ta>2s5", 4, "1.5s"},
	{"Ta~5", 1, "Ta is a duration"},
	{"B>1x", 3, "1MiB"},
	{"B>99999999TiB", 3, "is no value"},
	{"ci=10.2.0.0/33", 4, "neither an address nor a network"},
	{"ci=10.2.3.4/16", 4, "write 10.2.0.0/16 for the network"},
	{"ci=10.2", 4, "ci^= asks"},
	{"ci=1.2.3.4:80", 4, "neither an address"},
	{"ci=fe80::1%eth0", 4, "neither an address"},
	{"ci=", 4, "missing behind ="},
	{"ci>10.0.0.1", 1, "cannot be compared with >"},
	{"truncated=1", 11, "true or false"},
	{"truncated~t", 1, "true or false"},
	{"b=a*", 4, "no wildcard"},
	{"b=*,x", 3, "* is any value"},
	{"b~*", 4, "missing behind ~*"},
	{"b^=*", 4, "no wildcard"},
	{`b~""`, 3, "b=* asks for any"},
	{`req.1=""`, 7, "ask with req.1!=*"},
	{`req.host=-`, 10, "ask with req.host!=*"},
	{"HU~a,b", 4, "each of which needs quotes"},
	{`HU="a"b`, 7, "right behind a closing quote"},
	{`HU=a"b"`, 5, "put the whole value in quotes"},
	{`HU=it's`, 6, "put the whole value in quotes"},
	{`HU=a(b)`, 5, "put the whole value in quotes"},
	{`HU~"a`, 4, "never closed"},
	{`HU~'a"`, 4, "never closed"},
	{`HU~"a\`, 4, "never closed"},
	{`HU~"a\.b"`, 6, "between double quotes a backslash"},
	{`HU~"\x0"`, 5, "between double quotes a backslash"},
	{"HU=\x01", 4, "put the whole value in quotes"},
	{"(ST=5", 1, "never closed"},
	{"((ST=5)", 1, "never closed"},
	{"ST=5)", 5, "there is no ( for this )"},
	{"ST=5 )", 6, "there is no ( for this )"},
	{"()", 2, "missing before this )"},
	{"ST=5 and", 9, "missing at the end"},
	{"ST=5 or ", 9, "missing at the end"},
	{"not", 4, "missing at the end"},
	{"!", 2, "missing at the end"},
	{"or ST=5", 1, `missing before "or"`},
	{"ST=5 and and ST=6", 10, `missing before "and"`},
	{"ST=5 && b=x", 6, `write "and"`},
	{"ST=5 || b=x", 6, `write "or"`},
	{"ST=5; b=x", 4, `"5;" is no value`},
	{"=5", 1, "begins no test"},
	{"é=5", 1, "begins no test"},
	{`HU="é" st=5`, 8, "no field"}, // columns are characters
	{"%ST=5", 1, "without %"},
	{"%[x=5", 1, "there is no ]"},
	{"%[]=5", 1, "want %[expression]"},
	{"%(x=5", 1, "want %(name)"},
	{"%()=5", 1, "want %(name)"},
	{"host=x", 1, "req.Host"},
	{"time>5", 1, "--from"},
	{"tr=x", 1, "--from"},
	{"x_foo=1", 1, "%[expression]"},
	{"req=x", 1, "req.NAME"},
	{"req.=x", 1, "req.NAME"},
	{"req.0=x", 1, "slots are req.1 to req.8"},
	{"res.9=x", 1, "slots are res.1 to res.8"},
	{"labels=x", 1, "labels.NAME"},
	{"labels.A=x", 1, "labels.NAME"},
	{"ts=SD--", 4, "tsc has all"},
	{"HP=/a?b", 4, "HU is the path and the query"},
	{strings.Repeat("(", 101) + "ST=5" + strings.Repeat(")", 101), 101, "nested more than 100 deep"},
	{strings.Repeat("!", 200) + "ST=5", 101, "nested more than 100 deep"},
	{"ST=" + strings.Repeat("5", 20000), 16385, "at most 16384"},
	{"headers=" + strings.Repeat(`"a",`, 400) + `"a"`, 1, "the limit is 4096"},
}

func TestBad(t *testing.T) {
	for _, tc := range badFilters {
		f, err := filter.Parse(tc.text)
		if err == nil {
			t.Errorf("%s is taken for %s", tc.text, f)
			continue
		}
		var syntax *filter.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %T", tc.text, err)
			continue
		}
		if syntax.Column() != tc.column || !strings.Contains(err.Error(), tc.says) || syntax.Text != tc.text {
			t.Errorf("%.80s: got %v; want column %d, %q", tc.text, err, tc.column, tc.says)
		}
	}
}

// TestUnknownNames makes sure that a misspelt name can be looked up, and that every name offered is one.
func TestUnknownNames(t *testing.T) {
	_, err := filter.Parse("ci=::1 stauts>500")
	var syntax *filter.SyntaxError
	if !errors.As(err, &syntax) || syntax.Unknown != "stauts" {
		t.Errorf("%v", err)
	}
	for _, name := range filter.Names() {
		if _, err := filter.Parse(name + "=*"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrintedTests prints single tests, as --explain does.
func TestPrintedTests(t *testing.T) {
	for text, want := range map[string]string{
		"ST>500": "ST=501..", "ST<500": "ST=..499", "ST=5xx,404": "ST=404,500..599", "ST!=500": "ST!=500", "ST=*": "ST=*", "ST!=*": "ST!=*",
		"Ta>2s": "Ta=2001..", "truncated=true": "truncated=true", "truncated!=true": "truncated!=true", "truncated=true,false": "truncated=false,true",
		"b=x,y": "b=x,y", "b!~x": "b!~x", "b~*X": "b~*x", "not b^=x": "not b^=x", "b$=x": "b$=x", `HP="/a","/b c"`: `HP="/a","/b c"`, `CC=""`: `CC=""`,
		"ci=10.2.0.0/16,unix,::ffff:1.2.3.4": "ci=10.2.0.0/16,unix,1.2.3.4", "ci!=::/0": "ci!=::/0", "%[x]>5": "%[x]=6..", "ts=SD": "ts=SD",
	} {
		if got := leaf(t, text).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	var all []string
	for test := range parse(t, "not (HU~/x?y or ft=a~)").Tree().Tests {
		all = append(all, test.String())
		if len(all) == 4 {
			break
		}
	}
	if got, want := strings.Join(all, " "), "not HP$=/x not HQ^=y"; !strings.HasPrefix(strings.ReplaceAll(got, "http_query", "HQ"), want) || len(all) != 4 {
		t.Errorf("%s", got)
	}
}
