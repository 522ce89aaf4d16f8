package elastic

import "time"

// smallestBody is what the window never shrinks a body below: about twelve
// documents. Only a 413 asks for less.
const smallestBody = 16 << 10

// window is how much is sent at once, as the congestion window of TCP is: it
// grows a little with each request that was taken and halves as soon as one is
// not. All senders share it; gate guards it. It has no clock.
type window struct {
	most    int // requests at once at most
	ceiling int // bytes of a body at most; a 413 lowers it for good

	body   int       // bytes of a body now
	slots  float64   // requests at once now; the fraction is growth
	busy   int       // requests under way
	shrunk time.Time // when it shrank last
}

// newWindow starts with a quarter of a body and one request at once.
func newWindow(ceiling, most int) window {
	return window{most: most, ceiling: ceiling, body: max(ceiling/4, min(smallestBody, ceiling)), slots: 1}
}

// free reports whether another request may begin.
func (w *window) free() bool { return w.busy < int(w.slots) }

// grow is for a request of size bytes that was taken. What did not fill the
// window says nothing about a larger one.
func (w *window) grow(size int) {
	if w.busy >= int(w.slots) {
		w.slots = min(w.slots+1/w.slots, float64(w.most))
	}
	if size >= w.body/2 {
		w.body = min(w.body+max(w.ceiling/32, 1), w.ceiling)
	}
}

// shrink is for a request that was refused or not answered. Those that were
// under way together are one sign, not several: what began before it shrank
// last does not count.
func (w *window) shrink(began, now time.Time) {
	if began.Before(w.shrunk) {
		return
	}
	w.body = max(w.body/2, min(smallestBody, w.ceiling))
	w.slots = max(w.slots/2, 1)
	w.shrunk = now
}

// tooLarge is for a body of size bytes of more than one document that was
// refused with 413.
func (w *window) tooLarge(size int) {
	w.ceiling = min(w.ceiling, max(size/2, 1))
	w.body = min(w.body, w.ceiling)
}
