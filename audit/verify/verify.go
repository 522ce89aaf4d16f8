// Package verify compares an archive with its manifests, and needs nothing but
// the store and, for signatures, a public key. It gives one verdict for each
// object, each chain of manifests and each source. docs/verify.md says what each
// verdict means and what it takes to find what.
//
// The order of a run: manifests are listed and read, then the objects are
// listed, since an object is stored before a manifest names it. Only then is
// anything judged. Nothing that cannot be read ends a run: it is named and
// counted, and the rest goes on.
package verify

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
)

// DefaultGrace is how long an object may wait for the manifest that names it,
// and a chain for its next manifest. That of an aggregator that died is written by
// another one: after two hours of silence, with the next of its rounds, which
// are up to an hour and a half apart; and what it covers began up to an hour
// before (aggregator/notary).
const DefaultGrace = 5 * time.Hour

// Options says what is verified. The zero value verifies what can be told from
// listings and manifests, without signatures.
type Options struct {
	// From and To select objects by when they were sealed, [From, To), and the
	// manifests that can name such. Zero is no bound.
	From, To time.Time
	// Node and Source select the objects that have lines or losses of a source,
	// as in audit.Filter. Objects that no manifest names are not left out.
	Node, Source string
	// Deep reads every object.
	Deep bool
	// Keys are whose signatures count; nil does not check signatures.
	Keys *manifest.Keyring
	// Heads are manifests that were there once, as an earlier run told; see
	// ReadHeads.
	Heads []manifest.Head
	// Now is the time of the run, Grace what is as young as not to be judged; 0
	// is DefaultGrace.
	Now   time.Time
	Grace time.Duration
	// OnObject, OnChain and OnSource get the verdicts: all objects in the order of
	// their keys, then chains by writer, then sources by node and id. They are
	// called by one goroutine; an error ends the run. Nil is allowed.
	OnObject func(Object) error
	OnChain  func(Chain) error
	OnSource func(Source) error
	// Warn gets what could not be listed. It is called by one goroutine.
	Warn func(error)
	// Progress is kept up to date if it is not nil.
	Progress *Progress
}

// run is the state of one run.
type run struct {
	Options
	store  audit.Store
	filter audit.Filter
	// young is the time from which on nothing is judged.
	young time.Time
	total Total

	chains map[string]*chain
	// known are the manifests that were read, by their number in links.
	links []*link
	seen  map[string]bool
	heads map[head]witness
	// named are the objects that manifests name.
	named []named
	// blind says that manifests could not be listed.
	blind error

	sources     sources
	documents   documents
	summarizers sync.Pool // of *archive.Summarizer
	// heavy bounds the objects that are read and decoded at once.
	heavy chan struct{}
}

// Run verifies. The error is about the run itself: ctx, or an error of a
// function in o. What is wrong with the archive is in the verdicts and counted
// in Total, see Total.Differences and Total.Unread.
func Run(ctx context.Context, store audit.Store, o Options) (*Total, error) {
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	r := &run{
		Options: o, store: store, young: o.Now.Add(-o.Grace), chains: map[string]*chain{}, seen: map[string]bool{}, heads: map[head]witness{},
		filter: audit.Filter{Node: o.Node, Source: o.Source}, heavy: make(chan struct{}, runtime.GOMAXPROCS(0)+2),
	}
	for _, h := range o.Heads {
		r.heads[head{h.Writer, h.Sequence}] = witness{"the earlier run", h.SHA256}
	}
	r.sources.begin(r)
	r.total.begin(&o)
	for _, step := range []func(context.Context) error{r.readManifests, r.judgeObjects, r.judgeChains, r.judgeSources} {
		if err := step(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	r.total.Read = r.Progress.Bytes.Load()
	return &r.total, nil
}

// selected reports whether an object that was sealed at t is verified.
func (r *run) selected(t time.Time) bool {
	return (r.From.IsZero() || !t.Before(r.From)) && (r.To.IsZero() || t.Before(r.To))
}

// warn says that something could not be read as a whole.
func (r *run) warn(err error) {
	r.total.Unread++
	r.total.Problems = append(r.total.Problems, err.Error())
	if r.Warn != nil {
		r.Warn(err)
	}
}
