package elastic

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/parser"
)

// TestFieldsPage fails when docs/elasticsearch-fields.md is stale; -update writes
// its tables anew.
func TestFieldsPage(t *testing.T) {
	path := filepath.Join(testenv.Root(t), "docs", "elasticsearch-fields.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "<!-- tables -->\n"
	prose, _, ok := strings.Cut(string(old), marker)
	if !ok {
		t.Fatalf("%s has no line %s", path, marker)
	}
	want := prose + marker + fieldTables(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(want, string(old)); diff != "" {
		t.Errorf("%s is stale: go test ./sinks/elastic -run TestFieldsPage -update\n(-want +got)\n%s", path, diff)
	}
}

// formatOf gives a format that prints a field.
func formatOf(t testing.TB, name string) *parser.Format {
	t.Helper()
	for _, spec := range []string{"%" + name, "default", "error", parser.EventFormat, "%[" + name + "]"} {
		f, err := parser.Compile(spec)
		if err != nil {
			continue
		}
		for _, field := range f.Fields() {
			if field.Alias == name || field.Expr == name {
				return f
			}
		}
	}
	t.Fatalf("no format has %s", name)
	return nil
}

func fieldTables(t testing.TB) string {
	t.Helper()
	types, told := mapped(t), map[string]bool{}
	var b strings.Builder
	cell := func(fields []string) string {
		var all []string
		for _, field := range fields {
			told[field] = true
			all = append(all, fmt.Sprintf("`%s` %s", field, typeOf(types, field)))
		}
		return strings.Join(all, ", ")
	}
	names := slices.SortedFunc(maps.Keys(targets()), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	aliases, expressions := "", ""
	for _, name := range append(names, "tr") {
		f := formatOf(t, name)
		i := slices.IndexFunc(f.Fields(), func(field parser.Field) bool { return field.Alias == name || field.Expr == name })
		field := f.Fields()[i]
		fields := FieldsOf(f)[i]
		if name == "B" || name == "U" { // only where HTTP is logged
			fields = newStep(0, targets()[name], true).names
		}
		switch {
		case name == "tr":
			aliases += "| `%tr` `%trg` `%trl` `%t` `%T` `%Tl` `%Ts` | when it began, or was accepted | `@timestamp` date, `event.timezone` keyword: the offset that was printed |\n"
		case field.Alias == "":
			expressions += fmt.Sprintf("| `%%[%s]` | %s |\n", name, cell(fields))
		default:
			aliases += fmt.Sprintf("| `%%%s` | %s | %s |\n", name, field.Doc, cell(fields))
		}
	}
	b.WriteString("\n### Aliases\n\n`%bind`, `%mode`, `%message` and `%state` are no aliases of HAProxy: it prints them where no log-format applies.\n\n| alias | | fields |\n|---|---|---|\n" + aliases)
	b.WriteString("\n### Expressions\n\n| expression | fields |\n|---|---|\n" + expressions)
	b.WriteString("\n### Captured headers\n\n| header | fields besides `haproxy.http.….headers.NAME` |\n|---|---|\n")
	for _, name := range []string{"user-agent", "referer", "host", "x-forwarded-for", "x-request-id"} {
		h := header{name: name}
		told["network.forwarded_ip"] = true
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(h.names()[1:]))
	}
	b.WriteString("\n### What else a document has\n\n| field | type | |\n|---|---|---|\n")
	told["@timestamp"], told["event.timezone"] = true, true
	meanings := otherFields()
	for _, field := range slices.Sorted(maps.Keys(types)) {
		if told[field] || strings.HasPrefix(field, "source.geo.") && field != "source.geo.location" {
			continue
		}
		if meanings[field] == "" {
			t.Errorf("%s is in the template, but nothing is said to write it", field)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", field, types[field], meanings[field])
	}
	for field := range meanings {
		if types[field] == "" || told[field] {
			t.Errorf("%s is explained, but it is no other field", field)
		}
	}
	return b.String()
}

// otherFields are those that no alias goes to.
func otherFields() map[string]string {
	return map[string]string{
		"container.id":                    "of the container, if the path of the file tells",
		"data_stream.dataset":             "`haproxy.log`",
		"data_stream.namespace":           "`index.namespace`",
		"data_stream.type":                "`logs`",
		"ecs.version":                     "`8.11.0`",
		"event.category":                  "`web` or `network`",
		"event.created":                   "when the forwarder read the line",
		"event.dataset":                   "`haproxy.log`",
		"event.kind":                      "`event`, or `pipeline_error` for a line that no format matches; `error.message` says so",
		"event.module":                    "`haproxy`",
		"event.type":                      "`connection`, or `info` for what HAProxy says about servers and itself",
		"haproxy.asap":                    "true if the line was written before the end (`option logasap`): numbers are not final",
		"haproxy.http.captured_headers":   "of the only block of a line whose format has two: nobody knows whose it is",
		"haproxy.http.request.headers.*":  "captured headers of the request by name, in lower case, if `haproxy_config` tells the names",
		"haproxy.http.response.headers.*": "the same of the response",
		"haproxy.source":                  "who sent the line, of its header of syslog",
		"haproxy.truncated":               "true if HAProxy cut the line",
		"host.name":                       "the node on which the forwarder read the line",
		"kubernetes.container.name":       "if the path of the file tells",
		"kubernetes.namespace":            "the same",
		"kubernetes.pod.name":             "the same",
		"labels.*":                        "labels of the forwarder, and expressions of a format that have no field of their own",
		"log.file.path":                   "the file, or the input",
		"log.offset":                      "where the line begins in its source",
		"log.syslog.appname":              "of the header that the line was wrapped in",
		"log.syslog.facility.code":        "the same",
		"log.syslog.hostname":             "the same",
		"log.syslog.msgid":                "the same",
		"log.syslog.procid":               "the same",
		"log.syslog.severity.code":        "the same",
		"log.syslog.structured_data":      "the same",
		"loghaul.archive.key":             "the object of the archive that has the line",
		"loghaul.archive.row":             "and the row in it: `loghaul audit cat --ref KEY#ROW` prints the line",
		"loghaul.format":                  "the format that matched",
		"loghaul.sample_rate":             "the share that a rule of `index.rules` indexes; absent if that is all",
		"loghaul.source":                  "id of the source; with `log.offset` the identity of the line",
		"loghaul.time_unsure":             "true if `@timestamp` may be another hour: a clock was put back",
		"loghaul.wrapper":                 "what the line was wrapped in",
		"message":                         "the line as HAProxy wrote it, unless `index.message` is false or a rule hides something of it",
		"process.name":                    "of the header of syslog",
		"source.as.number":                "of the ASN database of `index.geoip`",
		"source.as.organization.name":     "the same",
		"source.geo.location":             "of the city database of `index.geoip`; besides `continent_code`, `continent_name`, `country_iso_code`, `country_name`, `region_iso_code`, `region_name`, `city_name`, `timezone`",
		"stream":                          "`stdout` or `stderr` of a container",
	}
}
