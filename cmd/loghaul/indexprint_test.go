package main

import (
	"encoding/json"
	"testing"
)

// index setup --print shows what the configuration makes of the template.
func TestIndexSetupPrintsTheTemplate(t *testing.T) {
	path := write(t, "a.yaml", "archive: {url: \"file:///x\"}\nindex: {retention: 9d, mode: logsdb}\n")
	for want, args := range map[string][]string{
		"30d ":      {"index", "setup", "--print"},
		"9d logsdb": {"index", "setup", "--print", "--config", path},
	} {
		code, out, errs := call(t, args...)
		var got struct {
			Template struct {
				Lifecycle struct {
					Retention string `json:"data_retention"`
				}
				Settings struct{ Index struct{ Mode string } }
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || errs != "" {
			t.Fatalf("%v: exit code %d, %v, %s", args, code, err, errs)
		}
		if is := got.Template.Lifecycle.Retention + " " + got.Template.Settings.Index.Mode; is != want {
			t.Errorf("%v: %q, want %q", args, is, want)
		}
	}
}
