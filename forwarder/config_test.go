package forwarder

import (
	"os"
	"testing"
)

func TestNodeComesFromTheEnvironmentOrTheHost(t *testing.T) {
	t.Setenv("LOGHAUL_NODE", "node-7")
	if got := DefaultConfig().Node; got != "node-7" {
		t.Errorf("node is %q, want LOGHAUL_NODE", got)
	}
	t.Setenv("LOGHAUL_NODE", "")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got := DefaultConfig().Node; got != host {
		t.Errorf("node is %q, want the host's name %q", got, host)
	}
}
