package lint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestDocsNameTestsThatExist: the guarantees point at the tests that try to
// break them. A test that was renamed must not leave a promise without proof,
// nor a page that moved a dead link.
func TestDocsNameTestsThatExist(t *testing.T) {
	root := testenv.Root(t)
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	var pages []string
	for name := range strings.SplitSeq(run(t, "git", "ls-files", "-co", "--exclude-standard"), "\n") {
		switch {
		case strings.HasSuffix(name, "_test.go"):
			b, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				continue // removed, not committed yet
			}
			for _, m := range declared.FindAllSubmatch(b, -1) {
				there[string(m[1])] = true
			}
		case strings.HasSuffix(name, ".md"):
			pages = append(pages, name)
		}
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`")
	found := 0
	for _, page := range pages {
		b, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			continue
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
		}
		for _, m := range named.FindAllSubmatch(b, -1) {
			found++
			if !there[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page names a test: the guarantees stand without proof")
	}
}
