package elastic

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
)

const maskKey = "0123456789abcdef0123456789abcdef"

func rules(t testing.TB, list ...Rule) *Rules {
	t.Helper()
	for i := range list {
		if list[i].Name == "" {
			list[i].Name = fmt.Sprintf("rule-%d", i)
		}
	}
	r, err := NewRules(list, maskKey)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// indexed gives the numbers of the rows that are indexed, of lines(n).
func indexed(t testing.TB, d *Documents, source, n int) (rows []int, excluded map[string]int) {
	t.Helper()
	excluded = map[string]int{}
	g := group(t, source, lines(n))
	r, err := archive.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Rows(func(row *archive.Row) error {
		before := []byte("before")
		switch doc, ok := d.Append(before, row, g.Key); {
		case ok:
			rows = append(rows, row.Index)
		case string(doc) != "before":
			t.Errorf("a row that is left out has %q", doc)
		default:
			excluded[d.ExcludedBy()]++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows, excluded
}

// lines(n) have statuses 200, 200, 404, 503 in turn, and servers srv0 to srv2.
func TestRulesInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []Rule
		rows  string // of 12
	}{
		{"skip", []Rule{{When: "ST=200", Skip: true}}, "[2 3 6 7 10 11]"},
		{"the first one decides", []Rule{{When: "ST=503", Sample: 100}, {When: "s=srv0", Skip: true}}, "[1 2 3 4 5 7 8 10 11]"},
		{"and not the second", []Rule{{When: "s=srv0", Skip: true}, {When: "ST=503", Sample: 100}}, "[1 2 4 5 7 8 10 11]"},
		{"all lines", []Rule{{Skip: true}}, "[]"},
		{"none matches", []Rule{{When: "f=other", Skip: true}}, "[0 1 2 3 4 5 6 7 8 9 10 11]"},
		{"what changes a line does not decide", []Rule{{Drop: []string{"ci"}}, {When: "ST>=400", Skip: true}}, "[0 1 4 5 8 9]"},
	} {
		rows, _ := indexed(t, &Documents{Rules: rules(t, c.rules...)}, 1, 12)
		if got := fmt.Sprint(rows); got != c.rows {
			t.Errorf("%s: rows %s, want %s", c.name, got, c.rows)
		}
	}
	rows, excluded := indexed(t, &Documents{Rules: rules(t, Rule{Name: "ok", When: "ST=200", Skip: true}, Rule{Name: "gone", When: "ST=404", Skip: true})}, 1, 12)
	if diff := cmp.Diff(map[string]int{"ok": 6, "gone": 3}, excluded); diff != "" || len(rows) != 3 {
		t.Errorf("rows %v (-want +got)\n%s", rows, diff)
	}
}

// TestSamplesAreStable: what is chosen depends on the identity of a line alone.
func TestSamplesAreStable(t *testing.T) {
	const n = 4000
	ten, again := rules(t, Rule{Sample: 10}), rules(t, Rule{Name: "other", When: "ST=*", Sample: 10})
	first, excluded := indexed(t, &Documents{Rules: ten}, 1, n)
	second, _ := indexed(t, &Documents{Rules: again}, 1, n)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("another rule of the same share chooses others: %s", diff)
	}
	if got := float64(len(first)) / n; math.Abs(got-0.1) > 0.02 || excluded["rule-0"] != n-len(first) {
		t.Errorf("%d of %d lines, want about a tenth; %v are left out", len(first), n, excluded)
	}
	twenty, _ := indexed(t, &Documents{Rules: rules(t, Rule{Sample: 20})}, 1, n)
	for _, row := range first {
		if !strings.Contains(fmt.Sprint(twenty), fmt.Sprintf(" %d ", row)) && row != twenty[0] && row != twenty[len(twenty)-1] {
			t.Errorf("row %d is in a sample of 10%%, but in none of 20%%", row)
		}
	}
	other, _ := indexed(t, &Documents{Rules: ten}, 2, n)
	if cmp.Equal(first, other) {
		t.Error("the lines of another source are chosen by the same numbers")
	}
	// What the page says: XXH64 of the id. A change would choose others.
	const want = "[5 8 20]"
	if got := fmt.Sprint(first[:3]); got != want {
		t.Errorf("the first rows are %s, want %s", got, want)
	}
	d := &Documents{Rules: ten}
	doc := documents(t, group(t, 1, lines(30)).Body, d)
	if !bytes.Contains(doc, []byte(`"loghaul.sample_rate":0.1`)) {
		t.Errorf("the document does not tell the share: %s", doc)
	}
	if doc := documents(t, group(t, 1, lines(1)).Body, &Documents{Rules: rules(t, Rule{Sample: 100})}); bytes.Contains(doc, []byte("sample_rate")) {
		t.Errorf("all lines are no sample: %s", doc)
	}
}

const masked = `198.51.100.7:40022 [22/Nov/2026:16:10:39.048] www~ api/a1 1/2/3/4/12 200 512 SID=secret - ---- 9/8/7/6/0 0/0 {shop.example.com|curl/8.7} {nginx} "GET /account/7?token=abc HTTP/1.1"`

func TestDropAndMask(t *testing.T) {
	captured := &parser.Captures{Request: []string{"Host", "User-Agent"}, Response: []string{"Server"}}
	hash := func(s string) string {
		return string(archive.NewValueMask([]byte(maskKey), 24, 48).Append(nil, []byte(s), archive.MaskHash))
	}
	const request = "haproxy.http.request.raw_request_line"
	for _, c := range []struct {
		name string
		rule Rule
		want map[string]any // nil: absent
	}{
		{
			"drop ci",
			Rule{Drop: []string{"ci"}},
			map[string]any{"source.address": nil, "source.ip": nil, "related.ip": nil, "message": nil, "source.port": 40022.0, "url.path": "/account/7"},
		},
		{"the archive's name", Rule{Drop: []string{"client_ip"}}, map[string]any{"source.address": nil, "source.ip": nil}},
		{
			"truncate ci",
			Rule{Mask: map[string]string{"ci": "truncate"}},
			map[string]any{"source.address": "198.51.100.0", "source.ip": "198.51.100.0", "related.ip": []any{"198.51.100.0"}, "message": nil},
		},
		{"hash ci", Rule{Mask: map[string]string{"ci": "hash"}}, map[string]any{"source.ip": hash("198.51.100.7"), "message": nil}},
		{
			"drop HQ",
			Rule{Drop: []string{"HQ"}},
			map[string]any{"url.query": nil, "url.path": "/account/7", "url.original": nil, request: nil, "http.request.method": "GET", "http.version": "1.1", "message": nil},
		},
		{"hash HQ", Rule{Mask: map[string]string{"HQ": "hash"}}, map[string]any{"url.query": hash("token=abc"), "url.path": "/account/7", "url.original": nil, request: nil}},
		{"drop r", Rule{Drop: []string{"r"}}, map[string]any{"url.query": nil, "url.path": nil, "url.original": nil, request: nil, "http.request.method": "GET"}},
		{"hash HP", Rule{Mask: map[string]string{"HP": "hash"}}, map[string]any{"url.query": "token=abc", "url.path": hash("/account/7"), request: nil}},
		{"hash CC", Rule{Mask: map[string]string{"CC": "hash"}}, map[string]any{"haproxy.http.request.captured_cookie": "SID=" + hash("secret"), "message": nil}},
		{
			"drop a header",
			Rule{Drop: []string{"req.user-agent"}},
			map[string]any{
				"user_agent.original": nil, "haproxy.http.request.headers.user-agent": nil, "haproxy.http.request.captured_headers": []any{"shop.example.com"},
				"url.domain": "shop.example.com", "haproxy.http.response.captured_headers": []any{"nginx"},
			},
		},
		{"drop a header by its place", Rule{Drop: []string{"req.2"}}, map[string]any{"user_agent.original": nil, "url.domain": "shop.example.com"}},
		{"hash a header", Rule{Mask: map[string]string{"req.User-Agent": "hash"}}, map[string]any{"user_agent.original": hash("curl/8.7"), "url.domain": "shop.example.com"}},
		{"drop all headers of requests", Rule{Drop: []string{"hr"}}, map[string]any{"url.domain": nil, "related.hosts": nil, "user_agent.original": nil, "haproxy.http.request.captured_headers": []any{}}},
		{"drop the line", Rule{Drop: []string{"raw"}}, map[string]any{"message": nil, "source.ip": "198.51.100.7", request: "GET /account/7?token=abc HTTP/1.1"}},
		{"drop numbers", Rule{Drop: []string{"ac", "TR", "B"}}, map[string]any{"haproxy.connections.active": nil, "haproxy.http.request.time_wait_ms": nil, "http.response.bytes": nil, "haproxy.bytes_read": nil}},
		{"drop a frontend", Rule{Drop: []string{"f"}}, map[string]any{"haproxy.frontend_name": nil}},
		{"no such line", Rule{When: "f=other", Drop: []string{"ci"}}, map[string]any{"source.ip": "198.51.100.7", "message": masked}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := one(t, &Documents{Rules: rules(t, c.rule)}, captured, "httplog", masked)
			for name, want := range c.want {
				if diff := cmp.Diff(want, got[name]); diff != "" {
					t.Errorf("%s (-want +got)\n%s", name, diff)
				}
			}
		})
	}
	t.Run("of two rules the stricter", func(t *testing.T) {
		got := one(t, &Documents{Rules: rules(t, Rule{Mask: map[string]string{"ci": "hash"}}, Rule{Mask: map[string]string{"ci": "truncate", "CC": "hash"}}, Rule{Drop: []string{"CC"}})}, nil, "httplog", masked)
		if got["source.ip"] != hash("198.51.100.7") || got["haproxy.http.request.captured_cookie"] != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("expressions", func(t *testing.T) {
		d := &Documents{Rules: rules(t, Rule{Drop: []string{"%[var(txn.user)]", "ci"}, Mask: map[string]string{"%(id)": "hash"}})}
		got := one(t, d, nil, `%[src] %[var(txn.user)] %(id)[var(txn.id)]`, `198.51.100.7 alice 4711`)
		if got["source.ip"] != nil || got["labels.var_txn_user_"] != nil || got["labels.id"] != hash("4711") || got["message"] != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a line of no format", func(t *testing.T) {
		if got := one(t, &Documents{Rules: rules(t, Rule{Drop: []string{"ci"}})}, nil, "httplog", "198.51.100.7 is here"); got["message"] != nil || got["error.message"] == nil {
			t.Errorf("got %v", got)
		}
	})
}

// TestNothingLeaks: of every line of the corpus, what is dropped or hashed is
// nowhere in the document.
func TestNothingLeaks(t *testing.T) {
	hide := []string{"ci", "r", "CC", "CS", "hr", "hs", "HU", "HP", "HQ", "ID"}
	hashes := map[string]string{}
	for _, name := range hide {
		hashes[name] = "hash"
	}
	n := 0
	for _, rule := range []Rule{{Name: "drop", Drop: hide}, {Name: "hash", Mask: hashes}} {
		compiled := rules(t, rule)
		corpus(t, func(name string, raw []byte, formats []string) {
			f, err := parser.Compile(formats[0])
			if err != nil {
				return
			}
			d, r := Documents{Rules: compiled}, parser.Record{}
			row := archive.Row{Source: wire.Source{ID: "id", Node: "n", Path: "p"}}
			for line := range bytes.Lines(raw) {
				row.Raw = bytes.TrimSuffix(line, []byte("\n"))
				if row.Message, row.Record = row.Raw, nil; f.Parse(row.Raw, &r) {
					row.Record = &r
				}
				doc, _ := d.Append(nil, &row, "key")
				if err := sound(doc); err != nil {
					t.Fatalf("%s: %v\n%s", name, err, doc)
				}
				for _, secret := range secrets(&r, row.Record != nil) {
					n++
					if bytes.Contains(doc, appendString(nil, secret)) {
						t.Fatalf("%s: rule %s: %q is in\n%s\nof %s", name, rule.Name, secret, doc, line)
					}
				}
			}
		})
	}
	if n < 5000 {
		t.Errorf("only %d values were looked for", n)
	}
}

// secrets are the values of a record that TestNothingLeaks hides.
func secrets(r *parser.Record, parsed bool) (all [][]byte) {
	if !parsed {
		return nil
	}
	add := func(text []byte) {
		if len(text) >= 8 { // short ones stand for other things as well
			all = append(all, text)
		}
	}
	for item := range r.Lone.Items {
		add(item)
	}
	for i, field := range r.Format.Fields() {
		v := &r.Values[i]
		if v.State&parser.Present == 0 {
			continue
		}
		switch field.Alias {
		case "ci", "CC", "CS", "ID", "HP", "HPO", "HQ":
			add(v.Text)
		case "hr", "hs", "hrl", "hsl":
			for item := range v.Items {
				add(item)
			}
		case "r", "HU":
			add(v.Text)
			if _, path, query, _, _, ok := parser.SplitRequest(v.Text); ok {
				add(path)
				add(query)
			}
		}
	}
	return all
}

func TestRulesSayWhatIsWrong(t *testing.T) {
	for says, rule := range map[string]Rule{
		"rules[0].name: \"\": a rule needs a name":                                            {Skip: true},
		"rules[0].name: \"a b\": a rule needs a name":                                         {Name: "a b", Skip: true},
		"rules[0].when: filter, column 1: there is no field \"stauts\"; did you mean status?": {Name: "x", When: "stauts>500", Skip: true},
		"does nothing": {Name: "x", When: "ST=200"},
		"rules[0].sample: a rule skips or samples, not both":                    {Name: "x", Skip: true, Sample: 10},
		"rules[0].skip: a rule that skips lines cannot change":                  {Name: "x", Skip: true, Drop: []string{"ci"}},
		"rules[0].drop[1]: filter, column 1: there is no field":                 {Name: "x", Drop: []string{"ci", "clien_ip"}},
		"did you mean client_ip?":                                               {Name: "x", Drop: []string{"clien_ip"}},
		"rules[0].drop[0]: node is no field of HAProxy's lines":                 {Name: "x", Drop: []string{"node"}},
		"rules[0].mask.ci: there is no method \"sha1\": write hash or truncate": {Name: "x", Mask: map[string]string{"ci": "sha1"}},
		"rules[0].mask.cp: cp cannot be masked, only dropped":                   {Name: "x", Mask: map[string]string{"cp": "hash"}},
		"rules[0].mask.HQ: HQ: truncate is for addresses":                       {Name: "x", Mask: map[string]string{"HQ": "truncate"}},
		"rules[0].mask.raw: raw cannot be masked":                               {Name: "x", Mask: map[string]string{"raw": "hash"}},
	} {
		if _, err := NewRules([]Rule{rule}, maskKey); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want an error with %q", rule, err, says)
		}
	}
	if _, err := NewRules([]Rule{{Name: "x", Mask: map[string]string{"ci": "hash"}}}, "short"); err == nil || !strings.Contains(err.Error(), "LOGHAUL_MASK_KEY") {
		t.Errorf("got %v", err)
	}
	if _, err := NewRules([]Rule{{Name: "x", Skip: true}, {Name: "x", Skip: true}}, ""); err == nil || !strings.Contains(err.Error(), "another rule") {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"", "10", "0%", "101%", "-1%", "x%", "NaN%"} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a share", text)
		}
	}
	c := Config{Rules: []Rule{{Name: "a", When: "req.Cookie=x ST=200", Skip: true}, {Name: "b", When: "sslv=*", Skip: true}}}
	f, err := parser.Compile("httplog")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rule a: req.cookie", "rule b: sslv"}, c.MissingFields([]*parser.Format{f})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRulesOfASink: excluded lines are counted by rule, are no gaps, and are not
// in the index; the archived object is what it was.
func TestRulesOfASink(t *testing.T) {
	server := servers.Elastic(t)
	c := testConfig(server.URL, "rules")
	c.Rules = []Rule{{Name: "ok", When: "ST=200", Skip: true}, {Name: "few", When: "ST=404", Sample: 50}}
	r := run(t, c)
	g := group(t, 1, lines(400))
	body := bytes.Clone(g.Body)
	if !r.Offer(g) {
		t.Fatal("the queue is full")
	}
	r.settled()
	few := r.sum(metricExcluded, `rule="few"`)
	if ok := r.sum(metricExcluded, `rule="ok"`); ok != 200 || few < 20 || few > 80 {
		t.Errorf("%d and %d lines are left out, want 200 and about 50", ok, few)
	}
	if n := count(t, server, "rules", ""); n != 200-few || len(r.gaps) != 0 {
		t.Errorf("%d documents, want %d; gaps %v", n, 200-few, r.gaps)
	}
	if !bytes.Equal(body, g.Body) {
		t.Error("the archived object was changed")
	}
}
