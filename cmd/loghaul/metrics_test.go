package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/metrics"
)

const metricsPage = "../../docs/metrics.md"

// TestMetricsPage fails when docs/metrics.md is stale; -update writes it anew.
func TestMetricsPage(t *testing.T) {
	old, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "<!-- table -->\n"
	prose, _, ok := strings.Cut(string(old), marker)
	if !ok {
		t.Fatalf("%s has no line %s", metricsPage, marker)
	}
	want := prose + marker + metricsTables()
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(old)); diff != "" {
		t.Errorf("%s is stale: go test ./cmd/loghaul -run TestMetricsPage -update\n(-want +got)\n%s", metricsPage, diff)
	}
}

// The page must not speak of metrics that do not exist.
func TestMetricsPageNamesAreDeclared(t *testing.T) {
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, d := range slices.Concat(forwarder.Metrics(), aggregatorMetrics()) {
		known[d.Name] = true
	}
	for word := range strings.FieldsFuncSeq(string(page), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if strings.HasPrefix(word, "loghaul_") && !known[word] {
			t.Errorf("%s is not declared", word)
		}
	}
}

// TestMetricsFollowTheConventions covers what every registry checks, before
// one is made.
func TestMetricsFollowTheConventions(t *testing.T) {
	if err := metrics.Check(slices.Concat(forwarder.Metrics(), aggregatorMetrics())...); err != nil {
		t.Error(err)
	}
}

func metricsTables() string {
	var b strings.Builder
	for _, tier := range []struct {
		title string
		descs []metrics.Desc
	}{
		{"Forwarder", forwarder.Metrics()},
		{"Aggregator, archive and index", aggregatorMetrics()},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n", tier.title)
		for _, d := range metrics.Unique(tier.descs...) {
			labels := "–"
			if len(d.Labels) > 0 {
				labels = "`" + strings.Join(d.Labels, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, labels, d.Help)
		}
	}
	return b.String()
}
