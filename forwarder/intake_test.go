package forwarder

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// say sends numbered lines to a listener, as datagrams or as a stream.
func (s *site) say(network, address string, n int) {
	s.t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(s.t.Context(), network, address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	for range n {
		s.n++
		line := fmt.Sprintf("line %d of a log that is not very long %s", s.n, strings.Repeat("x", s.n%97))
		if network == "tcp" || network == "unix" {
			line += "\n"
		}
		if _, err := conn.Write([]byte(line)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestSyslogGoesThroughTheSpool(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	udp, tcp := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	datagrams, stream := filepath.Join(s.dir, "d.sock"), filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = []Input{
		{Syslog: "udp://" + udp}, {Syslog: "tcp://" + tcp}, {Syslog: "unix://" + datagrams}, {Syslog: "unix-stream://" + stream},
	}
	s.start()
	s.say("udp", udp, 100)
	s.say("tcp", tcp, 1000)
	s.say("unixgram", datagrams, 100)
	s.say("unix", stream, 1000)
	s.awaitAcked(2200)
	s.ledger()
	all, err := s.fwd.Sources(t.Context())
	if err != nil || len(all) != 4 {
		t.Fatalf("%d sources, want 4 (%v)", len(all), err)
	}
	for _, x := range all {
		if x.State != "spool" || x.Acked != x.Size || x.Size == 0 || x.Source.Path != x.Input {
			t.Errorf("%+v", x)
		}
	}
	s.end()
	s.start() // nothing is sent again
	s.say("tcp", tcp, 10)
	s.awaitAcked(10)
	if n := s.fwd.Status().ReadLines; n != 10 {
		t.Errorf("%d lines read after a clean restart, want 10", n)
	}
	s.stored(2210)
}

// TestSpoolHoldsWhatTheBrokerDoesNotTake: the broker is away, the forwarder is
// killed meanwhile, its state is an old one.
func TestSpoolHoldsWhatTheBrokerDoesNotTake(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.DrainTimeout = 100 * time.Millisecond
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = []Input{{Syslog: "unix-stream://" + socket}}
	s.start()
	s.say("unix", socket, 100)
	s.awaitAcked(100)
	s.eventually("positions are stored", func() bool { return s.positions() != nil })
	old := s.positions()
	s.srv.Stop()
	s.say("unix", socket, 5000)
	s.eventually("all of it is in the spool", func() bool {
		return (*s.fwd.intakes.shown.Load())[0].input.Stats().Records.Load() == 5100
	})
	s.crash(old)
	s.serve()
	s.start()
	s.awaitAcked(5000)
	s.stored(5100)
	s.crash(nil) // the spool itself knows who it is
	s.start()
	s.say("unix", socket, 10)
	s.awaitAcked(10)
	s.stored(5110)
}

// TestReloadOfInputs adds, changes and takes away inputs while lines flow.
func TestReloadOfInputs(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	one, two := filepath.Join(s.dir, "1.sock"), filepath.Join(s.dir, "2.sock")
	s.cfg.Inputs = append(s.cfg.Inputs, Input{Syslog: "unix-stream://" + one})
	s.write(10)
	s.start()
	s.say("unix", one, 10)
	s.awaitAcked(20)
	var d net.Dialer
	kept, err := d.DialContext(t.Context(), "unix", one)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()

	cfg := s.cfg
	cfg.Labels = map[string]string{"zone": "a"}
	cfg.Inputs = append(cfg.Inputs[:2:2], Input{Syslog: "unix-stream://" + two})
	if err := s.fwd.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s.say("unix", two, 10)
	s.n++
	if _, err := fmt.Fprintf(kept, "line %d of a log that is not very long %s\n", s.n, strings.Repeat("x", s.n%97)); err != nil {
		t.Fatal("a connection to an input that did not change:", err)
	}
	s.awaitAcked(31)

	cfg.Inputs = []Input{cfg.Inputs[2]} // the file and the first socket go
	cfg.Inputs[0].MaxConnections = 5
	if err := s.fwd.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s.eventually("the spool of the first socket is gone", func() bool {
		folders, err := os.ReadDir(filepath.Join(s.cfg.State, "spool"))
		return err == nil && len(folders) == 1
	})
	if _, err := os.Stat(one); !os.IsNotExist(err) {
		t.Errorf("the socket of an input that is gone: %v", err)
	}
	s.say("unix", two, 10)
	s.awaitAcked(41)

	cfg.Inputs = append(cfg.Inputs, Input{Syslog: "unix-stream:///no/such/folder/x.sock"})
	if err := s.fwd.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("a listener that can't be: %v", err)
	}
	s.say("unix", two, 10)
	s.awaitAcked(51)
	s.ledger()
	s.stored(51)
}

// TestLeftoverSpool: an input is taken out of the configuration while its
// lines wait for the broker.
func TestLeftoverSpool(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.DrainTimeout = 100 * time.Millisecond
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = append(s.cfg.Inputs, Input{Syslog: "unix-stream://" + socket})
	s.srv.Stop()
	s.start()
	s.say("unix", socket, 100)
	s.eventually("all of it is in the spool", func() bool {
		return (*s.fwd.intakes.shown.Load())[0].input.Stats().Records.Load() == 100
	})
	s.end()
	s.serve()
	s.cfg.Inputs = s.cfg.Inputs[:1]
	s.start()
	s.awaitAcked(100)
	s.eventually("the spool is gone", func() bool {
		folders, err := os.ReadDir(filepath.Join(s.cfg.State, "spool"))
		return err == nil && len(folders) == 0
	})
	s.stored(100)
}
