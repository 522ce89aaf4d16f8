package ship

import (
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

const ms = time.Millisecond

// sampled is what one look shows: busy and limited are those of the interval.
type sampled struct {
	info broker.TCPInfo
	sent int64 // bytes in 10 s
	ack  time.Duration
}

func TestLooks(t *testing.T) {
	healthy := broker.TCPInfo{Scaled: true, SendScale: 10, SendWindow: 1 << 20, RTT: 10 * ms}
	with := func(change func(*broker.TCPInfo)) broker.TCPInfo {
		i := healthy
		change(&i)
		return i
	}
	lost := with(func(i *broker.TCPInfo) { i.Scaled, i.SendScale, i.SendWindow = false, 0, unscaled })
	for name, tc := range map[string]struct {
		look look
		bad  bool
	}{
		"healthy and idle":                           {look{TCPInfo: healthy}, false},
		"healthy and full":                           {look{TCPInfo: with(func(i *broker.TCPInfo) { i.NotSent = 1 << 20 }), rate: 40e6, busy: 10 * ms, limited: 9 * ms}, false},
		"scaling lost, nobody suffers":               {look{TCPInfo: lost, rate: 1e6, ack: 10 * ms, calm: 9 * ms}, false},
		"scaling lost, bytes wait":                   {look{TCPInfo: func() broker.TCPInfo { i := lost; i.NotSent = 1; return i }()}, true},
		"scaling lost, answers late":                 {look{TCPInfo: lost, ack: 300 * ms, calm: 20 * ms}, true},
		"scaling lost, a little later":               {look{TCPInfo: lost, ack: 50 * ms, calm: 20 * ms}, false},
		"scales differ: tiny window":                 {look{TCPInfo: with(func(i *broker.TCPInfo) { i.SendWindow, i.NotSent = 1500, 1<<20 }), rate: 1e6}, true},
		"window below what is needed":                {look{TCPInfo: with(func(i *broker.TCPInfo) { i.SendWindow, i.RTT, i.NotSent = 128<<10, 100*ms, 1<<20 }), rate: 1.2e6}, true},
		"enough for what is needed":                  {look{TCPInfo: with(func(i *broker.TCPInfo) { i.SendWindow, i.RTT, i.NotSent = 512<<10, 100*ms, 1<<20 }), rate: 1.2e6}, false},
		"limited most of the time by a small window": {look{TCPInfo: with(func(i *broker.TCPInfo) { i.SendWindow, i.RTT, i.NotSent = 32<<10, ms/10, 1 }), busy: 100 * ms, limited: 90 * ms}, true},
		"a broker that reads slowly":                 {look{TCPInfo: with(func(i *broker.TCPInfo) { i.SendWindow, i.NotSent = 1500, 1<<20 }), widest: 1 << 20, rate: 1e6, busy: 100 * ms, limited: 99 * ms}, false},
		"limited by a large one, as on loopback":     {look{TCPInfo: with(func(i *broker.TCPInfo) { i.RTT, i.NotSent = ms/10, 1 }), busy: 144 * ms, limited: 132 * ms}, false},
	} {
		tc.look.widest = max(tc.look.widest, tc.look.SendWindow)
		if got := tc.look.bad(); got != tc.bad {
			t.Errorf("%s: bad is %v", name, got)
		}
	}
}

// TestWatch plays looks, ten seconds apart.
func TestWatch(t *testing.T) {
	good := sampled{broker.TCPInfo{Scaled: true, SendScale: 10, SendWindow: 1 << 20, RTT: ms}, 1 << 20, 5 * ms}
	bad := sampled{broker.TCPInfo{SendWindow: unscaled, RTT: ms, NotSent: 1 << 20}, 1 << 20, 5 * ms}
	repeat := func(n int, s sampled) (l []sampled) {
		for range n {
			l = append(l, s)
		}
		return l
	}
	play := func(looks ...sampled) (cuts []int) {
		var w watch
		now := time.Unix(1e9, 0)
		w.begin(now)
		for i, s := range looks {
			if i > 0 && s.info.Scaled != looks[i-1].info.Scaled {
				w.begin(now) // that is another connection
			}
			w.handed(int(s.sent), now)
			w.acked(s.ack)
			now = now.Add(watchEvery)
			if !w.due(now, true) {
				t.Fatal("not due after ten seconds of data")
			}
			if w.look(s.info, now) {
				cuts = append(cuts, i)
				w.begin(now)
			}
		}
		return cuts
	}
	equal := func(name string, got []int, want ...int) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: cut at looks %v, want %v", name, got, want)
			return
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: cut at looks %v, want %v", name, got, want)
			}
		}
	}
	equal("healthy", play(repeat(100, good)...))
	equal("three bad looks in a row", play(append(repeat(5, good), repeat(3, bad)...)...), 7)
	equal("never three in a row", play(bad, bad, good, bad, bad, good, bad, bad))
	closed := bad
	closed.info.SendWindow = 0
	equal("the broker does not read", play(repeat(100, closed)...))
	equal("the broker does not read in between", play(bad, closed, bad, closed, bad), 4)
	// 10 min are 60 looks: a host that never offers scaling costs a connection
	// every ten minutes, no more.
	equal("always bad", play(repeat(130, bad)...), 2, 62, 122)
	late := bad
	late.info.NotSent, late.ack = 0, time.Second
	slow := good
	slow.info.Scaled, slow.info.SendWindow = false, unscaled
	equal("answers rise", play(append(repeat(5, slow), repeat(3, late)...)...))
	equal("answers rise above what was calm", play(append(repeat(5, good), repeat(3, late)...)...), 7)
}

// TestWatchSleepsWhenIdle: it asks for no look without data, and a pause does
// not dilute the rate of what comes after it.
func TestWatchSleepsWhenIdle(t *testing.T) {
	var w watch
	now := time.Unix(1e9, 0)
	w.begin(now)
	now = now.Add(time.Hour)
	if w.due(now, false) {
		t.Error("a look after an hour without data")
	}
	w.handed(1<<20, now)
	if w.due(now, true) {
		t.Error("a look at the first byte after a pause")
	}
	now = now.Add(watchEvery)
	if !w.due(now, true) || w.sent != 1<<20 || now.Sub(w.from) != watchEvery {
		t.Errorf("the interval is %v with %d bytes", now.Sub(w.from), w.sent)
	}
	w.look(broker.TCPInfo{}, now)
	now = now.Add(watchEvery / 4)
	if w.hurry(now); w.due(now, true) {
		t.Error("an overdue answer right after a look asks for another")
	}
	now = now.Add(watchEvery / 4)
	if w.hurry(now); !w.due(now, true) {
		t.Error("an overdue answer asks for no look")
	}
}
