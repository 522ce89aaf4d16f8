package notary

import (
	"strings"
	"testing"
	"time"
)

// TestClockForward: the clock was days ahead for a while. What was sealed then
// is listed soon, and what comes after in supplements.
func TestClockForward(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(30 * time.Minute)
		p.offset.Store(int64(100 * time.Hour))
		ahead := p.store()
		p.offset.Store(0)
		pass(31 * time.Minute)
		p.store()
		pass(2 * time.Hour)
		if n := p.notary.Waiting(); n != 0 {
			t.Errorf("%d objects wait", n)
		}
		p.stop()
		b.complete(t, nil)
		list := b.chains(t, nil)["a"]
		if last := list[len(list)-1]; !last.End || !last.From.After(sealed(ahead.Key)) {
			t.Errorf("%v", spans(list))
		}
		supplements := 0
		for _, m := range list {
			if m.From.Equal(m.To) && len(m.Objects) == 1 {
				supplements++
			}
		}
		if supplements != 1 {
			t.Errorf("%d supplements: %v", supplements, spans(list))
		}
	})
}

// TestCrashBehindTheChain: the clock was ahead, and right again at the crash.
func TestCrashBehindTheChain(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil)
		p.offset.Store(int64(100 * time.Hour))
		p.start()
		pass(time.Minute)
		p.offset.Store(0)
		p.store()
		p.kill()
		pass(time.Minute)
		newProcess(t, b, "a", "", nil).start().stop()
		b.complete(t, nil)
	})
}

// TestClockBackward: as long as the clock is behind the chain, hours give
// supplements, and empty ones show that the writer lives: nobody closes it.
func TestClockBackward(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p, other := newProcess(t, b, "a", "", nil).start(), newProcess(t, b, "b", "", nil).start()
		pass(40 * time.Minute)
		p.offset.Store(int64(-30 * time.Hour))
		p.store()
		pass(10 * time.Hour)
		p.stop()
		other.stop()
		b.complete(t, nil)
		list := b.chains(t, nil)["a"]
		if len(list) < 10 {
			t.Errorf("only %d manifests: %v", len(list), spans(list))
		}
		for _, m := range list {
			if m.MadeBy != "" {
				t.Errorf("%s closed the chain of one that lives", m.MadeBy)
			}
		}
	})
}

func TestDaysFrom(t *testing.T) {
	for _, from := range []string{"2026-11-26", "2026-01-01", "1970-12-31", "2099-09-29"} {
		start, err := time.Parse(time.DateOnly, from)
		if err != nil {
			t.Fatal(err)
		}
		prefixes := daysFrom(start)
		for day := start.AddDate(0, 0, -800); day.Before(start.AddDate(30, 0, 0)); day = day.AddDate(0, 0, 1) {
			n := 0
			for _, p := range prefixes {
				if strings.HasPrefix(day.Format(time.DateOnly), p) {
					n++
				}
			}
			if want := !day.Before(start); (n == 1) != want || n > 1 {
				t.Fatalf("from %s: %s is listed %d times", from, day.Format(time.DateOnly), n)
			}
		}
	}
}
