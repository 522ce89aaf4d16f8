//go:build !race

package elastic_test

import (
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/elastic"
)

func TestNextMajorVersion(t *testing.T) {
	server := testenv.ElasticNext(t)
	elastic.NextMajorVersion(t, server)
	verifies(t, server)
}
