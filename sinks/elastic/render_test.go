package elastic

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// parts are what of a template depends on the configuration and the server.
type parts struct {
	Version  int
	Template struct {
		Lifecycle *struct {
			Retention string `json:"data_retention"`
		}
		Settings struct {
			Index struct {
				Mode, Codec string
				Mapping     struct {
					TotalFields map[string]any `json:"total_fields"`
				}
			}
		}
	}
}

func TestIndexTemplate(t *testing.T) {
	for _, c := range []struct {
		retention, mode, server string
		retained, indexMode     string
		beyond                  bool
	}{
		{"30d", "auto", "", "30d", "", true},
		{"30d", "auto", "8.19.4", "30d", "", true},
		{"7d", "logsdb", "8.17.0", "7d", "logsdb", true},
		{"7d", "logsdb", "9.2.0-SNAPSHOT", "7d", "logsdb", true},
		{"7d", "logsdb", "8.16.9", "7d", "", true},
		{"7d", "logsdb", "8.9.0", "", "", false},
		{"forever", "standard", "9.0.0", "", "standard", true},
		{"30d", "standard", "0", "", "", false},
		{"", "auto", "10.0", "", "", true},
	} {
		cfg := DefaultConfig()
		cfg.Retention, cfg.Mode = c.retention, c.mode
		var got parts
		if err := json.Unmarshal(cfg.IndexTemplate(c.server), &got); err != nil {
			t.Fatal(err)
		}
		retained := ""
		if got.Template.Lifecycle != nil {
			retained = got.Template.Lifecycle.Retention
		}
		index := got.Template.Settings.Index
		_, beyond := index.Mapping.TotalFields["ignore_dynamic_beyond_limit"]
		if retained != c.retained || index.Mode != c.indexMode || beyond != c.beyond || got.Version != TemplateVersion {
			t.Errorf("%+v: retained for %q, mode %q, beyond %v, version %d", c, retained, index.Mode, beyond, got.Version)
		}
		if logsdb := index.Mode == modeLogsDB; (index.Codec == "") != logsdb {
			t.Errorf("%+v: codec %q", c, index.Codec)
		}
	}
	cfg := DefaultConfig()
	first := configOf(cfg.IndexTemplate("8.19.4"))
	cfg.Retention = "31d"
	if second := configOf(cfg.IndexTemplate("8.19.4")); first == second || len(first) != 12 {
		t.Errorf("the marks are %q and %q for different configurations", first, second)
	}
	for text, good := range map[string]bool{"30d": true, "1h": true, "90m": true, "forever": true, "": true, "30": false, "0d": false, "-1d": false, "d": false, "30days": false, "1dh": false} {
		if err := checkRetention(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTemplateFollowsTheConfiguration: a change of the retention reaches the
// template that is there, though its version is the same, and a real server
// takes logsdb, with all documents of httplog.
func TestTemplateFollowsTheConfiguration(t *testing.T) {
	server := servers.Elastic(t)
	setup := func(c Config) (got parts) {
		s, err := Connect(c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Setup(t.Context(), func(f *Finding) {
			if f.Verdict != OK {
				t.Errorf("%+v", f)
			}
		}); err != nil {
			t.Fatal(err)
		}
		var all struct {
			Templates []struct {
				Template parts `json:"index_template"`
			} `json:"index_templates"`
		}
		request(t, http.MethodGet, server.URL+"/_index_template/"+TemplateName, "", &all)
		return all.Templates[0].Template
	}
	c := testConfig(server.URL, "logsdb")
	if got := setup(c); got.Template.Lifecycle == nil || got.Template.Lifecycle.Retention != "30d" {
		t.Errorf("the default is %+v", got)
	}
	c.Retention, c.Mode = "9d", modeLogsDB
	got := setup(c)
	if got.Template.Lifecycle == nil || got.Template.Lifecycle.Retention != "9d" || got.Template.Settings.Index.Mode != modeLogsDB {
		t.Errorf("the template is still %+v", got)
	}
	r := run(t, c)
	g := group(t, 1, lines(50))
	r.Offer(g)
	r.settled()
	if n := count(t, server, "logsdb", "http.response.status_code:503"); n != 12 {
		t.Errorf("%d documents are found with logsdb, want 12", n)
	}
	var settings map[string]struct {
		Settings struct{ Index struct{ Mode string } }
	}
	request(t, http.MethodGet, server.URL+"/logs-haproxy.log-logsdb/_settings", "", &settings)
	for index, s := range settings {
		if s.Settings.Index.Mode != modeLogsDB || !strings.Contains(index, "logsdb") {
			t.Errorf("%s has the mode %q", index, s.Settings.Index.Mode)
		}
	}
	r.stop()
	setup(testConfig(server.URL, "logsdb")) // for the other tests
}
