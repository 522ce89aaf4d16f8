// Package live shows log lines to readers as they pass an aggregator: both ends
// of `loghaul tail`, over NATS core. docs/formats/tail.md describes what they
// say to each other.
//
// What must hold:
//
//   - Nothing here can slow, block or fail the archive. Batches are offered and
//     taken or not, at once; they are read a second time, by one goroutine that may
//     use a share of a core, and sent over a connection of its own.
//   - Without a reader an offer costs one atomic load.
//   - Memory is bounded: Config.Queue, one batch, and what waits for each reader.
//   - What a reader does not get to see is counted and told to him.
//   - Nobody sees what the archive would not hold: fields are masked first, in a
//     copy, and filters look at what is left.
//   - Nothing is published but on subjects that begin with tail.lines.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/wire"
)

// Config bounds what readers may cost.
type Config struct {
	// Readers is how many are served at one time. 0 switches the live view off.
	Readers int `yaml:"readers"`
	// CPUs is the share of a core that all of them together may take.
	CPUs float64 `yaml:"cpus"`
	// Queue bounds the batches that wait to be looked at, compressed as they
	// came.
	Queue config.Size `yaml:"queue"`
}

// DefaultConfig keeps up with some 150,000 lines a second (docs/benchmarks.md).
func DefaultConfig() Config { return Config{Readers: 8, CPUs: 0.2, Queue: 8 << 20} }

// Validate reports everything that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.Readers < 0 || c.Readers > maxReaders {
		errs = append(errs, config.Invalid("readers", "%d is not 0 to %d; 8 is usual, 0 serves nobody", c.Readers, maxReaders))
	}
	if !(c.CPUs > 0 && c.CPUs <= 1) {
		errs = append(errs, config.Invalid("cpus", "%v is not above 0 and at most 1; 0.2 is usual", c.CPUs))
	}
	if c.Queue < 1<<20 || c.Queue > 256<<20 {
		errs = append(errs, config.Invalid("queue", "%v is not 1MiB to 256MiB; 8MiB is usual", c.Queue))
	}
	return errors.Join(errs...)
}

// Memory bounds what a View holds with usual batches: those that wait, the one that
// is looked at, and what waits for readers. Without readers it holds nothing.
func (c *Config) Memory() int64 {
	return int64(c.Queue) + keptRaw + int64(c.Readers)*maxPending
}

// maxReaders bounds Config.Readers.
const maxReaders = 64

// Renderer makes a function that appends the JSON object for a line, and an
// LF. Only one goroutine calls that function.
type Renderer func() func(dst []byte, r *archive.Row) []byte

// Deps are what a View works with.
type Deps struct {
	// Name is the aggregator's, as readers are told it.
	Name string
	// Options say how lines are read: as the Encoder reads them.
	Options archive.Options
	// Masker masks what the archive masks. The View uses it alone. Nil masks
	// nothing.
	Masker *archive.Masker
	// Render is used for readers that want fields.
	Render Renderer
	// Logger and Metrics must not be nil; Metrics must hold Metrics().
	Logger  *slog.Logger
	Metrics *metrics.Registry
}

// Metrics describes what a View counts.
func Metrics() []metrics.Desc {
	return []metrics.Desc{
		{Name: "loghaul_tail_readers", Kind: metrics.KindGauge, Help: "Readers (loghaul tail) that this aggregator serves."},
		{
			Name: "loghaul_tail_lines_total", Kind: metrics.KindCounter, Labels: []string{"result"},
			Help: "Lines by what became of them for a reader: sent, skipped (they match, but the reader takes no more), unread (there was no time to look at them, whoever reads). No other line is counted.",
		},
		{Name: "loghaul_tail_seconds_total", Kind: metrics.KindSeconds, Help: "Time spent for readers: reading, masking, matching and sending lines."},
	}
}

// View is the live view of one aggregator. Make it with New, run it once. A nil
// View takes nothing.
type View struct {
	cfg  Config
	deps Deps
	id   string // of this process
	// lease is how long a reader is served who does not repeat his question.
	lease time.Duration

	active  atomic.Int32 // readers
	queue   chan item
	queued  atomic.Int64 // bytes in queue
	unread  atomic.Int64 // lines that were not looked at
	refused atomic.Bool  // the broker refused a subject
	told    atomic.Bool  // and that was logged
	wake    chan struct{}

	mu      sync.Mutex // of what follows, and of each reader
	nc      *nats.Conn
	readers map[string]*reader
	leases  int64

	worker  worker // of Run's goroutine
	sent    *metrics.Counter
	skipped *metrics.Counter
	unseen  *metrics.Counter
	seconds *metrics.Seconds
}

// item is a batch as it came.
type item struct {
	header  map[string][]string
	payload []byte
}

// maxQueued bounds the batches that wait, however small they are.
const maxQueued = 1024

// New checks the configuration and makes a View that has not connected yet. It
// is nil if nobody is to be served.
func New(cfg Config, deps Deps) (*View, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Readers == 0 {
		return nil, nil //nolint:nilnil // a nil View takes nothing
	}
	scanner, err := archive.NewScanner(deps.Options)
	if err != nil {
		return nil, err
	}
	decoder, err := wire.NewDecoder()
	if err != nil {
		return nil, err
	}
	v := &View{
		cfg: cfg, deps: deps, id: nuid.Next(), lease: lease,
		queue: make(chan item, maxQueued), wake: make(chan struct{}, 1), readers: map[string]*reader{},
		worker: worker{scanner: scanner, decoder: decoder, pace: pace{share: cfg.CPUs}},
	}
	if deps.Render != nil {
		v.worker.render = deps.Render()
	}
	m := deps.Metrics
	m.Gauge("loghaul_tail_readers", func() float64 { return float64(v.active.Load()) })
	v.sent = m.Counter("loghaul_tail_lines_total", "sent")
	v.skipped = m.Counter("loghaul_tail_lines_total", "skipped")
	v.unseen = m.Counter("loghaul_tail_lines_total", "unread")
	v.seconds = m.Seconds("loghaul_tail_seconds_total")
	return v, nil
}

// Offer takes a verified batch as it came, or does not. It never blocks.
// Neither header nor payload may be changed after that.
func (v *View) Offer(header map[string][]string, payload []byte) {
	if v == nil || v.active.Load() == 0 {
		return
	}
	size := int64(len(payload))
	if v.queued.Add(size) <= int64(v.cfg.Queue) {
		select {
		case v.queue <- item{header, payload}:
			return
		default:
		}
	}
	v.queued.Add(-size)
	if h, err := wire.DecodeHeader(header); err == nil && h.Lost == "" {
		v.leave(h.Records)
	}
}

// leave counts lines that nobody looks at.
func (v *View) leave(lines int) {
	v.unread.Add(int64(lines))
	v.unseen.Add(lines)
}

// Run serves readers until ctx ends. o is added to what the View sets for its
// connection. A broker that is away, or that refuses the subjects, is no error:
// readers see nothing then.
func (v *View) Run(ctx context.Context, cfg broker.Config, o broker.Options) error {
	if v == nil {
		return nil
	}
	o.Name, o.Socket = v.deps.Name, &broker.Socket{}
	o.Logger = nil // the aggregator's own connection says what there is to say
	o.OnState = func(s broker.State) {
		if s == broker.Connected {
			v.refused.Store(false)
		}
	}
	o.OnError = v.trouble
	nc, err := broker.Connect(ctx, cfg, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end is no failure
		}
		return err
	}
	defer nc.Close()
	// A broker that has stopped reading must not hold up the end.
	defer context.AfterFunc(ctx, o.Socket.Close)()
	v.mu.Lock()
	v.nc = nc
	v.mu.Unlock()
	for subject, handle := range map[string]nats.MsgHandler{
		askSubject + "*":         v.asked,
		askSubject + "*." + v.id: v.taken,
	} {
		sub, err := nc.Subscribe(subject, handle)
		if err != nil {
			return fmt.Errorf("listen for readers: %w", err)
		}
		if err := sub.SetPendingLimits(maxAsks, maxAsks*maxAsk); err != nil {
			return fmt.Errorf("listen for readers: %w", err)
		}
	}
	v.work(ctx)
	return nil
}

// maxAsks bounds what readers have said and nobody has heard yet.
const maxAsks = 1024

// trouble hears what the broker refuses.
func (v *View) trouble(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	v.refused.Store(true)
	if v.told.CompareAndSwap(false, true) {
		v.deps.Logger.Warn("loghaul tail cannot be served; nothing else is affected: let this aggregator's user subscribe to tail.ask.> and publish to tail.lines.*, or set tail.readers to 0",
			"error", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.readers)
	v.changed()
}

// changed notes the number of readers. v.mu is held.
func (v *View) changed() {
	v.active.Store(int32(len(v.readers))) //nolint:gosec // at most maxReaders
	select {
	case v.wake <- struct{}{}:
	default:
	}
}
