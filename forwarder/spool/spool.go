// Package spool keeps on disk what is not a file: lines of syslog, stdin and
// journald, until the broker has them. One spool is one folder, one byte stream
// and one source.
//
//	Append → write(2) → fsync → Read → (broker) → Confirm → segment removed
//
// Only bytes that were fsynced are ever read, so a place in the stream never
// names two different byte strings, whatever a loss of power takes away. Places
// where lines were lost are in the stream too: as marks, written by Lose or made
// by whoever finds damage.
//
// The folder holds segments of checksummed records, which are only appended to
// and removed as a whole. docs/formats/spool.md has the format, the policy of
// fsync, and what a crash, a full disk and a failing one do.
//
// Append, Lose and WaitRoom may be called by anybody at any time. The methods of
// the reader's side belong to one goroutine, Run to another.
package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/internal/wire"
)

// Config says where a spool is and what bounds it.
type Config struct {
	// Dir is the folder, of this spool alone.
	Dir string
	// Node and Path name the source: Path is the listener's URL, for people.
	Node, Path string
	// Labels travel with every batch.
	Labels wire.Labels
	// Bytes bounds the data on disk.
	Bytes int64
	// Segment is the size of a segment file; at most a quarter of Bytes is
	// used.
	Segment int64
	// SyncEvery is the policy of fsync. 0: Append returns after its bytes are
	// on stable storage. Otherwise they are there at most that much later.
	SyncEvery time.Duration
	// Batch is how many unread bytes are a full batch; Linger is how long
	// fewer wait.
	Batch  int64
	Linger time.Duration
}

const (
	// minBytes is the least Bytes.
	minBytes = 64 << 10
	// minSegment and defaultSegment are for Segment.
	minSegment     = 4 << 10
	defaultSegment = 16 << 20
	// retryEvery is how long a disk that failed is left alone.
	retryEvery = 500 * time.Millisecond
	// markEvery is the least time between two marks, markMost the time to
	// which it grows while nothing can be appended.
	markEvery = time.Second
	markMost  = time.Minute
)

// ErrFull is wrapped by the errors of Append that pass by themselves: the spool
// is at its bound, or the disk is full or failing. The records were not taken.
var ErrFull = errors.New("spool takes no more")

// Spool is a stream on disk.
type Spool struct {
	cfg Config
	host
	account *ledger.Account
	log     *slog.Logger
	lock    io.Closer // of the folder
	src     wire.Source
	seed    uint32
	reserve int64 // of Bytes, for loss marks
	full    error // what Append says at the bound

	syncing sync.Mutex // one fsync at a time; taken before mu

	mu      sync.Mutex
	segs    []*segment // in order; the last is written to
	file    durable.File
	at      int64          // where the next record goes in file
	end     int64          // of the stream
	used    int64          // bytes in all segments
	old     []durable.File // of segments before the last, not synced since their last write
	newName bool           // the folder was not synced since a segment was made
	dirty   time.Time      // when the first byte after synced was written
	marks   []placed       // the marks after synced
	edge    place          // where synced is
	buf     []byte
	acked   int64

	ill     error                 // why lines could not be stored, until an fsync succeeded again
	refusal atomic.Pointer[error] // why Append is refused now, nil if it is not; written under mu
	failed  bool                  // an fsync failed: what lies after synced must be written anew
	limbo   []byte                // that, when it is read already
	litter  []string              // segments that were given up and could not be removed
	swept   bool                  // the folder was not synced since some were removed
	tail    bool                  // garbage lies behind at
	retry   time.Time             // when to try again
	closed  bool
	epoch   int     // counts failed fsyncs
	floors  []int64 // synced at each of them
	atBound bool    // Append was refused for the bound
	wanted  int64   // the most that was refused
	room    chan struct{}

	oldest  time.Time // when the oldest unread byte was written, zero if there is none
	unacked time.Time // the same for the oldest that is not confirmed

	lossMu  sync.Mutex
	pending []loss        // declared, not written
	marking bool          // some are being written
	marked  time.Time     // when marks were written last
	markGap time.Duration // the least time to the next ones while Append is refused

	synced atomic.Int64 // everything before is on stable storage; written under mu
	read   atomic.Int64 // the reader's position; written by the reader
	work   chan struct{}
	wake   chan struct{}

	cur     cursor // the reader's
	cuts    []cut
	moved   bool
	fails   int       // reads that failed at this place
	readsAt time.Time // no read before that
}

// place is a place in the stream: at in the file of seg.
type place struct {
	seg *segment
	at  int64
}

// placed is a loss mark and where it is in the stream.
type placed struct {
	loss
	off int64
}

// Open opens the spool in cfg.Dir, which is made if it is missing, and recovers
// from whatever happened to it. pos and id are what the checkpoint holds: the
// confirmed position, -1 if unknown, and the source's id, "" if unknown. Losses
// are counted in a. Run must be called after it, and Close at last.
func Open(cfg Config, pos int64, id string, a *ledger.Account, log *slog.Logger) (*Spool, error) {
	lock, err := takeLock(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := open(host{fs: durable.OS{}, now: time.Now, boot: bootID()}, cfg, pos, id, a, log)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// takeLock makes the folder if it is missing and locks it for the life of the
// process: two writers would ruin it.
func takeLock(dir string) (io.Closer, error) {
	if err := durable.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of a spool: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of a spool: %w", err)
	}
	if err := durable.Lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("spool %s: %w: another forwarder has it: stop that, or give this one another folder", dir, err), f.Close())
	}
	return f, nil
}

// host is what a spool knows of the machine it runs on.
type host struct {
	fs   durable.FS
	now  func() time.Time
	boot [16]byte // names this boot of it, 0 if it is unknown
}

func newSpool(on host, cfg Config, a *ledger.Account, log *slog.Logger) (*Spool, error) {
	if cfg.Bytes < minBytes {
		return nil, fmt.Errorf("spool %s: a bound of %d bytes is below %d", cfg.Dir, cfg.Bytes, minBytes)
	}
	if cfg.Segment <= 0 {
		cfg.Segment = defaultSegment
	}
	cfg.Segment = max(min(cfg.Segment, cfg.Bytes/4), minSegment)
	return &Spool{
		cfg: cfg, host: on, account: a, log: log.With("spool", cfg.Path),
		reserve: min(1<<20, cfg.Bytes/16), markGap: markEvery,
		full: fmt.Errorf("%w: %s is at its bound of %d bytes", ErrFull, cfg.Dir, cfg.Bytes),
		room: make(chan struct{}), work: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}, nil
}

// Name gives the source's identity.
func (s *Spool) Name() wire.Source { return s.src }

// Labels gives those of the configuration.
func (s *Spool) Labels() wire.Labels { return s.cfg.Labels }

// Position is what the checkpoint has to remember. It belongs to the reader's
// side.
func (s *Spool) Position() (id string, pos int64) { return s.src.ID, s.acked }

var (
	_ source.Source = (*Spool)(nil)
	_ source.Feed   = (*Spool)(nil)
)

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
