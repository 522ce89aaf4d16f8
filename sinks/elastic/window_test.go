package elastic

import (
	"testing"
	"time"
)

func TestWindowGrowsSlowlyAndShrinksAtOnce(t *testing.T) {
	const bulk, senders = 4 << 20, 4
	at := time.Unix(1000, 0)
	w := newWindow(bulk, senders)
	if w.body != bulk/4 || w.slots != 1 {
		t.Fatalf("it starts with %d bytes and %v requests, want a quarter of %d and 1", w.body, w.slots, bulk)
	}
	steps := 0
	for ; w.body < bulk || int(w.slots) < senders; steps++ {
		w.busy = int(w.slots)
		w.grow(w.body)
		if steps > 100 {
			t.Fatalf("after %d requests that were taken: %d bytes, %v requests", steps, w.body, w.slots)
		}
	}
	if steps < 10 {
		t.Errorf("it was wide open after %d requests: that is not slowly", steps)
	}
	w.grow(bulk)
	if w.body != bulk || w.slots != senders {
		t.Errorf("it grows beyond its bounds: %d bytes, %v requests", w.body, w.slots)
	}

	// Four requests under way, all refused: one sign.
	for range 4 {
		w.shrink(at, at.Add(time.Second))
	}
	if w.body != bulk/2 || w.slots != senders/2 {
		t.Errorf("after one refusal: %d bytes, %v requests, want half", w.body, w.slots)
	}
	for i := range 20 {
		began := at.Add(time.Duration(i+2) * time.Second)
		w.shrink(began, began.Add(time.Second/2))
	}
	if w.body != smallestBody || w.slots != 1 {
		t.Errorf("after 20 refusals: %d bytes, %v requests, want the least", w.body, w.slots)
	}
}

func TestWindowGrowsOnlyByWhatFilledIt(t *testing.T) {
	w := newWindow(4<<20, 4)
	body := w.body
	for range 100 {
		w.grow(1000) // nothing else under way
	}
	if w.body != body || w.slots != 1 {
		t.Errorf("small requests, one at once, made it %d bytes and %v requests", w.body, w.slots)
	}
}

func TestWindowRemembersWhatIsTooLarge(t *testing.T) {
	w := newWindow(4<<20, 1)
	w.tooLarge(1 << 20)
	for range 1000 {
		w.busy = 1
		w.grow(w.body)
	}
	if w.body != 1<<19 {
		t.Errorf("%d bytes after a body of 1 MiB was too large, want half of it for good", w.body)
	}
	w.tooLarge(1000)
	if w.shrink(time.Unix(1, 0), time.Unix(2, 0)); w.body > 500 || w.body < 1 {
		t.Errorf("%d bytes after a body of 1000 was too large", w.body)
	}
}
