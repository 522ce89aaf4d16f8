package input

import (
	"sync"
	"time"
)

// Said remembers what was logged, so that nothing floods the log. It may be
// used by anybody at any time.
type Said struct {
	mu   sync.Mutex
	what map[string]time.Time
}

// maxSaid bounds the memory; beyond it nothing new is said.
const maxSaid = 1000

// New says whether what was not logged within the last while; 0 is ever.
func (s *Said) New(what string, while time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	at, ok := s.what[what]
	if ok && (while == 0 || now.Sub(at) < while) || !ok && len(s.what) >= maxSaid {
		return false
	}
	if s.what == nil {
		s.what = map[string]time.Time{}
	}
	s.what[what] = now
	return true
}
