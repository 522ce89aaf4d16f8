// Package tail follows log files through everything that happens to them:
// growth, rotation by rename (also several times while nobody looked), copy and
// truncate, deletion, reuse of inodes.
//
// A file is known by device, inode and head: its first record, at most 1,024
// bytes of it. Each generation of a file is a source of its own, whose identity
// comes from nothing but those, so reading it again after all state was lost
// gives the same. Nothing of a file is shipped before its head is complete.
//
// Data is left in the page cache until a batch is due: after the linger, or
// when a look at the size shows a full batch. Only idle files are watched by
// inotify, each with a watch that fires once; active ones are looked at by the
// clock. That is half of the CPU a tailer needs.
//
// Invariants: the confirmed position of a file never passes its read position;
// a descriptor of a file that is rotated away or deleted is kept until its last
// byte is confirmed and no writer is left; bytes that are known to be gone
// unread are counted as lost, never passed over.
//
// A Tailer and its Files belong to one goroutine. Only Stats may be used by others.
package tail

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// Config says what to follow and when a batch is due.
type Config struct {
	// Node is this machine's name. It is part of every identity.
	Node string
	// Inputs are what to follow.
	Inputs []Input
	// Batch is how many unread bytes are a full batch; Linger is how long
	// fewer wait.
	Batch  int64
	Linger time.Duration
	// MaxLine is where a longer record is cut.
	MaxLine int
	// Poll is how often folders are looked through when inotify works,
	// PollOnly how often when it does not.
	Poll, PollOnly time.Duration
	// NoInotify makes the Tailer poll only.
	NoInotify bool
	// RotatedWait is how long a file that was rotated away must be quiet
	// before it counts as finished, where the kernel can't say whether a
	// writer is left.
	RotatedWait time.Duration
	// MaxOpen bounds the files held open.
	MaxOpen int
	// Links is a folder for hard links to rotated files that have unconfirmed
	// bytes; "" is none. It is made if it is not there.
	Links string
	// KeepBytes bounds the files that were deleted with unconfirmed bytes and
	// are kept by a link or an open descriptor. Beyond it the oldest is given up.
	KeepBytes int64
	// Keep bounds the entries of files that are no more, KeepFor their age.
	Keep    int
	KeepFor time.Duration
}

// Input is what matches one pattern.
type Input struct {
	// Pattern is a path, with wildcards as in path/filepath.Match.
	Pattern string
	// Labels travel with every batch of its files.
	Labels wire.Labels
	// MaxLine is where a longer record of these files is cut; 0 is Config's.
	MaxLine int
	// Wrapper says what wraps their lines: cri, docker, none, or auto (also
	// ""): what the beginning of a file looks like. A batch does not end
	// between the parts of a line that a container's runtime cut.
	Wrapper string
}

// DefaultConfig gives the defaults; Node and Inputs are left empty.
func DefaultConfig() Config {
	return Config{
		Batch: 2 << 20, Linger: time.Second, MaxLine: 1 << 20,
		Poll: 10 * time.Second, PollOnly: time.Second, RotatedWait: time.Minute,
		MaxOpen: 1024, Keep: 10_000, KeepFor: 7 * 24 * time.Hour, KeepBytes: 1 << 30,
	}
}

// Validate says what is wrong.
func (c *Config) Validate() error {
	var errs []error
	for _, in := range c.Inputs {
		if _, err := filepath.Match(in.Pattern, ""); err != nil || !filepath.IsAbs(in.Pattern) {
			errs = append(errs, fmt.Errorf("path %q: want an absolute path or pattern", in.Pattern))
		}
		if _, ok := wrappers[in.Wrapper]; !ok && in.Wrapper != "" && in.Wrapper != "auto" {
			errs = append(errs, fmt.Errorf("path %q: wrapper %q: want auto, none, cri or docker", in.Pattern, in.Wrapper))
		}
		if in.MaxLine != 0 && (in.MaxLine < 4096 || in.MaxLine > 8<<20) {
			errs = append(errs, fmt.Errorf("path %q: longest line %d: want 4 KiB to 8 MiB", in.Pattern, in.MaxLine))
		}
	}
	if c.MaxLine < 4096 || c.MaxLine > 8<<20 {
		errs = append(errs, fmt.Errorf("longest line %d: want 4 KiB to 8 MiB", c.MaxLine))
	}
	if c.Batch < 4096 || c.Batch > 8<<20 {
		errs = append(errs, fmt.Errorf("batch of %d bytes: want 4 KiB to 8 MiB", c.Batch))
	}
	if c.MaxOpen < 1 {
		errs = append(errs, errors.New("at least one file must be allowed open"))
	}
	return errors.Join(errs...)
}

// Tailer finds files and says which of them has a batch due.
type Tailer struct {
	cfg    Config
	log    *slog.Logger
	now    time.Time // of the current call
	stats  Stats
	ledger *ledger.Ledger
	inputs map[string]Input // by pattern

	files  map[*File]struct{}
	byLoc  map[fileKey]*File   // where the bytes are; no done files
	byID   map[fileKey][]*File // what the identity came from
	byHead map[head][]*File
	active []*File
	turn   int
	open   int

	patterns map[string]int64 // when each was watched first
	floors   map[string]floor
	ignored  map[fileKey]info
	troubles map[string]string

	scans          uint64
	nextScan       time.Time
	unmatched      map[string]bool  // patterns of which it was said that nothing matches
	rebuilt        int64            // when positions that were lost to damage were begun anew
	found          []candidate      // by the running scan
	archives       []candidate      // compressed, by the last scan
	damaged        map[fileKey]info // compressed files that can't be read
	states, stored int              // how many States were asked for; the last of them that is stored
	incomplete     bool             // the running scan could not look everywhere
	dirty          bool
	orphans        map[fileKey]string // links of files that no position is known of
	watch          *watcher
	leaseCheck     func(f *File) (gone, known bool)
}

// New makes a Tailer that goes on from st and counts in l. It opens nothing yet: the first
// Step does.
func New(cfg Config, st checkpoint.State, l *ledger.Ledger, log *slog.Logger) (*Tailer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Tailer{
		cfg: cfg, log: log, ledger: l,
		files: map[*File]struct{}{}, byLoc: map[fileKey]*File{}, byID: map[fileKey][]*File{}, byHead: map[head][]*File{},
		unmatched: map[string]bool{}, orphans: map[fileKey]string{}, damaged: map[fileKey]info{}, patterns: map[string]int64{}, floors: map[string]floor{}, ignored: map[fileKey]info{}, troubles: map[string]string{},
		leaseCheck: func(f *File) (bool, bool) { return writersGone(f.fd) },
	}
	maps.Copy(t.patterns, st.Patterns)
	t.indexInputs()
	if st.Rebuilt { // unread files may be among the oldest
		for _, in := range cfg.Inputs {
			t.patterns[in.Pattern] = 0
		}
		t.rebuilt = time.Now().UnixNano()
	}
	for i := range st.Entries {
		if err := t.restore(&st.Entries[i]); err != nil {
			return nil, fmt.Errorf("entry %d of the positions: %w", i+1, err)
		}
	}
	if cfg.Links != "" {
		if err := os.MkdirAll(cfg.Links, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder for links to log files: %w", err)
		}
	}
	t.findLinks()
	t.watchAgain()
	return t, nil
}

// Wake is received from when something happened that Step should see before
// NextStep. It is nil when inotify is not used.
func (t *Tailer) Wake() <-chan []Event {
	if t.watch == nil {
		return nil
	}
	return t.watch.events
}

// Notice takes what Wake gave.
func (t *Tailer) Notice(events []Event, now time.Time) {
	t.now = now
	for _, e := range events {
		t.noticed(e)
	}
}

// Step looks for new, rotated and deleted files when that is due.
func (t *Tailer) Step(now time.Time) {
	t.now = now
	if now.Before(t.nextScan) {
		return
	}
	t.nextScan = now.Add(t.every())
	t.scan()
}

// every is how often folders are looked through.
func (t *Tailer) every() time.Duration {
	if t.watch == nil {
		return t.cfg.PollOnly
	}
	return t.cfg.Poll
}

// NextStep says when to call Step and Next again at the latest. Files can wait
// for the broker; only rotation must not.
func (t *Tailer) NextStep(blocked bool) time.Time {
	at := t.nextScan
	if blocked {
		return at
	}
	for _, f := range t.active {
		if f.next.Before(at) {
			at = f.next
		}
	}
	return at
}

// Next gives a file that has a batch due, in turns, or nil.
func (t *Tailer) Next(now time.Time) source.Source {
	if f := t.next(now); f != nil {
		return f
	}
	return nil
}

func (t *Tailer) next(now time.Time) *File {
	t.now = now
	for range len(t.active) {
		if len(t.active) == 0 {
			return nil
		}
		t.turn %= len(t.active)
		f := t.active[t.turn]
		if now.Before(f.next) {
			t.turn++
			continue
		}
		before := len(t.active)
		due := t.check(f)
		if len(t.active) == before {
			t.turn++ // otherwise another file took f's place in the list
		}
		if due {
			return f
		}
	}
	return nil
}

// Dirty says whether Entries changed since it was last asked.
func (t *Tailer) Dirty() bool {
	d := t.dirty
	t.dirty = false
	return d
}

// Stored says that what State gave last is durable.
func (t *Tailer) Stored() { t.stored = t.states }

// State gives what has to be remembered.
func (t *Tailer) State() checkpoint.State {
	t.states++
	st := checkpoint.State{Patterns: maps.Clone(t.patterns), Entries: make([]checkpoint.Entry, 0, len(t.files))}
	for f := range t.files {
		st.Entries = append(st.Entries, f.entry())
	}
	sort.Slice(st.Entries, func(i, j int) bool {
		a, b := &st.Entries[i], &st.Entries[j]
		return a.Path < b.Path || a.Path == b.Path && a.ID < b.ID
	})
	return st
}

// Stats gives the counters. They may be read at any time by anybody.
func (t *Tailer) Stats() *Stats { return &t.stats }

// Close lets go of all files and of inotify.
func (t *Tailer) Close() error {
	var errs []error
	for f := range t.files {
		if f.fd != nil {
			errs = append(errs, f.fd.Close())
			f.fd = nil
		}
	}
	if t.watch != nil {
		errs = append(errs, t.watch.close())
	}
	return errors.Join(errs...)
}
