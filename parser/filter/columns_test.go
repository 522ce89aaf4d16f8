package filter_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// TestSameOnColumns asks for what each core column of an archived object has, of the line as the reader gives it: the
// Matcher must find exactly that value, and none where the column is null. So whoever reads columns by Field.Column gets
// the same answer.
func TestSameOnColumns(t *testing.T) {
	names := map[string]bool{} // of columns that can be asked for
	for _, name := range filter.Names() {
		names[name] = true
	}
	asked := map[string]int{}
	// Only whether a number is 0 is not the number.
	truth, err := parser.Compile(`%{+json}o %(ok:bool)ST %(b)b`)
	if err != nil {
		t.Fatal(err)
	}
	line := [][]byte{[]byte(`{"ok": true, "b": "be"}`)}
	compareColumns(t, "truth values", encode(t, []*parser.Format{truth}, wrapper.None, line), names, asked)
	if asked["backend"] != 1 || asked["status"] > 0 {
		t.Errorf("of truth values: %v", asked)
	}
	for _, file := range corpusFiles(t, func(name string) bool { return !strings.HasPrefix(name, "trunc/") }) {
		format, err := parser.Compile(file.spec)
		if err != nil {
			t.Fatal(err)
		}
		lines := file.lines[:min(len(file.lines), 30)]
		object := encode(t, []*parser.Format{format}, wrapper.None, lines)
		compareColumns(t, file.name, object, names, asked)
	}
	all := make([]*parser.Format, 0, 8)
	for _, name := range append(parser.WellKnown(), `%fi:%fp %bi:%bp %si:%sp %f %lc %HP %HQ %[ssl_fc_sni]`) {
		f, err := parser.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	var lines [][]byte
	for _, line := range []string{
		`Connect from 1.2.3.4:5 to 6.7.8.9:80 (fe/HTTP)`,
		`10.0.0.1:80 10.0.0.2:81 ::ffff:10.0.0.3:82 web 5 /p ?q example.com`,
		`- - - web 5 /p  -`,
		`Server be/s1 is DOWN, reason: Layer4 timeout`,
		`<134>Nov 22 16:17:55 lb-1 haproxy[123]: Server be/s1 is UP, reason: x`,
		`2026-11-22T16:17:55.857123456Z stderr F <134>1 2026-11-22T16:17:55.857123+01:00 host haproxy 123 ID7 [a b="c"] Proxy x started.`,
		`nothing known`,
		`1.2.3.4:5 [22/Nov/2026:16:10:39.048] f~ b/s 0/0/0/0/+0 200 +1 - - ---- 1/1/1/1/+1 0/0 "<BADREQ>"`,
		`1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {1|2|3|4|5|6|7|8} {|} "GET /?"`,
		`1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {a|-} "GET /?x HTTP/1.1"`,
	} {
		lines = append(lines, []byte(line))
	}
	compareColumns(t, "lines", encode(t, all, wrapper.Auto, lines), names, asked)
	for row := range strings.FieldsSeq("client_ip client_port frontend_ip frontend_port backend_ip backend_port server_ip server_port frontend frontend_tls " +
		"mode backend server time_request_ms time_queue_ms time_connect_ms time_response_ms time_active_ms time_total_ms time_handshake_ms time_idle_ms " +
		"time_to_request_ms time_data_ms time_user_ms status bytes_read bytes_uploaded asap request_cookie response_cookie termination_state " +
		"connections_process connections_frontend connections_backend connections_server retries redispatched queue_server queue_backend http_method " +
		"http_path http_query http_version http_request req_header_1 req_header_8 res_header_1 header_1 unique_id log_origin hostname pid " +
		"frontend_log_counter request_counter accept_ms accept_seconds tls_version tls_cipher tls_sni tls_resumed fc_err tls_fc_err message " +
		"wrapper syslog_facility syslog_severity syslog_host syslog_tag syslog_pid syslog_msgid structured_data stream node source path format pod") {
		if asked[row] == 0 {
			t.Errorf("nothing was asked of %s", row)
		}
	}
}

func encode(t *testing.T, formats []*parser.Format, kind wrapper.Kind, lines [][]byte) []byte {
	t.Helper()
	e, err := archive.NewEncoder(archive.Options{Formats: formats, Wrapper: kind, Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	raw := append(bytes.Join(lines, []byte("\n")), '\n')
	at := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
	o, err := e.Encode([]archive.Batch{{Raw: raw, Header: wire.Header{
		Source: wire.Source{Node: "lb-1", ID: "0123456789abcdef01234567", Path: "/var/log/pods/ns_pod-1_00-ff/haproxy/0.log"},
		To:     int64(len(raw)), Records: bytes.Count(raw, []byte("\n")), ReadAt: at,
	}}}, at)
	if err != nil {
		t.Fatal(err)
	}
	return o.Body
}

// compareColumns compares each core column of each row with what a matcher finds.
func compareColumns(t *testing.T, name string, object []byte, names map[string]bool, asked map[string]int) {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	columns := file.Schema().Columns()
	r := parquet.NewReader(file)
	defer r.Close()
	opened, err := archive.Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*filter.Matcher{}
	ask := func(text string, line *filter.Line) bool {
		if known[text] == nil {
			known[text] = parse(t, text).Matcher()
		}
		return known[text].Match(line)
	}
	buf := make([]parquet.Row, 1)
	err = opened.Rows(func(row *archive.Row) error {
		if n, err := r.ReadRows(buf); n != 1 && err != io.EOF { //nolint:errorlint // as the package says
			t.Fatal(err)
		}
		line := lineOf(row)
		for i, v := range buf[0] {
			column := columns[i][0]
			if !names[column] || column == "raw" {
				continue
			}
			text := column + "="
			switch v.Kind() {
			case parquet.ByteArray, parquet.FixedLenByteArray:
				text += quoted(v.String())
				header := strings.Contains(column, "header_")
				if header && (v.String() == "" || v.String() == "-") {
					v = parquet.Value{} // absent to a filter
				}
			case parquet.Boolean:
				text += map[bool]string{true: "true", false: "false"}[v.Boolean()]
			default:
				text += v.String()
			}
			if has := ask(column+"=*", line); has != !v.IsNull() {
				t.Fatalf("%s: %s=*: %v, the column has %v\n%s", name, column, has, v, row.Raw)
			}
			if v.IsNull() {
				continue
			}
			asked[column]++
			if !ask(text, line) {
				t.Fatalf("%s: %s is false, the column has %v\n%s", name, text, v, row.Raw)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestParsedIsArchived asks all kinds of questions about lines as they are parsed, and about the same lines as they come
// out of the archive: live and archived lines must be the same to a filter.
func TestParsedIsArchived(t *testing.T) {
	matchers := map[string]*filter.Matcher{}
	for _, name := range append(filter.Names(), "%[capture.req.hdr(1)]", "%(ua)", "%[ssl_fc_sni]", "req.host", "res.server") {
		switch name {
		case "node", "source", "path", "namespace", "pod", "container": // where the line lies is not parsed
			continue
		}
		for _, test := range []string{"=*", "~1", "=0", ">=1", "=127.0.0.0/8", "=true"} {
			if f, err := filter.Parse(name + test); err == nil {
				matchers[name+test] = f.Matcher()
			}
		}
	}
	for i, file := range corpusFiles(t, func(string) bool { return true }) {
		if i%2 > 0 {
			continue
		}
		captures := &parser.Captures{Request: []string{"Host", "User-Agent", "X-Req", "Referer"}, Response: []string{"Server", "Content-Type", "X-Res"}}
		if strings.HasPrefix(file.name, "tcp") || strings.HasPrefix(file.name, "custom/") {
			captures = nil
		}
		format, err := parser.CompileWith(file.spec, parser.Options{Captures: captures})
		if err != nil {
			t.Fatal(err)
		}
		lines := file.lines[:min(len(file.lines), 10)]
		compareParsed(t, file.name, []*parser.Format{format}, lines, matchers)
	}
	nasty := [][]byte{
		[]byte("1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/3000000000 200 9999999999999 a=\xff - ---- 1/1/1/1/0 0/0 {1|2|3|4|5|6|7|8|9} {} \"GET / HTTP/1.1\""),
		[]byte("1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0/0/0/+7 200 +9 - - ---- 1/1/1/1/+1 0/0 {a|-} \"GET /?\""),
		[]byte("<134>Nov 22 16:17:55 lb-1 haproxy[123]: Server be/s1 is UP, reason: x"),
		[]byte(`{"log":"Proxy x started.\n","stream":"stdout","time":"2026-11-22T16:17:55.857123456Z"}`),
		[]byte("nothing known"),
		[]byte(""),
	}
	var known []*parser.Format
	for _, name := range parser.WellKnown() {
		f, err := parser.Compile(name)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, f)
	}
	compareParsed(t, "lines", known, nasty, matchers)
}

func compareParsed(t *testing.T, name string, formats []*parser.Format, lines [][]byte, matchers map[string]*filter.Matcher) {
	t.Helper()
	object := encode(t, formats, wrapper.Auto, lines)
	r, err := archive.Open(bytes.NewReader(object), int64(len(object)))
	if err != nil {
		t.Fatal(err)
	}
	formats = parser.Complete(formats)
	p := wrapper.NewParser(parser.NewSet(formats...), wrapper.Auto, nil)
	p.Received(time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC).UnixMilli())
	var record parser.Record
	var header wrapper.Header
	err = r.Rows(func(row *archive.Row) error {
		message, i := p.Parse(lines[row.Index], &record, &header)
		if i < 0 {
			i = p.ParseCut(message, &record)
		}
		parsed := filter.Line{Header: &header, Raw: row.Message}
		if i >= 0 {
			parsed.Record = &record
		}
		archived := lineOf(row)
		for text, m := range matchers {
			if a, b := m.Match(&parsed), m.Match(archived); a != b {
				t.Fatalf("%s: %s: parsed %v, archived %v\n%s", name, text, a, b, row.Raw)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lineOf gives a row as a line to match.
func lineOf(row *archive.Row) *filter.Line {
	return &filter.Line{
		Record: row.Record, Header: &row.Header, Raw: row.Message,
		Node: []byte(row.Source.Node), Source: []byte(row.Source.ID), Path: []byte(row.Source.Path), Labels: row.Labels,
		Namespace: row.Namespace, Pod: row.Pod, Container: row.Container, ContainerID: row.ContainerID,
	}
}

// TestLabel compares with encoding/json.
func TestLabel(t *testing.T) {
	for _, value := range []string{"", "x", `"\`, "\n\t\b\f\r\x01", "é😀", "</script>&", "\u2028"} {
		object, err := json.Marshal(map[string]string{"a": `"b":`, "b": value, "c": "x"})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := filter.Label(object, "b"); !ok || string(got) != value {
			t.Errorf("%s: %q", object, got)
		}
	}
}
