package elastic

import (
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
)

// What tests outside of the package use: packages that import it.

// SharedServer is that of all tests of this folder.
func SharedServer(t testing.TB) *testenv.ElasticServer { t.Helper(); return servers.Elastic(t) }

// Lines makes n lines in the format httplog.
func Lines(n int) []byte { return lines(n) }

// Group archives raw lines as those of the source with the given number.
func Group(t testing.TB, source int, raw []byte) *sinks.Group {
	t.Helper()
	return group(t, source, raw)
}

// Indexed offers groups to a sink and returns when all are settled.
func Indexed(t *testing.T, c Config, groups ...*sinks.Group) {
	t.Helper()
	r := run(t, c)
	for _, g := range groups {
		r.Offer(g)
	}
	r.settled()
	r.stop()
}

// ConfigOf is for a data stream of a test.
func ConfigOf(url, namespace string) Config { return testConfig(url, namespace) }
