package tail

import (
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/wire"
)

// TestLossIsDeclaredBehindTheData: also after a restart, until it is confirmed,
// and it is counted once.
func TestLossIsDeclaredBehindTheData(t *testing.T) {
	w := plain(t)
	w.put("first line\nsecond line\n")
	w.scan()
	w.ship(1) // on its way
	w.put("never read\n")
	w.scan() // sees 11 more bytes
	w.must(os.Truncate(w.log, 0))
	w.scan()
	w.ship(1)
	if n := len(w.flights); n != 2 || w.flights[1].run.Lost != wire.Truncated || w.flights[1].run.From != 23 || w.flights[1].run.To != 34 {
		t.Fatalf("in flight: %+v", w.flights)
	}
	if n := w.lostNow(); n != 11 {
		t.Errorf("%d bytes are counted as lost, want 11", n)
	}
	w.ack(1)
	w.save()
	w.crash(0) // the declaration did not arrive
	w.start()
	w.drain()
	w.save()
	if n := w.lostNow(); n != 0 {
		t.Errorf("%d bytes are counted as lost again after the restart", n)
	}
	for _, s := range w.broker.streams {
		if got := strings.Repeat("1", 23) + strings.Repeat("2", 11); asDigits(s) != got {
			t.Errorf("the stream is %s, want %s", asDigits(s), got)
		}
	}
	for _, e := range w.saved.Entries {
		if e.ID != "" && (e.Lost != "" || !e.Done || e.Pos != 34) {
			t.Errorf("the entry is %+v", e)
		}
	}
	w.ledger.Each(func(a *ledger.Account) {
		if a.AckedBytes.Load() != 0 || a.InFlight() != 0 {
			t.Errorf("acked %d, in flight %d: a loss is neither", a.AckedBytes.Load(), a.InFlight())
		}
	})
}

func asDigits(s *stream) string {
	b := asBytes(s.have)
	for i := range b {
		b[i] += '0'
	}
	return string(b)
}

// TestRestOfACutLineIsMarked: also by a process that did not cut it.
func TestRestOfACutLineIsMarked(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := plain(t)
		w.put("short\n" + strings.Repeat("x", 5000) + "\nshort\n")
		w.scan()
		w.ship(2)
		w.ack(2)
		if restart {
			w.save()
			w.crash(0)
			w.start()
		}
		w.scan()
		w.ship(1)
		if len(w.flights) != 1 || !w.flights[0].run.Continued || w.flights[0].run.From != 6+4096 {
			t.Errorf("restart %v: %+v", restart, w.flights)
		}
		w.ack(1)
		w.put("one more\n")
		w.scan()
		w.ship(1)
		if len(w.flights) != 1 || w.flights[0].run.Continued {
			t.Errorf("restart %v: %+v", restart, w.flights)
		}
	}
}
