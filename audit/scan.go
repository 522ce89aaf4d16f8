package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

const (
	// ahead is how many objects are read ahead of their use.
	ahead = 4
	// attempts is how often an object is asked for before it is given up.
	attempts = 3
)

// object is one object of the archive on its way through a scan.
type object struct {
	key    string
	size   int64
	name   archive.KeyInfo
	reader *archive.Reader   // nil if it was filtered out or err is set
	sum    [sha256.Size]byte // of the object, if it was read whole
	err    error
	ready  chan struct{}
}

// scan gives the objects that a filter selects, in the order of their keys.
type scan struct {
	store  Store
	filter Filter
	// whole reads objects to the end; otherwise only their footers are read.
	whole bool
	warn  func(error)

	objects, skipped, broken int
	opener                   archive.Opener
}

// run calls fn for each selected object. Objects that cannot be read are
// counted and reported, and the scan goes on; an error of fn ends it.
func (s *scan) run(ctx context.Context, fn func(*object) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var loads sync.WaitGroup
	queue := make(chan *object, ahead)
	listed := make(chan error, 1)
	go func() {
		defer close(queue)
		listed <- s.list(ctx, func(o *object) error {
			select {
			case queue <- o:
			case <-ctx.Done():
				return ctx.Err()
			}
			loads.Go(func() {
				defer close(o.ready)
				s.load(ctx, o)
			})
			return nil
		})
	}()
	err := s.use(ctx, queue, fn)
	cancel() // what is still being read is not needed any more
	for range queue {
	}
	listErr := <-listed
	loads.Wait()
	switch {
	case err != nil:
		return err
	case listErr != nil:
		return fmt.Errorf("list the archive: %w", listErr)
	case s.broken > 0:
		return &IncompleteError{Objects: s.broken}
	}
	return nil
}

func (s *scan) use(ctx context.Context, queue <-chan *object, fn func(*object) error) error {
	for o := range queue {
		<-o.ready
		err := o.err
		if err == nil && o.reader == nil {
			s.skipped++
			continue
		}
		if err == nil {
			err = fn(o)
		}
		switch {
		case err == nil:
			s.objects++
		case errors.Is(err, archive.ErrCorrupt), errors.Is(err, archive.ErrVersion), o.err != nil && !fatal(ctx, err):
			s.broken++
			s.warn(fmt.Errorf("%s: %w", o.key, err))
		default:
			return fmt.Errorf("%s: %w", o.key, err)
		}
	}
	return nil
}

// fatal errors concern the whole store, or nobody waits any more: going on
// cannot help.
func fatal(ctx context.Context, err error) bool {
	return errors.Is(err, sinks.ErrPermanent) || ctx.Err() != nil
}

// list gives the objects whose keys the filter lets through.
func (s *scan) list(ctx context.Context, fn func(*object) error) error {
	each := func(i objectstore.Info) error {
		name, err := archive.ParseKey(i.Key)
		if err != nil {
			s.warn(fmt.Errorf("passed over: %w", err))
			return nil
		}
		if !s.filter.key(name) {
			return nil
		}
		return fn(&object{key: i.Key, size: i.Size, name: name, ready: make(chan struct{})})
	}
	// Only the days on which such an object can have been sealed. Tomorrow is
	// asked for too: an aggregator's clock may be ahead of ours.
	days, few := Days(s.filter.From.Add(-ClockSkew), time.Now().Add(24*time.Hour))
	if !few {
		days = []string{"dt="}
	}
	for _, day := range days {
		if err := s.store.List(ctx, day, each); err != nil {
			return err
		}
	}
	return nil
}

// load opens an object, trying again if the store fails.
func (s *scan) load(ctx context.Context, o *object) {
	o.err = Retry(ctx, func() error { return s.open(ctx, o) })
}

// Retry calls fn until it succeeds, at most three times, with pauses between.
// It gives up at once where another attempt can't help.
func Retry(ctx context.Context, fn func() error) error {
	for n := 1; ; n++ {
		err := fn()
		if err == nil || n == attempts || fatal(ctx, err) || errors.Is(err, archive.ErrCorrupt) ||
			errors.Is(err, archive.ErrVersion) || errors.Is(err, sinks.ErrNotFound) {
			return err
		}
		if backoff.Sleep(ctx, time.Duration(n*n)*200*time.Millisecond) != nil {
			return err
		}
	}
}

// open reads as much of an object as is needed. The footer alone decides
// whether an object is left out, so a filter saves reading the others.
func (s *scan) open(ctx context.Context, o *object) error {
	o.reader = nil
	if !s.whole || !s.filter.all() {
		r, err := s.opener.Open(&remote{ctx: ctx, store: s.store, key: o.key, size: o.size}, o.size)
		if err != nil {
			return err
		}
		if !s.filter.meta(r.Meta()) {
			return nil
		}
		if !s.whole {
			o.reader = r
			return nil
		}
	}
	body, err := s.store.Get(ctx, o.key)
	if err != nil {
		return err
	}
	if o.sum = sha256.Sum256(body); !o.name.Matches(o.sum) {
		return fmt.Errorf("%w: its content does not have the checksum in its name", archive.ErrCorrupt)
	}
	o.reader, err = s.opener.Open(bytes.NewReader(body), int64(len(body)))
	return err
}
