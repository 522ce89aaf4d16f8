package forwarder

import (
	"os"
	"path/filepath"
	"testing"
)

// reload puts cfg into force.
func (s *site) reload(cfg Config) {
	s.t.Helper()
	if err := s.fwd.Reload(s.t.Context(), cfg); err != nil {
		s.t.Fatal(err)
	}
}

// withoutSpools waits until no spool is left.
func (s *site) withoutSpools() {
	s.t.Helper()
	s.eventually("no spool is left", func() bool {
		folders, err := os.ReadDir(filepath.Join(s.cfg.State, "spool"))
		return err == nil && len(folders) == 0
	})
}

// TestInputThatComesBack: it was emptied and removed, which is no loss.
func TestInputThatComesBack(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	both := append(s.cfg.Inputs[:1:1], Input{Syslog: "unix-stream://" + socket})
	s.cfg.Inputs = both
	s.start()
	s.say("unix", socket, 10)
	s.awaitAcked(10)
	s.end()
	s.start() // its position is known
	cfg := s.cfg
	cfg.Inputs = both[:1]
	s.reload(cfg)
	s.withoutSpools()
	cfg.Inputs = both
	s.reload(cfg)
	s.say("unix", socket, 10)
	s.awaitAcked(10)
	if lost := s.fwd.Status().Lost; len(lost) > 0 {
		t.Errorf("lost %v, want nothing", lost)
	}
	s.stored(20)
}

// TestLagOfAnInputThatIsGone ends with it.
func TestLagOfAnInputThatIsGone(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = append(s.cfg.Inputs, Input{Syslog: "unix-stream://" + socket})
	s.srv.Stop()
	s.start()
	s.say("unix", socket, 100)
	s.eventually("it lags", func() bool { return s.fwd.Status().LagBytes > 0 })
	cfg := s.cfg
	cfg.Inputs = cfg.Inputs[:1]
	s.reload(cfg)
	s.serve()
	s.awaitAcked(100)
	s.withoutSpools()
	s.eventually("nothing lags", func() bool { return s.fwd.Status().LagBytes == 0 && s.fwd.Status().Lag == 0 })
}
