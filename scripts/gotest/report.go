package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json`; see `go doc cmd/test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// slowest is how many tests the closing table names, and slow the least time
// that gets a test into it.
const (
	slowest = 10
	slow    = 2.0
)

// report collects what the run says and prints the part worth reading.
type report struct {
	out     io.Writer
	output  map[string][]string // by package and test, until its result is known
	timed   []event
	skipped []string
	failed  []string
	passed  int
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[string][]string{}}
}

func (r *report) event(e *event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		// A package's closing line ("ok …", "FAIL …") carries no test.
		r.output[key] = append(r.output[key], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.closePackage(e, key)
			return
		}
		r.result(e, key)
	}
}

// result takes the result of one test.
func (r *report) result(e *event, key string) {
	lines := r.output[key]
	delete(r.output, key)
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, key)
		r.print(lines)
	case "fail":
		r.failed = append(r.failed, key)
		r.print(lines)
	}
	if e.Elapsed >= slow && !strings.Contains(e.Test, "/") {
		r.timed = append(r.timed, *e)
	}
}

// closePackage prints the package's own lines, and, when it failed, those of
// its tests that never came to a result: a panic or a timeout stands there.
func (r *report) closePackage(e *event, key string) {
	if e.Action == "fail" {
		for k, lines := range r.output {
			if k != key && strings.HasPrefix(k, e.Package+" ") {
				r.print(lines)
				delete(r.output, k)
			}
		}
	}
	for _, line := range r.output[key] {
		if e.Action == "fail" || strings.HasPrefix(line, "ok ") {
			fmt.Fprint(r.out, line)
		}
	}
	delete(r.output, key)
}

func (r *report) print(lines []string) {
	for _, line := range lines {
		fmt.Fprint(r.out, line)
	}
}

// close prints the tables and the closing line.
func (r *report) close(took time.Duration) {
	slices.SortFunc(r.timed, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for i, e := range r.timed {
		if i == slowest {
			break
		}
		fmt.Fprintf(r.out, "%7.1fs  %s %s\n", e.Elapsed, e.Package, e.Test)
	}
	for _, name := range r.skipped {
		fmt.Fprintln(r.out, "--- SKIP:", name)
	}
	for _, name := range r.failed {
		fmt.Fprintln(r.out, "--- FAIL:", name)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, len(r.failed), len(r.skipped))
	fmt.Fprintf(r.out, "in %s\n", took.Round(100*time.Millisecond))
}
