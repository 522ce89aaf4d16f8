package elastic

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// setUp runs Setup and gives what it says.
func setUp(t *testing.T, c Config) (said string, err error) {
	t.Helper()
	s, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []*Finding
	err = s.Setup(t.Context(), func(f *Finding) { all = append(all, f) })
	return texts(all), err
}

func TestTemplate(t *testing.T) { templates(t, servers.Elastic(t)) }

// templates has templates of other versions, and other templates, on a server. A
// server that has no template yet has none of its data streams.
func templates(t *testing.T, server *testenv.ElasticServer) {
	c := testConfig(server.URL, "template")
	put := func(name, body string) {
		t.Helper()
		if code := request(t, http.MethodPut, server.URL+"/_index_template/"+name, body, nil); code != 200 {
			t.Fatalf("HTTP %d", code)
		}
	}
	version := func() int {
		var got struct {
			Templates []struct {
				Template struct{ Version int } `json:"index_template"`
			} `json:"index_templates"`
		}
		request(t, http.MethodGet, server.URL+"/_index_template/"+TemplateName, "", &got)
		return got.Templates[0].Template.Version
	}
	ours := func(version int) string {
		return strings.Replace(string(c.IndexTemplate("")), fmt.Sprintf(`"version": %d`, TemplateVersion), fmt.Sprintf(`"version": %d`, version), 1)
	}
	other := func(pattern string, priority int) string {
		return fmt.Sprintf(`{"index_patterns":[%q],"priority":%d,"data_stream":{}}`, pattern, priority)
	}
	for _, step := range []struct {
		name    string
		before  func()
		says    string
		good    bool
		version int
	}{
		{"none, or that of other tests", func() {}, "index template " + TemplateName, true, TemplateVersion},
		{"again", func() {}, "is there", true, TemplateVersion},
		{"an older one", func() { put(TemplateName, ours(0)) }, fmt.Sprintf("is version %d now; it was 0", TemplateVersion), true, TemplateVersion},
		{"a newer one", func() { put(TemplateName, ours(99)) }, "version 99, of a newer loghaul", true, 99},
		{"others beside it", func() {
			put(TemplateName, ours(TemplateVersion))
			put("elastic-logs", other("logs-*-*", 100))
			put("elsewhere", other("logs-haproxy.log-tem", 900))
		}, "is there", true, TemplateVersion},
		{"one above it", func() { put("mine", other("logs-haproxy.log-t*", 301)) }, "the index template mine (patterns [logs-haproxy.log-t*], priority 301) takes precedence over " + TemplateName, false, TemplateVersion},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.before()
			said, err := setUp(t, c)
			if (err == nil) != step.good || !strings.Contains(said, step.says) || version() != step.version {
				t.Errorf("error %v, version %d, want %d:\n%s", err, version(), step.version, said)
			}
			if step.good && strings.Contains(said, "takes precedence") {
				t.Errorf("another template is said to win:\n%s", said)
			}
		})
	}
	if code := request(t, http.MethodDelete, server.URL+"/_index_template/mine,elsewhere,elastic-logs", "", nil); code != 200 {
		t.Fatalf("HTTP %d", code)
	}
}
