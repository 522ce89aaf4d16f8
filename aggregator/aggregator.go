// Package aggregator is the second tier: it takes batches of raw log lines
// from the broker, stores them in the archive, and then offers them to the
// index. Aggregators are stateless; any number of them share the work.
//
// What must hold:
//
//   - A message is acknowledged only after the object that holds its lines was
//     stored and the store has confirmed it.
//   - An object is stored only after it was decoded again and compared with the
//     bytes received.
//   - Nothing is thrown away: a message that is no batch is stored as it came.
//   - The index is offered what is archived already, and cannot hold anything up. What
//     it lacks is noted beside the archive, and that holds nothing up either: see
//     package gapkeeper.
//   - Readers of the live view get copies, and cannot hold anything up: see
//     package live.
//   - Manifests list every object that was stored, and hold nothing up either: see
//     package notary.
//   - Memory is bounded: one window of raw bytes, a few windows of encoded
//     objects, Pull.Bytes of messages, notary.Memory, what live.Config allows.
package aggregator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/aggregator/consume"
	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/aggregator/window"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

// Encoder makes verified objects: archive.Encoder, outside of tests.
type Encoder interface {
	Encode(batches []archive.Batch, sealed time.Time) (*archive.Object, error)
	// EncodeRaw is the fall-back, for batches that Encode fails on.
	EncodeRaw(batches []archive.Batch, sealed time.Time) (*archive.Object, error)
}

// Deps are what an Aggregator works with.
type Deps struct {
	// Logger may be nil.
	Logger *slog.Logger
	// Metrics must hold Metrics(). Nil makes an own registry.
	Metrics *metrics.Registry
	// Archive stores the objects. The Aggregator retries, see sinks.Retry.
	Archive sinks.Durable
	// Manifests is where the objects' manifests go: the same store. Nil makes
	// none.
	Manifests notary.Store
	// Check asks whether the archive can be used, for readiness at the start.
	// It may be nil.
	Check func(context.Context) error
	// Index is offered what is archived. It may be nil.
	Index sinks.BestEffort
	// Gaps knows what is being archived until Index has settled it. Whoever makes
	// the Aggregator runs it, longer than the Aggregator and Index. It may be nil.
	Gaps *gapkeeper.Keeper
	// Render gives readers of the live view the fields of lines. Without it they
	// get the bytes alone.
	Render live.Renderer
	// Broker is added to Config.Broker; its Name and Logger are set here.
	Broker broker.Options
	// Encoder replaces the one that New makes. It may be nil.
	Encoder Encoder
	// Retry is the policy for the archive; zero is the default for daemons.
	Retry sinks.RetryPolicy
}

// Aggregator is one aggregator. Make it with New, run it once.
type Aggregator struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	archive *sinks.Retrying
	notary  *notary.Notary // nil without manifests
	encoder Encoder
	masker  *archive.Masker // nil without masks
	window  *window.Window
	live    *live.View // nil if nobody is to be served
	count   counts
	carried *consume.Message // did not fit into the window that was closed

	hurry atomic.Int32  // callers of Flush
	wake  chan struct{} // hurry has changed

	mu     sync.Mutex
	source *consume.Source // nil until connected
	health error           // why the archive was not usable at the start
}

// New checks the configuration and makes an Aggregator that has not connected
// yet.
func New(cfg Config, deps Deps) (*Aggregator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Archive == nil {
		return nil, errors.New("aggregator: no archive is given")
	}
	deps.Logger = cmp.Or(deps.Logger, slog.New(slog.DiscardHandler))
	deps.Metrics = cmp.Or(deps.Metrics, metrics.New(Metrics()...))
	deps.Retry = cmp.Or(deps.Retry, sinks.DefaultRetryPolicy())
	masker, err := cfg.newMasker()
	if err != nil {
		return nil, err
	}
	var masks []archive.Mask
	if masker != nil {
		masks = masker.Masks()
		if !masker.Blanks() {
			deps.Logger.Warn("fields are masked, but lines that do not tell them for certain are archived as they came: mask.unparsed says so",
				"fields", len(masks))
		}
	}
	if deps.Encoder == nil {
		e, err := newEncoder(&cfg, masks)
		if err != nil {
			return nil, err
		}
		deps.Encoder = e
	}
	for _, note := range cfg.FormatNotes() {
		deps.Logger.Warn("about a format in HAProxy's configuration", "note", note)
	}
	w, err := window.New(window.Limits{Lines: cfg.Window.Lines, Bytes: int64(cfg.Window.Bytes), Age: cfg.Window.Age})
	if err != nil {
		return nil, err
	}
	a := &Aggregator{
		cfg: cfg, deps: deps, log: deps.Logger, encoder: deps.Encoder, masker: masker, window: w,
		archive: sinks.Retry(deps.Archive, deps.Retry, deps.Logger, deps.Metrics),
		wake:    make(chan struct{}, 1),
	}
	if deps.Manifests != nil {
		a.notary, err = notary.New(cfg.Manifest, notary.Deps{Store: deps.Manifests, Name: cfg.Name, Logger: deps.Logger, Metrics: deps.Metrics})
		if err != nil {
			return nil, config.Under("manifest", err)
		}
	}
	if a.live, err = newView(&cfg, &deps); err != nil {
		return nil, err
	}
	a.count.register(deps.Metrics, a)
	if deps.Check != nil {
		a.health = errors.New("the archive was not checked yet")
	}
	return a, nil
}

// Run works until ctx ends, then stores what it holds within
// Config.DrainTimeout, gives the rest back to the broker and returns nil. The
// hand-offs, in their order:
//
//	pull → verify → window → encode, read back, compare → store → ack → index
//
// Beside them the notary lists what was stored, and ends its list when all is.
//
// Between collect and deliver there is one sealed window at most: while a few are
// being stored the next window is filled and encoded, and no more.
func (a *Aggregator) Run(ctx context.Context) error {
	pull, stopPulling := context.WithCancel(ctx)
	defer stopPulling()
	work, stopWork := outlive(ctx, a.cfg.DrainTimeout)
	defer stopWork()
	var all sync.WaitGroup
	all.Go(func() { a.check(pull) })
	all.Go(func() { a.show(work) })
	finish := a.keepManifests(pull)

	source, disconnect, err := a.connect(ctx)
	if err != nil || source == nil {
		stopPulling()
		finish(work)
		stopWork()
		all.Wait()
		return err
	}
	defer disconnect()
	sealed := make(chan *batchGroup)
	all.Go(func() { source.Run(work, pull) })                     // pull, and look after what was delivered
	all.Go(func() { a.collect(work, source.Messages(), sealed) }) // verify, window, encode, compare
	err = a.deliver(work, source, sealed)                         // store, ack, index

	ended := ctx.Err() != nil
	stopPulling()
	finish(work)
	stopWork() // what is not acknowledged goes back to the broker
	all.Wait()
	if ended {
		return nil
	}
	return err
}

// collect fills windows and makes objects of them. It closes sealed when there
// will be no more.
func (a *Aggregator) collect(work context.Context, in <-chan *consume.Message, sealed chan<- *batchGroup) {
	defer close(sealed)
	for more := true; more; {
		var g *batchGroup
		if g, more = a.fill(work, in); g == nil {
			continue
		}
		a.encode(g)
		select {
		case sealed <- g:
		case <-work.Done():
			return
		}
	}
}

// keepManifests runs the notary until ctx ends. finish has to be called then,
// when everything is stored, and lists the rest within Config.DrainTimeout.
func (a *Aggregator) keepManifests(ctx context.Context) (finish func(context.Context)) {
	if a.notary == nil {
		return func(context.Context) {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.notary.Run(ctx)
	}()
	return func(work context.Context) {
		<-done
		limited, cancel := context.WithTimeout(work, a.cfg.DrainTimeout)
		defer cancel()
		a.notary.Finish(limited)
	}
}

// show serves readers of the live view over a connection of its own, which can
// be held up without holding up the other one.
func (a *Aggregator) show(ctx context.Context) {
	o := broker.Options{Inbox: a.deps.Broker.Inbox, InProcess: a.deps.Broker.InProcess, Extra: a.deps.Broker.Extra}
	if err := a.live.Run(ctx, a.cfg.Broker, o); err != nil {
		a.log.Warn("nobody sees lines by loghaul tail; nothing else is affected", "error", err)
	}
}

// connect waits for the broker. It gives no source when ctx ends first.
func (a *Aggregator) connect(ctx context.Context) (*consume.Source, func(), error) {
	o := a.deps.Broker
	o.Name, o.Logger = a.cfg.Name, a.log
	nc, err := broker.Connect(ctx, a.cfg.Broker, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, nil //nolint:nilerr // the end is no failure
		}
		return nil, nil, err
	}
	s, err := consume.New(nc, consume.Config{Shards: a.cfg.Broker.Shards, Bytes: int64(a.cfg.Pull.Bytes)}, a.log)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	a.mu.Lock()
	a.source = s
	a.mu.Unlock()
	return s, nc.Close, nil
}

// outlive gives a context that ends the given time after ctx, or by stop.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var timer atomic.Pointer[time.Timer]
	detach := context.AfterFunc(ctx, func() { timer.Store(time.AfterFunc(d, cancel)) })
	return work, func() {
		detach()
		if t := timer.Load(); t != nil {
			t.Stop()
		}
		cancel()
	}
}

// check asks the archive until it is usable, for readiness and for a clear
// message at the start. Lines wait at the broker meanwhile.
func (a *Aggregator) check(ctx context.Context) {
	if a.deps.Check == nil {
		return
	}
	failing := false
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := a.deps.Check(ctx)
		if ctx.Err() != nil {
			return
		}
		a.mu.Lock()
		a.health = err
		a.mu.Unlock()
		if err == nil {
			return
		}
		if !failing {
			a.log.Error("the archive cannot be used; trying until it can", "error", err)
		}
		failing = true
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
	}
}

// Ready is nil when all shards are bound and the archive stores objects, else
// it says what is missing.
func (a *Aggregator) Ready() error {
	a.mu.Lock()
	source, health := a.source, a.health
	a.mu.Unlock()
	if source == nil {
		return errors.New("not connected to the broker yet")
	}
	if err := source.Ready(); err != nil {
		return err
	}
	if err := a.archive.Err(); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if health != nil {
		return fmt.Errorf("archive: %w", health)
	}
	return nil
}
