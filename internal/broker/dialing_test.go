package broker

import (
	"log/slog"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestRoundsGrowToTheirBound(t *testing.T) {
	d := &dialing{cfg: DefaultConfig(), rand: func() float64 { return 1 }}
	want := []time.Duration{15 * time.Second, 15 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 120 * time.Second, 120 * time.Second}
	for n, w := range want {
		if got := d.window(n); got != w {
			t.Errorf("round %d: %v, want %v", n, got, w)
		}
	}
	for _, n := range []int{31, 32, 62, 63, 64, 1000} {
		if got := d.window(n); got != 2*time.Minute {
			t.Errorf("round %d: %v, want 2m", n, got)
		}
	}
	now := time.Now()
	d.cfg.Delay = Delay{}
	if d.delay(0, now) != 0 || d.delay(1, now) != minDelay {
		t.Errorf("without windows: %v then %v, want 0 then %v", d.delay(0, now), d.delay(1, now), minDelay)
	}
}

// TestRoundsDoNotOverlap: a broker that stays away for minutes sees no more
// attempts a second than one that is back at once.
func TestRoundsDoNotOverlap(t *testing.T) {
	const fleet = 18000
	rng := rand.New(rand.NewPCG(1, 2))
	lost := time.Now()
	perSecond := map[int]int{}
	for range fleet {
		d := &dialing{cfg: DefaultConfig(), rand: rng.Float64}
		now := lost
		for n := range 8 {
			now = now.Add(d.delay(n, now)) // and it fails at once
			perSecond[int(now.Sub(lost)/time.Second)]++
		}
	}
	worst := 0
	for _, n := range perSecond {
		worst = max(worst, n)
	}
	if mean := fleet / 15; worst > mean+5*35 { // five standard deviations
		t.Errorf("%d attempts in one second, want about %d", worst, mean)
	}
	// A dial that takes longer than its round does not make the next one empty.
	d := &dialing{cfg: DefaultConfig(), rand: func() float64 { return 0.5 }}
	d.delay(0, lost)
	if got := d.delay(1, lost.Add(time.Minute)); got != 7500*time.Millisecond {
		t.Errorf("after a long dial: %v, want half of a round", got)
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
