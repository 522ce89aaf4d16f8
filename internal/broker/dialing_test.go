package broker

import (
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestDelayWindowGrowsToItsBound(t *testing.T) {
	d := &dialing{cfg: DefaultConfig(), rand: func() float64 { return 1 }}
	want := []time.Duration{15 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 120 * time.Second, 120 * time.Second}
	for n, w := range want {
		if got := d.delay(n); got != w {
			t.Errorf("attempt %d: window %v, want %v", n, got, w)
		}
	}
	for _, n := range []int{31, 32, 62, 63, 64, 1000} {
		if got := d.delay(n); got != 2*time.Minute {
			t.Errorf("attempt %d: window %v, want 2m", n, got)
		}
	}
	d.cfg.Delay = Delay{}
	if d.delay(0) != 0 || d.delay(1) != minDelay {
		t.Errorf("without windows: %v then %v, want 0 then %v", d.delay(0), d.delay(1), minDelay)
	}
}

func TestChooseAvoidsTheServerJustLost(t *testing.T) {
	servers := make([]nats.Server, 3)
	for i, h := range []string{"a", "b", "c"} {
		servers[i].URL = &url.URL{Scheme: "nats", Host: h + ":4222"}
	}
	d := &dialing{cfg: DefaultConfig(), log: slog.New(slog.DiscardHandler), rand: func() float64 { return 0 }}
	d.connected("nats://c:4222")
	for range 20 {
		d.attempts = 0
		if s, _ := d.choose(servers, nats.ServerInfo{}); s.URL.Host == "c:4222" {
			t.Fatal("went straight back to the server that was lost")
		}
	}
	servers[0].Reconnects, servers[1].Reconnects = 2, 2
	if s, _ := d.choose(servers, nats.ServerInfo{}); s.URL.Host != "c:4222" {
		t.Errorf("chose %s, want the one that failed least", s.URL.Host)
	}
	if s, _ := d.choose(servers[:1], nats.ServerInfo{}); s == nil {
		t.Error("the only server was not chosen")
	}
}
