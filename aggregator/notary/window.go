package notary

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

const (
	// When four times as much waits as one manifest may have, because none can be
	// written, objects wait as keys and checksums.
	maxEntries     = 4 * maxItems
	maxEntryWeight = 4 * maxWeight
	// maxWaiting bounds these: several days' worth.
	maxWaiting = 1 << 15
)

// Window is a sealed window of lines on its way into the archive. A nil Window
// does nothing, for an aggregator without a notary.
type Window struct {
	n      *Notary
	sealed time.Time
}

// Open tells of a window that was sealed now: its hour stays open until Close.
func (n *Notary) Open(sealed time.Time) *Window {
	if n == nil {
		return nil
	}
	w := &Window{n, sealed.UTC().Truncate(time.Millisecond)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = append(n.open, w)
	if n.first.IsZero() || w.sealed.Before(n.first) {
		n.first = w.sealed
	}
	return w
}

// Close tells that everything of the window is stored, or will not be.
func (w *Window) Close() {
	if w == nil {
		return
	}
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	w.n.open = slices.DeleteFunc(w.n.open, func(o *Window) bool { return o == w })
	if w.n.full() {
		w.n.nudge()
	}
}

// Storing tells that an object is about to be stored.
func (w *Window) Storing(g *sinks.Group) {
	if w == nil {
		return
	}
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if w.n.mine != nil {
		w.n.mine[g.Key] = struct{}{}
	}
	w.n.unsure[g.Key] = ""
}

// Stored tells that the store has confirmed an object. It keeps no view of it.
func (w *Window) Stored(g *sinks.Group) {
	if w == nil {
		return
	}
	it := &item{key: g.Key, size: int64(len(g.Body)), sum: g.SHA256, sealed: w.sealed, weight: usualWeight}
	if k, err := archive.ParseKey(g.Key); err == nil {
		it.sealed = k.Sealed
	}
	if w.n.roomForEntry() {
		w.n.enter(it, g.Body)
	}
	w.n.note(it)
}

func (n *Notary) roomForEntry() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.waiting) < maxEntries && n.weight < maxEntryWeight
}

// enter makes an item's entry from the object's own bytes.
func (n *Notary) enter(it *item, body []byte) {
	if _, err := archive.ParseKey(it.key); err != nil {
		it.enter(nil) // quarantined
		return
	}
	n.noting.Lock()
	defer n.noting.Unlock()
	s, err := n.summer.Summarize(body)
	if err != nil { // it was read back before it was stored
		n.log.Error("an object that was stored cannot be summarized; its manifest has its checksum alone: please report this", "error", err, "key", it.key)
	}
	it.enter(s)
}

// note puts an item to those that wait.
func (n *Notary) note(it *item) {
	n.mu.Lock()
	defer n.mu.Unlock()
	elsewhere := n.unsure[it.key] == hex.EncodeToString(it.sum[:])
	if delete(n.unsure, it.key); elsewhere {
		return
	}
	if len(n.waiting) >= maxWaiting {
		if !n.dropped {
			n.log.Error("too many objects wait for their manifest; the others are found in the archive at the next start, or by `loghaul audit seal`", "objects", len(n.waiting))
		}
		n.dropped = true
		return
	}
	if slices.ContainsFunc(n.waiting, func(o *item) bool { return o.key == it.key && o.sum == it.sum }) {
		return // the same malformed message, twice in an hour
	}
	n.waiting = append(n.waiting, it)
	if n.weight += it.weight; n.full() {
		n.nudge()
	}
}

func (n *Notary) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}
