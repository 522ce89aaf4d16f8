package filter_test

import (
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
)

func TestMissing(t *testing.T) {
	compile := func(spec string, c *parser.Captures) *parser.Format {
		f, err := parser.CompileWith(spec, parser.Options{Captures: c})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	tcp, http := compile("tcplog", nil), compile("httplog", nil)
	known := compile("httplog", &parser.Captures{Request: []string{"Host"}, Response: []string{}})
	text := "ST=5 ci=::1 (HU~x or not req.host=y) req.host=z r=* hr~a headers~b ft=c %[x]=d node=e raw~f labels.g=h syslog_host=i format=j truncated=true HPO=k state=UP"
	for _, tc := range []struct {
		formats []*parser.Format
		want    string
	}{
		{[]*parser.Format{tcp}, "ST HU req.host r hr %[x] HPO state"},
		{[]*parser.Format{http}, "req.host %[x] HPO state"},
		{[]*parser.Format{tcp, known}, "%[x] HPO state"},
		{[]*parser.Format{http, compile("%HPO %[x]", nil), compile(parser.EventFormat, nil)}, "req.host"},
	} {
		if got := strings.Join(parse(t, text).Missing(tc.formats), " "); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}
