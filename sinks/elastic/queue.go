package elastic

import (
	"context"
	"sync"
	"time"

	"github.com/loghaul/loghaul/sinks"
)

// queue holds groups up to a number of bytes of their bodies. The bytes count
// until the group is done, so they bound what is being sent as well.
type queue struct {
	limit int64
	idle  func()        // called when the last group is done
	wake  chan struct{} // holds a token while groups may be waiting

	mu     sync.Mutex
	groups []entry
	bytes  int64
	closed bool
}

// entry is a group and when it was offered.
type entry struct {
	*sinks.Group
	at time.Time
}

func newQueue(limit int64) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1), idle: func() {}}
}

// offer takes g if there is room, else it says why not. A group larger than
// the whole queue is taken when nothing else is there.
func (q *queue) offer(g *sinks.Group) (why string) {
	size := int64(len(g.Body))
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return dropShutdown
	case q.bytes > 0 && q.bytes+size > q.limit:
		return dropQueueFull
	}
	q.bytes += size
	q.groups = append(q.groups, entry{g, time.Now()})
	q.signal()
	return ""
}

// take waits for a group; it gives none when ctx ends or the queue is closed and
// empty. The caller has to call done.
func (q *queue) take(ctx context.Context) (e entry) {
	for {
		q.mu.Lock()
		if len(q.groups) > 0 {
			e, q.groups[0] = q.groups[0], e
			if q.groups = q.groups[1:]; len(q.groups) > 0 || q.closed {
				q.signal()
			}
			q.mu.Unlock()
			return e
		}
		if q.closed {
			q.signal() // for the next sender
			q.mu.Unlock()
			return e
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return e
		case <-q.wake:
		}
	}
}

// busy reports whether a group waits to be taken or to be done.
func (q *queue) busy() bool { return q.size() > 0 }

// done gives the room of a taken group back.
func (q *queue) done(g *sinks.Group) {
	q.mu.Lock()
	q.bytes -= int64(len(g.Body))
	idle := q.bytes == 0
	q.mu.Unlock()
	if idle {
		q.idle()
	}
}

// close makes offer refuse. What is queued can still be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) size() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// signal wakes one sender. The caller holds the lock.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
