package forwarder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
)

// TestLostStateGivesTheSameIdentities: everything is read again, and the broker
// knows it already.
func TestLostStateGivesTheSameIdentities(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.cfg.Batch.Bytes, s.cfg.Batch.MaxMessage = 16<<10, 64<<10
	s.write(3000)
	s.start()
	s.awaitAcked(3000)
	s.crash(nil)
	s.start()
	s.awaitAcked(3000)
	s.ledger()
	s.stored(3000)
	if n := s.fwd.ship.Stats().Duplicates.Load(); n == 0 {
		t.Error("the broker took every batch for a new one")
	}
}

// TestStateCantBeWritten takes the state folder away under the forwarder: it
// goes on, says so once, and recovers.
func TestStateCantBeWritten(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(10)
	s.start()
	s.awaitAcked(10)
	s.eventually("positions are stored", func() bool { return s.positions() != nil && s.fwd.Ready() == nil })
	aside := s.cfg.State + ".aside"
	if err := os.Rename(s.cfg.State, aside); err != nil {
		t.Fatal(err)
	}
	s.write(10)
	s.awaitAcked(20)
	s.eventually("it is not ready", func() bool {
		err := s.fwd.Ready()
		return err != nil && strings.Contains(err.Error(), s.cfg.State)
	})
	s.eventually("a second failure", func() bool { return s.fwd.saver.errors.Load() >= 2 })
	if n := strings.Count(s.out.String(), "positions can't be stored"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if err := os.Rename(aside, s.cfg.State); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is ready", func() bool { return s.fwd.Ready() == nil })
	s.end()
	s.start()
	s.write(5)
	s.awaitAcked(5)
	if n := s.fwd.Status().ReadLines; n != 5 {
		t.Errorf("%d lines read after the restart, want 5", n)
	}
	s.stored(25)
}

// TestDamagedState: the file is kept aside and the log is read again, under the
// same identities.
func TestDamagedState(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(10)
	s.start()
	s.awaitAcked(10)
	s.end()
	path := filepath.Join(s.cfg.State, checkpoint.FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.awaitAcked(10)
	s.stored(10)
	if out := s.out.String(); !strings.Contains(out, "level=ERROR") || !strings.Contains(out, "kept aside") {
		t.Errorf("it says %s", out)
	}
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("kept aside: %v, %v", aside, err)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || string(kept) != string(b) {
		t.Errorf("what is kept aside is another file: %v", err)
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Geteuid() == 0 {
		// root may read everything: a folder in the place of the file cannot be.
		s := newSite(t, nil)
		s.setup(64 << 20)
		if err := os.Mkdir(s.log, 0o750); err != nil {
			t.Fatal(err)
		}
		s.start()
		s.eventually("it says so", func() bool { return strings.Contains(s.out.String(), "not a regular file") })
		if err := os.Remove(s.log); err != nil {
			t.Fatal(err)
		}
		s.write(10)
		s.awaitAcked(10)
		s.stored(10)
		return
	}
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(10)
	if err := os.Chmod(s.log, 0); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.eventually("it says so", func() bool { return strings.Contains(s.out.String(), "may not read "+s.log) })
	if err := os.Chmod(s.log, 0o600); err != nil {
		t.Fatal(err)
	}
	s.awaitAcked(10)
}

func TestMetricsAgreeWithTheLedger(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	s.write(1000)
	s.start()
	s.awaitAcked(1000)
	s.end()
	var b strings.Builder
	if err := s.reg.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("loghaul_forwarder_read_bytes_total{path=%q} %d\n", s.log, st.Size()),
		fmt.Sprintf("loghaul_forwarder_acked_bytes_total{path=%q} %d\n", s.log, st.Size()),
		fmt.Sprintf("loghaul_forwarder_acked_lines_total{path=%q} 1000\n", s.log),
		fmt.Sprintf("loghaul_forwarder_lag_bytes{path=%q} 0\n", s.log),
		fmt.Sprintf("loghaul_forwarder_lost_bytes_total{path=%q,reason=\"truncated\"} 0\n", s.log),
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if t.Failed() {
		t.Log(b.String())
	}
}

// TestBinaryLinksNothingItDoesNotNeed: it runs on every node.
func TestBinaryLinksNothingItDoesNotNeed(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../cmd/loghaul-forwarder").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("go list gives only %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, bad := range []string{
			"nats-server", "minio", "elastic", "parquet", "loghaul/parser", "loghaul/archive", "loghaul/sinks",
			"loghaul/aggregator", "loghaul/audit", "broker/embedded", "prometheus",
		} {
			if strings.Contains(dep, bad) {
				t.Errorf("the node agent links %s", dep)
			}
		}
	}
}
