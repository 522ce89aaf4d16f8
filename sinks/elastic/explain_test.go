package elastic

import (
	"bytes"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
)

// TestFieldsOf: a document of a line with all fields has what they are said to go to.
func TestFieldsOf(t *testing.T) {
	for name, line := range map[string]string{
		"httplog": `1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/0/0/7 200 1 A=b C=d ---- 1/1/1/1/+1 0/0 {a|b} {c} "GET http://h:80/x.y?y=z HTTP/1.1"`,
		"tcplog":  `1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/7 1 -- 1/1/1/1/+1 0/0`,
		"error":   `1.2.3.4:5 [22/Nov/2026:16:10:39.048] f/1: Connection closed`,
		"%f %ft %t %T %ms %{+Q}[var(txn.id)] %HU %sslv": `f g~ 22/Nov/2026:16:10:39.048 22/Nov/2026:16:10:39 +0000 048 "x" https://h:80/a.b?c TLSv1.3`,
	} {
		f, err := parser.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc := documents(t, group(t, 1, []byte(line+"\n"), name).Body, &Documents{})
		for i, names := range FieldsOf(f) {
			alias := f.Fields()[i].Alias
			if len(names) == 0 && alias != "T" && alias != "ms" && alias != "ft" {
				t.Errorf("%s: %s is in no field", name, f.Fields()[i].Name)
			}
			for _, field := range names {
				if !bytes.Contains(doc, []byte(`"`+field+`":`)) {
					t.Errorf("%s: %s is not in %s", name, field, doc)
				}
			}
		}
	}
	f, err := parser.Compile("%ft %t")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(FieldsOf(f)[0], " "); got != "haproxy.frontend_name haproxy.frontend_tls" {
		t.Errorf("got %s", got)
	}
}
