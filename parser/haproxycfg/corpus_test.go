package haproxycfg_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

const corpusDir = "../../testdata/corpus"

// osSystem is the machine, without its environment.
func osSystem() haproxycfg.System {
	return haproxycfg.System{Stat: os.Stat, ReadDir: os.ReadDir, ReadFile: os.ReadFile}
}

// TestCorpusFormats reads the configurations that wrote the corpus: its formats.json lists the format of each file of
// lines. What HAProxy wrote beside them as the truth is not in it.
func TestCorpusFormats(t *testing.T) {
	var configs []string
	// testdata has the configurations of the cases whose lines are not in the repository.
	for _, dir := range []string{corpusDir, "testdata"} {
		if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".cfg" {
				configs = append(configs, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(configs) < 24 {
		t.Fatalf("only %d configurations", len(configs))
	}
	for _, path := range configs {
		t.Run(strings.TrimPrefix(path, corpusDir+"/"), func(t *testing.T) {
			c, err := haproxycfg.Load(osSystem(), path)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, f := range c.Formats {
				if f.Profile == "truth" || f.Profile == "check" {
					continue
				}
				if strings.Contains(path, "errors-format") && f.Kind != haproxycfg.Connection {
					continue // its files hold nothing but errors
				}
				text := f.Spec
				if slices.Contains(parser.WellKnown(), text) {
					text = compile(t, text).Spec()
				}
				// HAProxy 2.6 knows no profiles: there the truth follows in the same line.
				text, _, _ = strings.Cut(text, "~T~")
				got[text] = true
			}
			if diff := cmp.Diff(corpusFormats(t, path), got); diff != "" {
				t.Errorf("(-formats.json +read)\n%s", diff)
			}
		})
	}
}

// corpusFormats gives the formats of the lines that a configuration of the corpus wrote.
func corpusFormats(t *testing.T, path string) map[string]bool {
	t.Helper()
	want := map[string]bool{}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "formats.json"))
	switch filepath.Base(filepath.Dir(path)) {
	case "default":
		return map[string]bool{compile(t, "default").Spec(): true}
	case "corpus", "v26-errors", "events", "wrappers":
		return map[string]bool{compile(t, "httplog").Spec(): true}
	}
	var all map[string]string
	if err != nil || json.Unmarshal(b, &all) != nil {
		t.Fatalf("no formats.json: %v", err)
	}
	for name, text := range all {
		// A folder has one configuration, or one for each file.
		base := strings.TrimSuffix(filepath.Base(path), ".cfg")
		if base == "haproxy" || base == strings.TrimSuffix(name, ".log") {
			want[text] = true
		}
	}
	return want
}

func compile(t *testing.T, text string) *parser.Format {
	t.Helper()
	f, err := parser.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
