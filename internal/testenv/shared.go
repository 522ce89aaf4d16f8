package testenv

import (
	"os"
	"sync"
	"testing"
)

// Shared runs one Elasticsearch for all tests of a package. Declare one in the
// test package and call Run from TestMain:
//
//	var servers testenv.Shared
//
//	func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }
//
// Tests then keep apart by using data streams of their own, and leave the
// server not paused. A server that a test has killed is started again, with its
// data, when it is asked for again.
type Shared struct {
	mu      sync.Mutex
	dir     string
	elastic *ElasticServer
}

// Run runs the tests and stops what they shared.
func (s *Shared) Run(m *testing.M) int {
	defer func() {
		if s.elastic != nil && s.elastic.proc != nil {
			s.elastic.proc.Resume()
			s.elastic.proc.Kill()
		}
		_ = os.RemoveAll(s.dir)
	}()
	return m.Run()
}

// Elastic gives the shared server and starts it for the first caller.
func (s *Shared) Elastic(t testing.TB) *ElasticServer {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.elastic == nil || s.elastic.proc == nil {
		s.dir = tempDir(t)
		s.elastic = newElastic(t, s.dir, ElasticVersion, nil)
		s.elastic.own()
		s.elastic.Start()
	}
	if s.elastic.ended() { // a test has killed it
		s.elastic.t = t
		s.elastic.Start()
	}
	// A failure of a later call belongs to the test that makes it.
	view := *s.elastic
	view.t = t
	view.proc = s.elastic.proc.seenBy(t)
	return &view
}
