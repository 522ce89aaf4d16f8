package ship

import (
	"log/slog"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

// TestAnswersOfMoreBatchesInFlight: when more are allowed later, none of their
// answers is dropped while the loop is busy.
func TestAnswersOfMoreBatchesInFlight(t *testing.T) {
	cfg := testConfig("node", 1, "nats://127.0.0.1:1")
	cfg.InFlight = 1
	s := New(cfg, broker.Options{}, slog.New(slog.DiscardHandler))
	cfg.InFlight = MaxInFlight
	s.Reconfigure(cfg, time.Now())
	for range cfg.InFlight {
		s.link.post(Event{kind: answered})
	}
	if n := len(s.link.events); n != cfg.InFlight {
		t.Errorf("%d answers wait, want %d", n, cfg.InFlight)
	}
}
