// Package haproxy asks HAProxy itself how many lines it could not send.
//
// HAProxy drops a line when its target takes nothing at that moment, and counts
// it: DroppedLogs in "show info" of its stats socket, since version 1.9. Here
// each process of HAProxy is a source: a stream that has no bytes, in which
// every dropped line is one step of the offset, so that offsets are HAProxy's
// own counter. It consists of losses only. They are shipped like lines, and
// stand in the archive as a gap of a known number of lines.
//
// What a process drops after it was asked last, before it ends, nobody learns;
// nor what HAProxy does not count: datagrams to a port or socket that nobody
// listens on.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

const (
	// patience is how long a running poll is left alone before it is looked at.
	patience = 100 * time.Millisecond
	// keep bounds the processes that are remembered for one socket.
	keep = 64
)

// Config says whom to ask.
type Config struct {
	// Node is this machine's name. It is part of every identity.
	Node string
	// Sockets are stats sockets, or sockets of masters: paths, or host:port.
	// Any level will do: nothing is changed.
	Sockets []string
	// Labels travel with every loss.
	Labels wire.Labels
	// Every is how often they are asked, Timeout how long one may take.
	Every, Timeout time.Duration
}

// DefaultConfig gives the defaults; Node and Sockets are left empty.
func DefaultConfig() Config { return Config{Every: 10 * time.Second, Timeout: 3 * time.Second} }

// Validate says what is wrong.
func (c *Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Sockets {
		_, port, tcp := strings.Cut(s, ":")
		if !filepath.IsAbs(s) && (!tcp || port == "") {
			errs = append(errs, fmt.Errorf("stats socket %q: want an absolute path or host:port", s))
		}
		if seen[s] {
			errs = append(errs, fmt.Errorf("stats socket %q is named twice", s))
		}
		seen[s] = true
	}
	if c.Every < time.Second || c.Timeout < 10*time.Millisecond {
		errs = append(errs, fmt.Errorf("asking every %v within %v: want at least 1s and 10ms", c.Every, c.Timeout))
	}
	return errors.Join(errs...)
}

// Stream is what has to be remembered about one process.
type Stream struct {
	// ID is its identity, Path the source's path.
	ID, Path string
	// Pos is how many lost lines the broker knows of.
	Pos int64
}

// Stats counts. It may be read by anybody.
type Stats struct {
	// Polls counts rounds, Failures sockets that did not answer in one.
	Polls, Failures atomic.Int64
	// Processes is how many processes answered last.
	Processes atomic.Int64
	// Dropped counts the lines that HAProxy dropped, as far as we learned.
	Dropped atomic.Int64
}

// Watcher is a source.Feed. It belongs to one goroutine, except Stats and Problem.
type Watcher struct {
	cfg     Config
	log     *slog.Logger
	ledger  *ledger.Ledger
	sockets []*socket
	turn    int
	dirty   bool
	next    time.Time // when to ask
	look    time.Time // when to look whether the answers are there
	answers chan []answer
	running bool
	cancel  context.CancelFunc
	done    sync.WaitGroup
	stats   Stats
	problem atomic.Pointer[error]
}

// socket is one stats socket.
type socket struct {
	name      string
	processes []*process
	known     map[string]int64 // positions of processes that were not met yet
	master    bool             // the last answer was a master's
	failing   bool
	old       bool // too old to count, and that was said
}

var _ source.Feed = (*Watcher)(nil)

// New makes a Watcher that goes on from what Streams gave before. It asks
// nobody yet: the first Step does. Close must be called in the end.
func New(cfg Config, known []Stream, l *ledger.Ledger, log *slog.Logger) (*Watcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &Watcher{cfg: cfg, log: log, ledger: l, answers: make(chan []answer, 1)}
	for _, name := range cfg.Sockets {
		s := &socket{name: name, known: map[string]int64{}}
		for _, k := range known {
			if k.Path == pathOf(name) {
				s.known[k.ID] = k.Pos
			}
		}
		w.sockets = append(w.sockets, s)
	}
	return w, nil
}

// pathOf names the source and the account of a socket.
func pathOf(socket string) string { return "haproxy:" + socket }

// Step asks when that is due, and takes the answers. It does not wait.
func (w *Watcher) Step(now time.Time) {
	if w.running {
		w.look = now.Add(patience)
		select {
		case answers := <-w.answers:
			w.running = false
			for i := range answers {
				w.heard(w.sockets[i], &answers[i])
			}
			w.sum()
		default:
		}
	}
	if w.running || now.Before(w.next) || len(w.sockets) == 0 {
		return
	}
	w.next, w.look, w.running = now.Add(w.cfg.Every), now.Add(patience), true
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	masters := make([]bool, len(w.sockets))
	for i, s := range w.sockets {
		masters[i] = s.master
	}
	w.done.Go(func() {
		defer cancel()
		answers := make([]answer, len(masters))
		for i, name := range w.cfg.Sockets {
			answers[i] = ask(ctx, name, masters[i], w.cfg.Timeout)
		}
		w.answers <- answers // has room: one poll runs at a time
	})
}

// heard takes the answer of one socket.
func (w *Watcher) heard(s *socket, a *answer) {
	s.master = a.master
	if a.err != nil {
		w.stats.Failures.Add(1)
		if !s.failing {
			w.log.Warn("HAProxy does not answer; what it drops is not known meanwhile", "socket", s.name, "why", a.err)
		}
		s.failing = true
		return
	}
	if s.failing {
		w.log.Info("HAProxy answers again", "socket", s.name)
	}
	s.failing = false
	met := s.processes[:0:0]
	for _, i := range a.processes {
		if !i.counts {
			if !s.old {
				w.log.Warn("this HAProxy does not count the lines it drops; version 1.9 and later do", "socket", s.name, "version", i.version)
			}
			s.old = true
			continue
		}
		p := s.find(w.cfg.Node, &i)
		if p == nil {
			p = s.meet(w, &i)
			w.dirty = true
		}
		w.stats.Dropped.Add(p.counted(i.dropped))
		met = append(met, p)
	}
	for _, p := range s.processes { // those that ended stay until the broker knows
		if p.acked < p.total && !slices.Contains(met, p) {
			met = append(met, p)
		}
	}
	w.dirty = w.dirty || len(met) != len(s.processes) || len(s.known) > 0
	s.processes = met
	clear(s.known) // who did not answer now is no more
}

// sum brings what others may ask for up to date.
func (w *Watcher) sum() {
	w.stats.Polls.Add(1)
	n := 0
	var errs []error
	for _, s := range w.sockets {
		n += len(s.processes)
		if s.failing {
			errs = append(errs, fmt.Errorf("HAProxy's stats socket %s does not answer", s.name))
		}
	}
	w.stats.Processes.Store(int64(n))
	if err := errors.Join(errs...); err != nil {
		w.problem.Store(&err)
	} else {
		w.problem.Store(nil)
	}
}

// Next gives a process with lost lines that were not shipped yet, in turns, or nil.
func (w *Watcher) Next(time.Time) source.Source {
	var due []*process
	for _, s := range w.sockets {
		for _, p := range s.processes {
			if p.read < p.total {
				due = append(due, p)
			}
		}
	}
	if len(due) == 0 {
		return nil
	}
	w.turn++
	return due[w.turn%len(due)]
}

// NextStep says when to call Step or Next again at the latest. HAProxy is asked
// also while the broker takes nothing.
func (w *Watcher) NextStep(bool) time.Time {
	switch {
	case w.running:
		return w.look
	case len(w.sockets) == 0:
		return time.Time{}
	}
	return w.next
}

// Dirty says whether Streams changed since it was last asked.
func (w *Watcher) Dirty() bool {
	d := w.dirty
	w.dirty = false
	return d
}

// Streams gives what has to be remembered.
func (w *Watcher) Streams() []Stream {
	var all []Stream
	for _, s := range w.sockets {
		n := 0
		for _, p := range s.processes {
			if n++; n <= keep {
				all = append(all, Stream{p.id, pathOf(s.name), p.acked})
			}
		}
		for id, pos := range s.known {
			if n++; n <= keep {
				all = append(all, Stream{id, pathOf(s.name), pos})
			}
		}
	}
	return all
}

// Stats gives the counters.
func (w *Watcher) Stats() *Stats { return &w.stats }

// Problem says which sockets do not answer, or nil. Lines flow all the same.
func (w *Watcher) Problem() error {
	if p := w.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// Close ends a running poll and waits for it.
func (w *Watcher) Close() {
	if w.cancel != nil {
		w.cancel()
	}
	w.done.Wait()
}
