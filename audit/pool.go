package audit

import (
	"context"
	"errors"
	"sync"
)

// pool runs functions at once, a few at a time.
type pool struct {
	slots chan struct{}
	wg    sync.WaitGroup
	mu    sync.Mutex
	err   error
	done  <-chan struct{}
}

func newPool(ctx context.Context, n int) *pool {
	return &pool{slots: make(chan struct{}, n), done: ctx.Done()}
}

// run calls fn in a goroutine as soon as there is room. It gives the error of an
// earlier function, if there was one: then fn is not called.
func (p *pool) run(fn func() error) error {
	select {
	case p.slots <- struct{}{}:
	case <-p.done:
		return context.Canceled
	}
	p.mu.Lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		<-p.slots
		return err
	}
	p.wg.Go(func() {
		defer func() { <-p.slots }()
		if err := fn(); err != nil {
			p.mu.Lock()
			p.err = errors.Join(p.err, err)
			p.mu.Unlock()
		}
	})
	return nil
}

// wait waits for all functions and gives their errors.
func (p *pool) wait() error {
	p.wg.Wait()
	return p.err
}

// room bounds the bytes of what is read at once. Something that is larger than
// all room gets it when nothing else is there.
type room struct {
	mu    sync.Mutex
	freed *sync.Cond
	ctx   context.Context //nolint:containedctx // take waits no longer
	limit int64
	used  int64
}

func newRoom(ctx context.Context, limit int64) *room {
	r := &room{ctx: ctx, limit: limit}
	r.freed = sync.NewCond(&r.mu)
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.freed.Broadcast()
	})
	return r
}

// take waits for room. It is false if the context has ended.
func (r *room) take(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.used > 0 && r.used+n > r.limit && r.ctx.Err() == nil {
		r.freed.Wait()
	}
	r.used += n
	return r.ctx.Err() == nil
}

func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
	r.freed.Broadcast()
}
