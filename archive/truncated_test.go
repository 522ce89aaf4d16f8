package archive

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// TestTruncatedLines archives lines that HAProxy cut: their bytes come back, their fields before the cut are in the
// columns, and a reader sees the same fields.
func TestTruncatedLines(t *testing.T) {
	whole := strings.Replace(strings.TrimSuffix(httplogLine("{a} "), "\n"), "web", "web-of-the-first-site", 1)
	lines := whole + "\n" +
		whole[:len(whole)-4] + "\n" + // in the request
		whole[:strings.Index(whole, " 431")-1] + "\n" + // in the status
		"<134>Nov 22 16:17:55 lb1 haproxy[7]: " + whole[:strings.Index(whole, "{a}")+1] + "\n" +
		"no format at all\n"
	e, err := NewEncoder(Options{Formats: []*parser.Format{compile(t, "tcplog"), compile(t, "httplog")}, Writer: "w", Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	object, err := e.Encode([]Batch{batch(1, 0, []byte(lines))}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if object.Refused != 0 || object.Unparsed != 1 {
		t.Errorf("%d rows refused, %d unparsed", object.Refused, object.Unparsed)
	}
	if diff := cmp.Diff(lines, string(readBack(t, object.Body))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	r, err := Open(bytes.NewReader(object.Body), int64(len(object.Body)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := r.Rows(func(row *Row) error {
		s := row.Format
		if row.Record != nil {
			if row.Record.Truncated {
				s += " cut"
			}
			for i, f := range row.Record.Format.Fields() {
				v := &row.Record.Values[i]
				switch {
				case f.Alias != "ST" && f.Alias != "b" && f.Alias != "bq":
				case v.State&parser.Unsure != 0:
					s += " " + f.Alias + "?"
				case v.State&parser.Present != 0:
					s += " " + f.Alias
				}
			}
		}
		got = append(got, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"httplog b ST bq", "httplog cut b ST bq", "httplog cut b ST?", "httplog cut b ST bq", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got)\n%s", diff)
	}
}
