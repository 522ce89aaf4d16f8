// Package lint_test holds the rules about the repository that no linter
// checks: what the binaries link, and what the files may not mention.
package lint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestForwarderLinksNoServerNoSinkNoParser looks at everything that ends up in
// the node agent, however indirectly: it runs on every node, so it stays small
// and has nothing to break that it does not need.
func TestForwarderLinksNoServerNoSinkNoParser(t *testing.T) {
	deps := strings.Fields(run(t, "go", "list", "-deps", "./cmd/loghaul-forwarder"))
	if len(deps) < 50 {
		t.Fatalf("go list names only %d packages", len(deps))
	}
	for _, forbidden := range []string{
		"github.com/nats-io/nats-server/",
		"github.com/minio/minio-go/",
		"github.com/elastic/",
		"github.com/parquet-go/",
		"github.com/oschwald/",
		"github.com/prometheus/",
		"github.com/loghaul/loghaul/aggregator",
		"github.com/loghaul/loghaul/archive",
		"github.com/loghaul/loghaul/audit",
		"github.com/loghaul/loghaul/parser",
		"github.com/loghaul/loghaul/sinks",
		"github.com/loghaul/loghaul/internal/broker/embedded",
		"github.com/loghaul/loghaul/internal/testenv",
		"testing",
	} {
		for _, dep := range deps {
			if dep == strings.TrimSuffix(forbidden, "/") || strings.HasPrefix(dep+"/", strings.TrimSuffix(forbidden, "/")+"/") {
				t.Errorf("the forwarder links %s", dep)
			}
		}
	}
}

// TestNoTestCodeInTheTools looks at the other binary.
func TestNoTestCodeInTheTools(t *testing.T) {
	for dep := range strings.FieldsSeq(run(t, "go", "list", "-deps", "./cmd/loghaul")) {
		if dep == "testing" || strings.HasSuffix(dep, "/internal/testenv") {
			t.Errorf("loghaul links %s", dep)
		}
	}
}

// TestFilesStandAlone makes sure that a clone needs nothing beside it, and
// that every conflict and scratch mark is gone.
func TestFilesStandAlone(t *testing.T) {
	outside := regexp.MustCompile(`\.\./` + `shared/|/work/` + `(main|shared)`)
	conflict := regexp.MustCompile(`(?m)^(<{7}|>{7}) `)
	root := testenv.Root(t)
	files := strings.TrimSuffix(run(t, "git", "ls-files", "-z"), "\x00")
	for name := range strings.SplitSeq(files, "\x00") {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(b, 0) >= 0 || strings.Contains(name, "testdata/") {
			continue
		}
		if m := outside.Find(b); m != nil {
			t.Errorf("%s mentions %s, which a clone does not have", name, m)
		}
		if conflict.Match(b) {
			t.Errorf("%s holds a merge conflict", name)
		}
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = testenv.Root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
