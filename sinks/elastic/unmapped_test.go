package elastic

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestAFieldThatIsRejectedGoesToALabel(t *testing.T) {
	server := servers.Elastic(t)
	if code := request(t, http.MethodPut, server.URL+"/_index_template/wrong2", `{"index_patterns":["logs-haproxy.log-unmapped"],"priority":900,"data_stream":{},
		"template":{"mappings":{"properties":{"haproxy":{"properties":{"frontend_name":{"type":"ip"},"server_name":{"type":"date"}}},
		"labels":{"properties":{"loghaul_unmapped":{"type":"keyword"}}}}}}}`, nil); code != 200 {
		t.Fatalf("HTTP %d", code)
	}
	c := testConfig(server.URL, "unmapped")
	c.Unmapped = true
	r := run(t, c)
	good := strings.NewReplacer("fe-main", "127.0.0.1", "/srv0", "/2026", "/srv1", "/2026", "/srv2", "/2026").Replace(string(lines(3)))
	one := strings.ReplaceAll(good, "127.0.0.1", "fe-other")
	two := string(lines(3)) // two fields are wrong: that is one too many
	r.Offer(group(t, 1, []byte(good+one+two)))
	r.settled()
	if indexed, rejected, mended := r.documents("indexed"), r.sum(metricRejected, ""), r.sum(metricMended, ""); indexed != 6 || rejected != 3 || mended != 6 {
		t.Errorf("%d indexed, %d rejected, %d without a field, want 6, 3 and 6", indexed, rejected, mended)
	}
	for query, want := range map[string]int{"": 6, `labels.loghaul_unmapped:*`: 3, `loghaul.archive.row:[3%20TO%205]`: 3} {
		if n := count(t, server, "unmapped", query); n != want {
			t.Errorf("%q finds %d, want %d", query, n, want)
		}
	}
	// Again: the ids are the same.
	r.Offer(group(t, 1, []byte(good+one)))
	r.settled()
	if n := r.documents("exists"); n != 6 {
		t.Errorf("%d were there already, want 6", n)
	}
}

func TestBlamed(t *testing.T) {
	for reason, want := range map[string]string{
		`[1:98] failed to parse field [source.ip] of type [ip] in document with id 'x-1'. Preview of field's value: 'a]b'`: "source.ip",
		`failed to parse field [event.duration] of type [long]`:                                                            "event.duration",
		`[1:7] object mapping for [haproxy.server] tried to parse field [server] as object, but found a concrete value`:    "haproxy.server",
		`Limit of total fields [1000] has been exceeded`:                                                                   "",
		`failed to parse field [`: "",
		``:                        "",
	} {
		if got := blamed(reason); got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}

func TestWithout(t *testing.T) {
	for _, c := range []struct{ doc, field, want string }{
		{`{"@timestamp":1,"a.b":"x\"y","c":[1,2]}`, "a.b", `{"@timestamp":1,"c":[1,2],"labels.loghaul_unmapped":"a.b=x\"y"}`},
		{`{"a.b":"x","c":[1,2]}`, "c", `{"a.b":"x","labels.loghaul_unmapped":"c=[1,2]"}`},
		{`{"a.b":"x","a.c":2,"ab":3}`, "a", `{"ab":3,"labels.loghaul_unmapped":"a.b=x a.c=2"}`},
		{`{"a":12345678901234567890,"d":null}`, "d", `{"a":12345678901234567890,"labels.loghaul_unmapped":"d=null"}`},
		{`{"a":1}`, "b", ""},
		{`{"@timestamp":1}`, "@timestamp", ""},
		{`{"labels.x":"1"}`, "labels", ""},
		{`{"a":1`, "a", ""},
		{`[1]`, "a", ""},
	} {
		got, ok := without(nil, []byte(c.doc), c.field)
		if ok != (c.want != "") || (ok && string(got) != c.want) {
			t.Errorf("%s without %s: %s %v, want %s", c.doc, c.field, got, ok, c.want)
		}
	}
}

func FuzzWithout(f *testing.F) {
	f.Add(`{"@timestamp":1,"a.b":"x\"y","c":[1,2]}`, "a.b")
	f.Add(`{"a":{"b":1}}`, "a")
	f.Fuzz(func(t *testing.T, doc, field string) {
		got, ok := without(nil, []byte(doc), field)
		if ok && !json.Valid(got) {
			t.Errorf("%s without %s: %s", doc, field, got)
		}
	})
}
