package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestStorm is a small run of ./e2e/storm: 1,500 connections made by the
// forwarder's own link code are cut by kill -9 while each has a batch under
// way. docs/broker.md has the run with 18,000.
func TestStorm(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "storm")
	if out, err := exec.Command("go", "build", "-o", bin, "./storm").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	const nodes = 1500
	cmd := exec.Command(bin, "-nodes", "1500", "-processes", "2", "-first", "4s", "-limit", "3m", "-output", "json",
		"-nats-server", testenv.Tool(t, "nats-server"))
	p := testenv.StartIn(t, t.TempDir(), "storm", cmd)
	err := p.Wait()
	out := p.Output()
	t.Log(out)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Attempts    int `json:"attempts"`
		Worst       int `json:"worst_100ms"`
		Unanswered  int `json:"unanswered_at_cut"`
		Batches     int `json:"batches"`
		Lost        int `json:"lost"`
		Doubled     int `json:"doubled"`
		Connections int `json:"server_connections"`
		Overflows   int `json:"listen_overflows"`
		Drops       int `json:"listen_drops"`
	}
	if err := json.Unmarshal([]byte(lastLine(out)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Batches != 2*nodes || r.Lost != 0 || r.Doubled != 0 {
		t.Errorf("of %d batches %d are lost and %d stored twice", r.Batches, r.Lost, r.Doubled)
	}
	if r.Unanswered == 0 {
		t.Error("every batch was answered before the cut: that proves nothing")
	}
	if r.Attempts < nodes || r.Connections < nodes {
		t.Errorf("%d attempts, %d connections, want at least %d", r.Attempts, r.Connections, nodes)
	}
	if r.Overflows != 0 || r.Drops != 0 {
		t.Errorf("the accept queue overflowed: %d, drops %d", r.Overflows, r.Drops)
	}
	// A tenth of a second is a fortieth of the round; a client without
	// rounds puts the whole fleet into it.
	if r.Worst > nodes/4 {
		t.Errorf("%d of %d nodes tried to connect within 100 ms", r.Worst, nodes)
	}
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}
