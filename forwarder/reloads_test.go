package forwarder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/ship"
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

// TestReloadAtTheEnd: nothing is opened that nobody would close.
func TestReloadAtTheEnd(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Batch.Compression = "none" // more than the stream takes in a message
	s.cfg.DrainTimeout = 2 * time.Second
	s.write(1000)
	s.start()
	s.eventually("a batch stays in flight", func() bool { return s.fwd.ship.Stats().Retries(ship.ReasonRefused).Load() > 0 })
	s.stop()
	s.eventually("it drains", s.fwd.drain.Load)
	cfg := s.cfg
	cfg.Inputs = append(cfg.Inputs[:1:1], Input{Syslog: "unix://" + filepath.Join(s.dir, "s.sock")})
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("a reload while draining: %v", err)
	}
}

// TestReloadWithAnInputThatCannotBe says so for as long as it is true.
func TestReloadWithAnInputThatCannotBe(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.start()
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	folder := filepath.Join(s.dir, "sockets")
	cfg := s.cfg
	cfg.Inputs = append(cfg.Inputs[:1:1], Input{Syslog: "unix://" + filepath.Join(folder, "s.sock")})
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("a socket in no folder: %v", err)
	}
	if err := s.fwd.Ready(); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("ready: %v", err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s.reload(cfg)
	if err := s.fwd.Ready(); err != nil {
		t.Errorf("ready: %v", err)
	}
}

// TestReadyTellsOfASpool that can't be written to.
func TestReadyTellsOfASpool(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = []Input{{Syslog: "unix-stream://" + socket}}
	s.cfg.Batch.MaxMessage = 64 << 10
	s.cfg.Spool.Bytes = 16 << 20 // segments have 4 MiB
	s.start()
	s.eventually("ready", func() bool { return s.fwd.Ready() == nil })
	s.srv.Stop() // so that nothing is read back
	dir := (*s.fwd.intakes.shown.Load())[0].dir
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	const lines = 60_000 // of 90 bytes: more than a segment takes
	said := make(chan struct{})
	go func() { defer close(said); s.say("unix", socket, lines) }()
	s.eventually("the spool's problem is told", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), "making a segment")
	})
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	<-said
	s.serve()
	s.awaitAcked(lines)
	s.eventually("ready again", func() bool { return s.fwd.Ready() == nil })
	s.stored(lines)
}

// TestCountersOfAnInputThatIsReplaced: what it counted since they were read last
// is counted.
func TestCountersOfAnInputThatIsReplaced(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = []Input{{Syslog: "unix-stream://" + socket}}
	s.start()
	records := func() string {
		var b strings.Builder
		if err := s.reg.WritePrometheus(&b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, inputPrefix+"records_total") {
				return line[strings.LastIndexByte(line, ' ')+1 : len(line)-1]
			}
		}
		return "none"
	}
	s.say("unix", socket, 10)
	s.awaitAcked(10)
	if got := records(); got != "10" {
		t.Fatalf("%s records, want 10", got)
	}
	s.say("unix", socket, 10)
	s.awaitAcked(20)
	cfg := s.cfg
	cfg.Inputs = []Input{{Syslog: "unix-stream://" + socket, MaxConnections: 5}}
	s.reload(cfg)
	s.say("unix", socket, 10)
	s.awaitAcked(30)
	if got := records(); got != "30" {
		t.Errorf("%s records, want 30", got)
	}
}

// TestLagOfAFileThatIsNotWantedAnyMore ends with the reload: nobody waits for it.
func TestLagOfAFileThatIsNotWantedAnyMore(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.srv.Stop()
	s.write(100)
	s.start()
	s.eventually("it lags", func() bool { return s.fwd.Status().LagBytes > 0 })
	cfg := s.cfg
	cfg.Inputs = []Input{{File: filepath.Join(s.dir, "another.log")}}
	s.reload(cfg)
	s.eventually("nothing lags", func() bool { return s.fwd.Status().LagBytes == 0 && s.fwd.Status().Lag == 0 })
	s.reload(s.cfg)
	s.eventually("it lags again", func() bool { return s.fwd.Status().LagBytes > 0 })
	s.serve()
	s.awaitAcked(100)
	s.stored(100)
}
