package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

const (
	// askEvery is how often a reader repeats what he wants, and hears how it
	// goes.
	askEvery = 2 * time.Second
	// lease is how long a reader is served who does not.
	lease = 10 * time.Second
	// window bounds the bytes that are on their way to a reader or lie with him,
	// so that they pile up neither in the broker nor in his memory.
	window = 256 << 10
	// rate bounds what a reader is sent in a second, however much he takes: a
	// live view is for people, and audit find for the rest.
	rate = 2 << 20
	// maxPending bounds what waits for a reader: a second's worth.
	maxPending = rate
)

// reader is somebody who is served. View.mu guards it, but for matcher, which
// belongs to the worker.
type reader struct {
	id      string
	ask     Ask
	matcher *filter.Matcher // nil passes everything
	missing []string
	lease   int64
	until   time.Time // when the lease ends

	pending []chunk
	bytes   int // of pending
	sent    int64
	taken   int64 // of sent, what he has done
	lines   int64
	skipped int64
	unread  int64     // View.unread when he began
	credit  float64   // bytes that rate allows now
	since   time.Time // when credit was counted
}

// chunk is the lines of a message to be.
type chunk struct {
	text  []byte
	lines int
}

// asked hears a reader.
func (v *View) asked(m *nats.Msg) {
	id := strings.TrimPrefix(m.Subject, askSubject)
	if !isToken(id) || v.refused.Load() {
		return
	}
	var ask Ask
	err := json.Unmarshal(m.Data, &ask)
	switch {
	case len(m.Data) > maxAsk:
		err = fmt.Errorf("%d bytes are too many", len(m.Data))
	case err != nil:
		err = fmt.Errorf("this is no question of a reader: %w", err)
	case ask.Version != Version:
		err = fmt.Errorf("it speaks version %d, the reader %d: use a loghaul of the aggregator's version", Version, ask.Version)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.readers[id]
	switch {
	case err != nil:
	case ask.End:
		delete(v.readers, id)
		v.changed()
		return
	case r == nil || r.ask != ask:
		r, err = v.admit(id, ask)
	}
	if err != nil {
		v.say(id, &status{Refused: err.Error()}, nil)
		return
	}
	r.until = time.Now().Add(v.lease)
	v.say(id, r.status(v), nil)
}

// admit begins to serve a reader, or says why not. v.mu is held.
func (v *View) admit(id string, ask Ask) (*reader, error) {
	r := &reader{id: id, ask: ask, unread: v.unread.Load(), credit: rate, since: time.Now()}
	if ask.JSON && v.worker.render == nil {
		return nil, errors.New("it has only the bytes of lines: ask for --raw")
	}
	if ask.Filter != "" {
		f, err := filter.Parse(ask.Filter)
		if err != nil {
			return nil, fmt.Errorf("it does not understand the filter: %w", err)
		}
		r.matcher, r.missing = f.Matcher(), f.Missing(parser.Complete(v.deps.Options.Formats))
	}
	if v.readers[id] == nil && len(v.readers) >= v.cfg.Readers {
		return nil, fmt.Errorf("it serves %d readers already: end one of them, or raise tail.readers", len(v.readers))
	}
	v.leases++
	r.lease = v.leases
	v.readers[id] = r
	v.deps.Logger.Info("a reader watches the lines", "reader", id, "filter", ask.Filter)
	v.changed()
	return r, nil
}

// taken hears how far a reader is.
func (v *View) taken(m *nats.Msg) {
	id, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, askSubject), ".")
	var t took
	if json.Unmarshal(m.Data, &t) != nil {
		return // whoever that is gets no more than his window
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.readers[id]
	if r == nil || t.Lease != r.lease || t.Sent <= r.taken || t.Sent > r.sent {
		return
	}
	r.taken = t.Sent
	v.flush(r)
}

// add takes a line for a reader, or counts it as skipped.
func (v *View) add(r *reader, source string, offset int64, object, raw []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	size := len(object) + len(raw) + 64
	if size > maxEntry || r.bytes+size > maxPending {
		r.skip(v, 1)
		return
	}
	last := len(r.pending) - 1
	if last < 0 || len(r.pending[last].text)+size > maxLines {
		r.pending = append(r.pending, chunk{})
		last++
	}
	c := &r.pending[last]
	was := len(c.text)
	c.text = appendLine(c.text, source, offset, object, raw)
	c.lines++
	r.bytes += len(c.text) - was
}

// skip counts lines that the reader does not get.
func (r *reader) skip(v *View, lines int) {
	r.skipped += int64(lines)
	v.skipped.Add(lines)
}

// flush sends a reader what he can take now. v.mu is held.
func (v *View) flush(r *reader) {
	t := time.Now()
	r.credit = min(r.credit+rate*t.Sub(r.since).Seconds(), rate)
	r.since = t
	for len(r.pending) > 0 {
		c := r.pending[0]
		size := int64(len(c.text))
		if onWay := r.sent - r.taken; onWay > 0 && onWay+size > window || r.credit <= 0 {
			return
		}
		r.pending[0] = chunk{}
		r.pending = r.pending[1:]
		r.bytes -= len(c.text)
		r.credit -= float64(size)
		r.sent += size
		r.lines += int64(c.lines)
		if v.say(r.id, r.status(v), c.text) {
			v.sent.Add(c.lines)
			continue
		}
		r.sent -= size
		r.lines -= int64(c.lines)
		r.skip(v, c.lines)
	}
	r.pending = nil // and the memory of what was sent
}

// status is what a reader is told with every message.
func (r *reader) status(v *View) *status {
	return &status{Lease: r.lease, Sent: r.sent, Lines: r.lines, Skipped: r.skipped, Unread: v.unread.Load() - r.unread, Missing: r.missing}
}

// say publishes to a reader and reports whether the broker may get it. v.mu is
// held.
func (v *View) say(id string, s *status, lines []byte) bool {
	s.Version, s.Aggregator, s.ID = Version, v.deps.Name, v.id
	message, err := appendMessage(nil, s, lines)
	if err == nil {
		err = v.nc.Publish(linesSubject+id, message)
	}
	return err == nil
}

// tend ends leases and sends what waits.
func (v *View) tend() {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, before := time.Now(), len(v.readers)
	for id, r := range v.readers {
		if t.After(r.until) {
			delete(v.readers, id)
			continue
		}
		v.flush(r)
	}
	if len(v.readers) != before {
		v.changed()
	}
}
