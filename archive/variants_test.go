package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser"
)

func captured(t *testing.T, spec string, request, response []string) *parser.Format {
	t.Helper()
	f, err := parser.CompileWith(spec, parser.Options{Captures: &parser.Captures{Request: request, Response: response}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// httplogLine is a line of option httplog with these header blocks.
func httplogLine(blocks string) string {
	return `127.0.0.1:38629 [22/Nov/2026:16:17:55.910] web app/app2 0/0/0/1/12 404 431 - - ---- 17/13/12/6/1 0/0 ` + blocks + `"GET / HTTP/1.1"` + "\n"
}

// TestCapturesAreInTheFooter writes lines of frontends that capture different
// headers, and reads with what the footer says about them.
func TestCapturesAreInTheFooter(t *testing.T) {
	both := captured(t, "httplog", []string{"Host", "User-Agent"}, []string{"Server"})
	request := captured(t, "httplog", []string{"Host"}, nil)
	none := captured(t, "%ci %ST", nil, nil)
	unknown := compile(t, "tcplog")
	lines := httplogLine("{a|b} {c} ") + httplogLine("{d} ") + "127.0.0.1 200\n" + httplogLine("{|} {} ") + strings.Replace(httplogLine(""), "GET / HTTP/1.1", "<BADREQ>", 1) +
		httplogLine("{\xff|b} {c} ") + httplogLine("{1|2|3|4|5|6|7|8|9} {c} ") + "no format\n"
	object, err := newEncoder(t, both, request, none, unknown).Encode([]Batch{batch(1, 0, []byte(lines))}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if object.Refused != 0 {
		t.Errorf("%d rows did not render back", object.Refused)
	}
	if diff := cmp.Diff(lines, string(readBack(t, object.Body))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	r, err := Open(bytes.NewReader(object.Body), int64(len(object.Body)))
	if err != nil {
		t.Fatal(err)
	}
	want := []FormatInfo{
		{"httplog", both.Spec(), &CaptureInfo{[]string{"Host", "User-Agent"}, []string{"Server"}}, nil},
		{"httplog", both.Spec(), &CaptureInfo{[]string{"Host"}, []string{}}, nil},
		{"%ci %ST", "%ci %ST", &CaptureInfo{[]string{}, []string{}}, nil},
		{"tcplog", unknown.Spec(), nil, nil},
		{"error", "%ci:%cp [%t] %f/%bind: %message", nil, nil},
		{parser.EventFormat, "%b %s %state %message", nil, nil},
	}
	if diff := cmp.Diff(want, r.Meta().Formats); diff != "" {
		t.Errorf("footer (-want +got)\n%s", diff)
	}
	var got []string
	if err := r.Rows(func(row *Row) error {
		s := row.Format
		if row.Record != nil && row.Record.Format.Captures() != nil {
			s += fmt.Sprint(row.Record.Format.Captures().Request)
		}
		got = append(got, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("httplog[Host User-Agent] httplog[Host] %ci %ST[] httplog[Host User-Agent] httplog[Host User-Agent]", strings.Join(got[:5], " ")); diff != "" {
		t.Errorf("formats of rows (-want +got)\n%s", diff)
	}
}

// TestOneFormatKnowsItsCaptures is the usual case: no two formats of one name.
func TestOneFormatKnowsItsCaptures(t *testing.T) {
	f := captured(t, "httplog", []string{"Host"}, nil)
	object, err := newEncoder(t, f).Encode([]Batch{batch(1, 0, []byte(httplogLine("{a} ")))}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(object.Body), int64(len(object.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Rows(func(row *Row) error {
		if diff := cmp.Diff(f.Captures(), row.Record.Format.Captures(), cmp.Transformer("empty", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestObjectsWithoutCaptures are those of writers that did not know them.
func TestObjectsWithoutCaptures(t *testing.T) {
	info := newFormatInfo(compile(t, "httplog"))
	b, err := json.Marshal(info)
	if err != nil || strings.Contains(string(b), "captures") {
		t.Errorf("%v: %s", err, b)
	}
	var old FormatInfo
	if err := json.Unmarshal([]byte(`{"name":"httplog","spec":"`+strings.ReplaceAll(info.Spec, `"`, `\"`)+`"}`), &old); err != nil {
		t.Fatal(err)
	}
	if f, err := old.compile(); err != nil || f.Captures() != nil || f.Name() != "httplog" {
		t.Errorf("%v, %v", f, err)
	}
}

func TestFormatsOfOneNameDiffer(t *testing.T) {
	a, b := captured(t, "httplog", []string{"Host"}, nil), captured(t, "httplog", []string{"Host"}, []string{})
	if _, err := NewEncoder(Options{Writer: "w", Formats: []*parser.Format{a, compile(t, "httplog")}}); err != nil {
		t.Error(err)
	}
	if _, err := NewEncoder(Options{Writer: "w", Formats: []*parser.Format{a, b}}); err == nil {
		t.Error("the same format twice was accepted")
	}
}
