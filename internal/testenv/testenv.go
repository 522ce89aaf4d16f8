// Package testenv finds the tools that tests need and runs real servers for
// them: each on loopback, on free ports, with its data in a temporary folder,
// stopped by process id when the test ends. A missing tool fails the test and
// names the command that installs it; nothing is skipped. Only tests import
// this package.
package testenv

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Tool gives the path of an external program: from $LOGHAUL_TOOLS/bin, from
// .cache/tools/bin of the repository (where `make tools` installs), or from
// PATH. The test fails when it is in none of them.
func Tool(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range toolDirs(t) {
		path := filepath.Join(dir, "bin", name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("the test needs %s: run `make tools`, or put it in PATH or in $LOGHAUL_TOOLS/bin", name)
	}
	return path
}

// toolTree gives a folder of the tools folder that holds a whole program.
func toolTree(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range toolDirs(t) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(filepath.Join(path, ".complete")); err == nil {
			return path
		}
	}
	t.Fatalf("the test needs %s: run `make tools`, or set $LOGHAUL_TOOLS to the folder that holds it", name)
	return ""
}

func toolDirs(t testing.TB) []string {
	t.Helper()
	var dirs []string
	if dir := os.Getenv("LOGHAUL_TOOLS"); dir != "" {
		dirs = append(dirs, dir)
	}
	return append(dirs, filepath.Join(Root(t), ".cache", "tools"))
}

// Root gives the folder of the repository: the nearest one upwards from the
// test's working folder that holds a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			t.Fatalf("no go.mod above the working folder: %v", err)
		}
		dir = parent
	}
}

// Patience is how long tests wait for what must happen: so long that a busy
// machine does not fail them, and no longer than a person would wait.
const Patience = 2 * time.Minute

// Eventually polls until ok returns true and fails the test when that takes
// longer than limit. what names the awaited state in the failure message.
func Eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	if !poll(limit, ok) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// poll calls ok every few milliseconds until it returns true or limit is over.
func poll(limit time.Duration, ok func() bool) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			return ok()
		case <-tick.C:
		}
	}
	return true
}
