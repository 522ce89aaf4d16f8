package elastic

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

// one gives the document of a line of a format with the given captures.
func one(t testing.TB, d *Documents, captures *parser.Captures, spec, line string) map[string]any {
	t.Helper()
	f, err := parser.CompileWith(spec, parser.Options{Captures: captures})
	if err != nil {
		t.Fatal(err)
	}
	var r parser.Record
	row := archive.Row{Source: wire.Source{ID: "0a", Node: "lb-1", Path: "/p"}, Raw: []byte(line), Message: []byte(line)}
	if f.Parse(row.Raw, &r) {
		row.Record, row.Format = &r, f.Name()
	}
	doc, ok := d.Append(nil, &row, "KEY")
	if !ok {
		return nil
	}
	if err := sound(doc); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestElasticsFields: lines of every kind that Elastic's integration reads, and
// those that it fails on, have the fields that its pipeline and its dashboards
// ask for (elastic/integrations, packages/haproxy 1.17).
func TestElasticsFields(t *testing.T) {
	captured := &parser.Captures{Request: []string{"Host", "User-Agent", "Referer", "X-Forwarded-For", "X-Request-ID"}, Response: []string{"Server"}}
	list := func(items ...any) []any { return items }
	for _, c := range []struct {
		name, spec, line string
		captures         *parser.Captures
		want             map[string]any
		absent           []string
	}{
		{
			name: "http", spec: "httplog",
			line: `198.51.100.7:40022 [22/Nov/2026:16:10:39.048] www~ api/a1 1/2/3/4/12 404 512 SID=1 - --VN 9/8/7/6/+2 5/4 "POST /v1/items/list.tar.gz?page=2&x=%20 HTTP/1.1"`,
			want: map[string]any{
				"data_stream.type": "logs", "data_stream.dataset": "haproxy.log", "event.kind": "event", "event.category": list("web"),
				"event.type": list("connection"), "event.outcome": "failure", "event.duration": 12e6, "event.timezone": nil,
				"haproxy.frontend_name": "www", "haproxy.frontend_tls": true, "haproxy.backend_name": "api", "haproxy.server_name": "a1",
				"haproxy.http.request.time_wait_ms": 1.0, "haproxy.total_waiting_time_ms": 2.0, "haproxy.connection_wait_time_ms": 3.0,
				"haproxy.http.request.time_wait_without_data_ms": 4.0, "haproxy.bytes_read": 512.0, "http.response.bytes": 512.0,
				"http.response.status_code": 404.0, "haproxy.http.request.captured_cookie": "SID=1", "haproxy.http.response.captured_cookie": nil,
				"haproxy.termination_state": "--VN", "haproxy.connections.active": 9.0, "haproxy.connections.frontend": 8.0,
				"haproxy.connections.backend": 7.0, "haproxy.connections.server": 6.0, "haproxy.connections.retries": 2.0, "haproxy.redispatched": true,
				"haproxy.server_queue": 5.0, "haproxy.backend_queue": 4.0, "source.address": "198.51.100.7", "source.ip": "198.51.100.7",
				"source.port": 40022.0, "related.ip": list("198.51.100.7"), "http.request.method": "POST", "http.version": "1.1",
				"url.original": "/v1/items/list.tar.gz?page=2&x=%20", "url.path": "/v1/items/list.tar.gz", "url.query": "page=2&x=%20", "url.extension": "gz",
				"haproxy.http.request.raw_request_line": "POST /v1/items/list.tar.gz?page=2&x=%20 HTTP/1.1", "url.domain": nil, "event.original": nil,
			},
		},
		{
			name: "captured headers", spec: "httplog", captures: captured,
			line: `2001:db8::7:40022 [22/Nov/2026:16:10:39.048] www api/a1 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {shop.example.com:8443|curl/8.7 (x)|https://a.example/b|203.0.113.9, 10.0.0.1|req-1} {nginx} "GET / HTTP/2.0"`,
			want: map[string]any{
				"url.domain": "shop.example.com", "url.port": 8443.0, "user_agent.original": `curl/8.7 (x)`, "http.request.referrer": "https://a.example/b",
				"network.forwarded_ip": "203.0.113.9", "http.request.id": "req-1", "haproxy.http.request.headers.x-request-id": "req-1",
				"haproxy.http.request.headers.host":     "shop.example.com:8443",
				"haproxy.http.response.headers.server":  "nginx",
				"haproxy.http.request.captured_headers": list("shop.example.com:8443", `curl/8.7 (x)`, "https://a.example/b", "203.0.113.9, 10.0.0.1", "req-1"),
				"related.ip":                            list("2001:db8::7", "203.0.113.9"), "related.hosts": list("shop.example.com"), "source.ip": "2001:db8::7", "event.outcome": "success",
				"haproxy.http.response.captured_headers": list("nginx"),
			},
		},
		{
			name: "only one block, and nobody knows whose", spec: "httplog",
			line:   `198.51.100.7:1 [22/Nov/2026:16:10:39.048] www api/a1 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 {a|b} "GET / HTTP/1.1"`,
			want:   map[string]any{"haproxy.http.captured_headers": list("a", "b")},
			absent: []string{"haproxy.http.request.captured_headers", "haproxy.http.response.captured_headers"},
		},
		{
			name: "an attack", spec: "httplog",
			line: `198.51.100.7:1 [22/Nov/2026:16:10:39.048] www www/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"`,
			want: map[string]any{
				"http.response.status_code": 400.0, "haproxy.server_name": "<NOSRV>", "haproxy.http.request.raw_request_line": "<BADREQ>",
				"event.duration": 0.0, "source.ip": "198.51.100.7",
			},
			absent: []string{"error.message", "http.request.method", "url.path"},
		},
		{
			name: "a URL that no pattern for URLs takes", spec: "httplog",
			line: `198.51.100.7:1 [22/Nov/2026:16:10:39.048] www api/a1 0/0/0/0/0 200 0 - - ---- 1/1/0/0/0 0/0 "GET /index.php?s=/<script>{{${jndi:ldap://x}}}|\#22' HTTP/1.1"`,
			want: map[string]any{"url.path": "/index.php", "url.extension": "php", "url.query": `s=/<script>{{${jndi:ldap://x}}}|\#22'`, "http.request.method": "GET"},
		},
		{
			name: "a client that HAProxy does not know", spec: "httplog",
			line:   `-:- [22/Nov/2026:16:10:39.048] www api/a1 0/0/0/0/0 200 0 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`,
			want:   map[string]any{"haproxy.frontend_name": "www"},
			absent: []string{"source.address", "source.ip", "related.ip", "source.port"},
		},
		{
			name: "https", spec: "httpslog",
			line: `198.51.100.7:1 [22/Nov/2026:16:10:39.048] www~ api/a1 0/0/0/0/0 200 0 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1" 0/000000000A00009C/0/0/1 shop.example.com/TLSv1.3/TLS_AES_256_GCM_SHA384`,
			want: map[string]any{
				"haproxy.connections.fc_err": 0.0, "haproxy.connections.ssl_fc_err": 167772316.0, "haproxy.connections.ssl_c_err": 0.0,
				"haproxy.connections.ssl_c_ca_err": 0.0, "tls.resumed": true, "tls.client.server_name": "shop.example.com", "tls.version": "1.3",
				"tls.version_protocol": "tls", "tls.cipher": "TLS_AES_256_GCM_SHA384", "destination.domain": "shop.example.com",
				"url.domain": "shop.example.com", "related.hosts": list("shop.example.com"),
			},
		},
		{
			name: "tcp", spec: "tcplog",
			line: `198.51.100.7:1 [22/Nov/2026:16:10:39.048] tcp db/d1 7/8/1500 33 cD 5/4/3/2/1 0/0`,
			want: map[string]any{
				"haproxy.total_waiting_time_ms": 7.0, "haproxy.connection_wait_time_ms": 8.0, "event.duration": 1500e6, "haproxy.bytes_read": 33.0,
				"haproxy.termination_state": "cD", "event.category": list("network"),
			},
			absent: []string{"http.response.bytes", "event.outcome"},
		},
		{
			name: "a failed connection", spec: "error",
			line: `198.51.100.7:1 [22/Nov/2026:16:10:39.048] www/1: SSL handshake failure`,
			want: map[string]any{
				"haproxy.frontend_name": "www", "haproxy.bind_name": "1", "haproxy.error_message": "SSL handshake failure",
				"error.message": "SSL handshake failure", "event.outcome": "failure",
			},
		},
		{
			name: "without option httplog", spec: "default",
			line: `Connect from 198.51.100.7:1 to 203.0.113.1:443 (www/HTTP)`,
			want: map[string]any{
				"destination.address": "203.0.113.1", "destination.ip": "203.0.113.1", "destination.port": 443.0, "haproxy.mode": "HTTP",
				"related.ip": list("198.51.100.7", "203.0.113.1"),
			},
		},
		{
			name: "expressions that tell what aliases do", spec: `%[src]:%[src_port] %[method] %[url] %{+Q}[req.hdr(user-agent)] %{+Q}[capture.req.hdr(2)] %[ssl_fc_alpn] %[var(txn.x)] %ST`, captures: captured,
			line: `198.51.100.7:99 GET /a.b?c "curl" "https://r.example/" h2 v 200`,
			want: map[string]any{
				"source.address": "198.51.100.7", "source.ip": "198.51.100.7", "source.port": 99.0, "http.request.method": "GET", "url.original": "/a.b?c",
				"url.path": "/a.b", "url.extension": "b", "url.query": "c", "user_agent.original": "curl", "http.request.referrer": "https://r.example/",
				"tls.next_protocol": "h2", "labels.var_txn_x_": "v", "haproxy.http.request.headers.referer": "https://r.example/",
			},
		},
		{
			name: "a header in the list and by itself", spec: `%ci %hr %[capture.req.hdr(1)]`, captures: captured,
			line: `198.51.100.7 {h|curl|||} curl`,
			want: map[string]any{"user_agent.original": "curl", "haproxy.http.request.headers.user-agent": "curl", "url.domain": "h"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := one(t, &Documents{}, c.captures, c.spec, c.line)
			for _, name := range slices.Sorted(maps.Keys(c.want)) {
				if !reflect.DeepEqual(c.want[name], got[name]) {
					t.Errorf("%s: got %v, want %v", name, got[name], c.want[name])
				}
			}
			for _, name := range c.absent {
				if v, ok := got[name]; ok {
					t.Errorf("%s is %v, want none", name, v)
				}
			}
			if got["error.message"] != nil && c.want["error.message"] == nil {
				t.Errorf("error.message: %v", got["error.message"])
			}
		})
	}
}

// mapped gives the type of each field that the template has; "*" at the end of a
// name stands for all below it.
func mapped(t testing.TB) map[string]string {
	t.Helper()
	var all struct {
		Template struct {
			Mappings struct {
				Properties map[string]any `json:"properties"`
			} `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(templateJSON, &all); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	var walk func(prefix string, properties map[string]any)
	walk = func(prefix string, properties map[string]any) {
		for name, v := range properties {
			p, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("%s%s is %v", prefix, name, v)
			}
			if below, ok := p["properties"].(map[string]any); ok {
				walk(prefix+name+".", below)
			} else if p["dynamic"] == true {
				types[prefix+name+".*"] = "keyword"
			} else if typ, ok := p["type"].(string); ok {
				types[prefix+name] = typ
			} else {
				t.Errorf("%s%s has no type", prefix, name)
			}
		}
	}
	walk("", all.Template.Mappings.Properties)
	return types
}

// typeOf gives the type of a field, "" if it is in no document of the template.
func typeOf(types map[string]string, name string) string {
	if typ := types[name]; typ != "" {
		return typ
	}
	for i := strings.LastIndexByte(name, '.'); i >= 0; i = -1 {
		return types[name[:i]+".*"]
	}
	return ""
}

// TestEveryFieldIsInTheTemplate: dynamic is false there, so that a field that is
// missing is in no search. All documents of the corpus, and all that any field
// can become, are asked.
func TestEveryFieldIsInTheTemplate(t *testing.T) {
	types := mapped(t)
	check := func(where, name string, value any) {
		typ := typeOf(types, name)
		fits := map[string]bool{"long": true, "double": true, "boolean": false, "geo_point": false, "": false}
		if typ == "" {
			t.Errorf("%s: %s is not in the template", where, name)
			return
		}
		if _, number := value.(float64); value != nil && number != (fits[typ] && typ != "keyword") {
			t.Errorf("%s: %s is a %s, the document has %v", where, name, typ, value)
		}
	}
	for name, target := range targets() {
		for _, field := range append([]string{target.name}, derived(target.name)...) {
			check("%"+name, field, nil)
		}
	}
	for _, response := range []bool{false, true} {
		for _, name := range []string{"user-agent", "referer", "host", "x-forwarded-for", "x-request-id", "x"} {
			h := header{name: name, response: response}
			for _, field := range h.names() {
				check("header "+name, field, nil)
			}
		}
	}
	seen := map[string]bool{}
	corpus(t, func(name string, raw []byte, formats []string) {
		if _, err := parser.Compile(formats[0]); err != nil {
			formats = formats[1:]
		}
		for doc := range bytes.Lines(documents(t, group(t, 1, raw, formats...).Body, &Documents{})) {
			var m map[string]any
			if err := json.Unmarshal(doc, &m); err != nil {
				t.Fatal(err)
			}
			for field, v := range m {
				if !seen[field] {
					check(name, field, v)
				}
				seen[field] = true
			}
		}
	})
	if len(seen) < 60 {
		t.Errorf("only %d fields were seen", len(seen))
	}
	for _, field := range dashboardFields() {
		if typeOf(types, field) == "" {
			t.Errorf("%s of Elastic's dashboard is not in the template", field)
		}
	}
}

// dashboardFields are those that "[Logs HAProxy] Overview" asks for.
func dashboardFields() []string {
	return []string{
		"haproxy.backend_name", "haproxy.frontend_name", "source.geo.location", "source.address", "http.response.status_code", "data_stream.dataset",
	}
}

// TestHeaderWrapsBecomeSyslogFields: what stands before a line is in log.syslog,
// and the process in process.
func TestHeaderWrapsBecomeSyslogFields(t *testing.T) {
	raw := []byte("<134>Nov 22 16:17:55 lb1 haproxy[4711]: " + string(lines(1)))
	var m map[string]any
	if err := json.Unmarshal(documents(t, group(t, 1, raw).Body, &Documents{}), &m); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, name := range []string{
		"process.name", "process.pid", "haproxy.source", "log.syslog.hostname", "log.syslog.appname", "log.syslog.procid",
		"log.syslog.facility.code", "log.syslog.severity.code",
	} {
		got[name] = m[name]
	}
	want := map[string]any{
		"process.name": "haproxy", "process.pid": 4711.0, "haproxy.source": "lb1", "log.syslog.hostname": "lb1", "log.syslog.appname": "haproxy",
		"log.syslog.procid": "4711", "log.syslog.facility.code": 16.0, "log.syslog.severity.code": 6.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
