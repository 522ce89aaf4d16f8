package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/parser/filter"
)

// FindOptions says what Find looks for, and with what means.
type FindOptions struct {
	Filter Filter
	// Where is what has to hold for a line; nil is nothing.
	Where *filter.Filter
	// Keys are the public keys that manifests have to be signed with to be
	// believed; nil: all are.
	Keys *manifest.Keyring
	// Limit is how many lines to write, the first ones in the order of time;
	// Tail the same with the last ones. 0 is all. At most one is given.
	Limit, Tail int64
	// schema asks for rows in place of rendered lines, see FindTable.
	schema *archive.Schema
	// Render gives a function that appends a line, as it is to be written, to
	// dst. It is called once for each goroutine that reads objects. nil means
	// that lines are only counted.
	Render func() func(dst []byte, r *archive.Row) []byte
	// Lines says that Render does without Row.Record, which saves time.
	Lines bool
	// Memory bounds what is held of lines and their identities; 0 is
	// DefaultMemory. Decoded columns of the objects being read come on top.
	Memory int64
	// TempDir is where sorted lines are spilled; "" is the system's.
	TempDir string
	// Parallel is how many objects are read at once; 0 chooses.
	Parallel int
	// Warn gets each thing that is wrong and does not end the call. It must
	// be safe for concurrent use.
	Warn func(error)
	// Progress is called now and then, from one goroutine at a time; nil is fine.
	Progress func(*FindReport)
}

// Find writes each line that is selected to w, once, in the order of time, and
// of lines of one time in that of node, source and offset. The time of a line is
// that of its event, or else when the forwarder read it. Objects that cannot
// hold a wanted line are not read; of the others what the filter asks for, and
// the rest only where a line passed. Lines are written as soon as no object that
// was not read yet can have an earlier one.
func Find(ctx context.Context, store Store, w io.Writer, o FindOptions) (FindReport, error) {
	f := newFinder(store, o)
	err := f.find(ctx, w)
	if formats := f.opener.Formats(); o.Where != nil && len(formats) > 0 {
		f.report.Missing = o.Where.Missing(formats)
	}
	// Nothing of it runs any more.
	f.report.Requests, f.report.BytesRead = f.store.requests.Load(), f.store.bytes.Load()
	return f.report, err
}

func newFinder(store Store, o FindOptions) *finder {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Parallel <= 0 {
		o.Parallel = max(4, 2*runtime.GOMAXPROCS(0))
	}
	f := &finder{
		store: &countedStore{store: store}, o: o, holder: newHolder(o.Memory / 4),
		query: archive.Query{Where: o.Where, Range: func(r *archive.Range) bool { return o.Filter.source(r.Source.Node, r.Source.ID) }},
	}
	f.query.From, f.query.To = archive.AnyTime()
	if t := o.Filter.From; !t.IsZero() {
		f.query.From = t.UnixMilli()
	}
	if t := o.Filter.To; !t.IsZero() {
		f.query.To = t.UnixMilli()
	}
	f.report.Pruned = map[string]int{}
	f.look = f.scan
	return f
}

// finder is one call of Find.
type finder struct {
	store   *countedStore
	o       FindOptions
	query   archive.Query
	opener  archive.Opener
	holder  *holder
	compare func(a, b *segment) int             // the order of what is written
	look    func(context.Context, *found) error // scan, or what is done instead

	mu         sync.Mutex // guards what follows until arrange; then the sources stay
	sources    sources
	candidates []*candidate
	renders    []render // that nobody uses
	report     FindReport
	broken     int
	distrusted bool // a manifest
}

// counts reports whether lines are only counted.
func (f *finder) counts() bool { return f.o.Render == nil && f.o.schema == nil }

// render is FindOptions.Render's function.
type render func(dst []byte, r *archive.Row) []byte

func (f *finder) find(ctx context.Context, w io.Writer) error {
	if err := f.survey(ctx); err != nil {
		return err
	}
	f.candidates = arrange(f.candidates, &f.sources)
	f.report.Candidates = len(f.candidates)
	out := bufio.NewWriterSize(w, 256<<10)
	var err error
	switch {
	case f.counts():
		f.compare = byTime
		err = f.inOrder(ctx, f.candidates, func(*found) error { return nil })
	case f.o.Tail > 0:
		err = f.tail(ctx, out)
	default:
		err = f.stream(ctx, f.candidates, false, f.o.Limit, func(l *segment) error { return f.write(out, l) }, func() error { return flush(out) })
	}
	if err == nil {
		err = flush(out)
	}
	if err == nil && f.broken > 0 {
		err = &IncompleteError{Objects: f.broken}
	}
	return err
}

func (f *finder) write(out *bufio.Writer, l *segment) error {
	f.report.Lines++
	f.report.Bytes += int64(len(l.text))
	if _, err := out.Write(l.text); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	return nil
}

func flush(out *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	return nil
}

// tally is what one object gave.
type tally struct {
	lines, bytes      int64 // in it
	found, duplicates int64
	pruned            string
}

func (f *finder) count(t *tally) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &f.report
	if t.pruned != "" {
		r.Pruned[t.pruned]++
		return
	}
	r.Scanned++
	r.ScannedLines += t.lines
	r.ScannedBytes += t.bytes
	r.Duplicates += t.duplicates
	if t.found+t.duplicates > 0 {
		r.Matched++
	}
	if f.counts() {
		r.Lines += t.found
	}
}

// progress says that another candidate is done.
func (f *finder) progress() {
	f.mu.Lock()
	f.report.Done++
	r := f.report
	f.mu.Unlock()
	if f.o.Progress != nil {
		r.Pruned = nil // others may still change it
		r.Requests, r.BytesRead = f.store.requests.Load(), f.store.bytes.Load()
		f.o.Progress(&r)
	}
}

// borrow gives a function that no other goroutine uses.
func (f *finder) borrow() render {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.renders); n > 0 {
		r := f.renders[n-1]
		f.renders = f.renders[:n-1]
		return r
	}
	return f.o.Render()
}

func (f *finder) giveBack(r render) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renders = append(f.renders, r)
}

// errEnough ends a search whose limit is reached.
var errEnough = errors.New("enough lines")

// failed takes in an object that could not be read, or gives the error if it
// concerns more than this object.
func (f *finder) failed(ctx context.Context, key string, err error) error {
	if fatal(ctx, err) {
		return fmt.Errorf("%s: %w", key, err)
	}
	f.mu.Lock()
	f.broken++
	f.mu.Unlock()
	f.o.Warn(fmt.Errorf("%s: %w", key, err))
	return nil
}

// pruned counts an object that was left out.
func (f *finder) pruned(by string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Pruned[by]++
}

// countedStore counts what is read.
type countedStore struct {
	store           Store
	requests, bytes atomic.Int64
}
