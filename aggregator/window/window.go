// Package window collects batches until there are enough for one object of the
// archive. It verifies each batch and recognizes those it has seen before.
//
// What must hold:
//
//   - A batch in a window is exactly what its forwarder read: length, number
//     of records and checksum are as declared.
//   - A batch is called a repeat only if one with the same source, range and
//     checksum went into this window or an earlier one, a loss only if one with
//     the same source, range, reason and number of lines did. Windows are stored in
//     their order, so the message of a repeat may be acknowledged as soon as
//     the window it came into is stored.
//   - Raw bytes lie in chunks that are used again for the next window: nothing
//     may keep a batch of a window after Reset.
package window

import (
	"strconv"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

// chunkSize is the unit in which memory for raw bytes is taken. A batch lies
// in one chunk; typical ones have 1 to 2 MiB.
const chunkSize = 4 << 20

// remembered bounds the batches of earlier windows that are recognized as
// repeats: between this number and twice it, at about 100 bytes each.
const remembered = 1 << 14

// Limits close a window.
type Limits struct {
	// Lines closes a window that has as many lines or more.
	Lines int
	// Bytes bounds the raw bytes. It must be at least wire.MaxBatch.
	Bytes int64
	// Age closes a window so long after its first message.
	Age time.Duration
}

// Result is what became of a message.
type Result uint8

const (
	// Added means that the batch is in the window.
	Added Result = iota
	// Repeat means that the batch is or was in a window already.
	Repeat
	// Full means that the window must be closed first; nothing was changed.
	Full
)

// Window collects batches. One goroutine may use it at a time.
type Window struct {
	limits  Limits
	decoder *wire.Decoder

	batches []archive.Batch
	lines   int
	bytes   int64 // raw bytes, what losses take, and what Hold was told
	opened  time.Time

	chunks [][]byte // each of them with its used part as length
	chunk  int      // the one being filled

	recent, older map[string]struct{}
}

// New makes an empty window.
func New(l Limits) (*Window, error) {
	d, err := wire.NewDecoder()
	if err != nil {
		return nil, err
	}
	return &Window{limits: l, decoder: d, recent: map[string]struct{}{}, older: map[string]struct{}{}}, nil
}

// Add verifies a message and puts its batch into the window. The error wraps
// wire.ErrMalformed. The payload is not kept.
func (w *Window) Add(header map[string][]string, payload []byte, now time.Time) (Result, error) {
	h, err := wire.DecodeHeader(header)
	if err != nil {
		return 0, err
	}
	id := h.MsgID() + "/" + strconv.FormatUint(uint64(h.CRC), 16)
	size := h.To - h.From
	if h.Lost != "" {
		id += "/" + h.Lost + "/" + strconv.Itoa(h.Records)
		size = 0
	}
	if w.seen(id) {
		w.open(now)
		return Repeat, nil
	}
	if h.Lost != "" {
		return w.addLoss(&h, id, payload, now)
	}
	if w.bytes > 0 && w.bytes+size > w.limits.Bytes {
		return Full, nil
	}
	room := w.room(int(size))
	raw, err := w.decoder.Decode(room, &h, payload)
	if err != nil {
		return 0, err
	}
	w.open(now)
	c := &w.chunks[w.chunk]
	*c = (*c)[:len(*c)+len(raw)]
	w.batches = append(w.batches, archive.Batch{Header: h, Raw: raw})
	w.lines += h.Records
	w.bytes += size
	w.recent[id] = struct{}{}
	return Added, nil
}

// lossCost is about what a loss takes besides its texts.
const lossCost = 512

// addLoss puts the declaration of a loss into the window.
func (w *Window) addLoss(h *wire.Header, id string, payload []byte, now time.Time) (Result, error) {
	cost := int64(lossCost + len(h.Source.Node) + len(h.Source.Path))
	for _, l := range h.Labels {
		cost += int64(len(l.Key) + len(l.Value))
	}
	if w.bytes > 0 && w.bytes+cost > w.limits.Bytes {
		return Full, nil
	}
	if _, err := w.decoder.Decode(nil, h, payload); err != nil {
		return 0, err
	}
	w.open(now)
	w.batches = append(w.batches, archive.Batch{Header: *h})
	w.bytes += cost
	w.recent[id] = struct{}{}
	return Added, nil
}

// Hold counts n bytes that the caller keeps with this window in other ways.
func (w *Window) Hold(n int, now time.Time) {
	w.open(now)
	w.bytes += int64(n)
}

func (w *Window) open(now time.Time) {
	if w.opened.IsZero() {
		w.opened = now
	}
}

func (w *Window) seen(id string) bool {
	if _, ok := w.recent[id]; ok {
		return true
	}
	_, ok := w.older[id]
	return ok
}

// room gives an empty slice of capacity n at the free end of a chunk, which
// becomes the current one.
func (w *Window) room(n int) []byte {
	for ; w.chunk < len(w.chunks); w.chunk++ {
		if c := w.chunks[w.chunk]; cap(c)-len(c) >= n {
			return c[len(c) : len(c) : len(c)+n]
		}
	}
	w.chunks = append(w.chunks, make([]byte, 0, max(n, chunkSize)))
	w.chunk = len(w.chunks) - 1
	return w.chunks[w.chunk][:0:n]
}

// Batches gives what was added, in that order. They are valid until Reset.
func (w *Window) Batches() []archive.Batch { return w.batches }

// Lines is the number of records in the window.
func (w *Window) Lines() int { return w.lines }

// Bytes is the number of raw bytes in the window, and of what losses take and
// Hold was told.
func (w *Window) Bytes() int64 { return w.bytes }

// Done reports whether the window has enough lines or bytes.
func (w *Window) Done() bool { return w.lines >= w.limits.Lines || w.bytes >= w.limits.Bytes }

// Deadline is when the window must be closed for its age, zero if it has had
// no message.
func (w *Window) Deadline() time.Time {
	if w.opened.IsZero() {
		return time.Time{}
	}
	return w.opened.Add(w.limits.Age)
}

// Reset empties the window for the next batches. What was added is remembered.
func (w *Window) Reset() {
	clear(w.batches)
	w.batches = w.batches[:0]
	w.lines, w.bytes, w.opened = 0, 0, time.Time{}
	// An outsized batch must not keep its memory for ever, nor hide the
	// chunks behind it.
	kept := w.chunks[:0]
	for _, c := range w.chunks {
		if cap(c) == chunkSize {
			kept = append(kept, c[:0])
		}
	}
	clear(w.chunks[len(kept):])
	w.chunks, w.chunk = kept, 0
	if len(w.recent) >= remembered {
		w.older, w.recent = w.recent, map[string]struct{}{}
	}
}
