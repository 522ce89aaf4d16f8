package aggregator

import (
	"context"
	"sync"

	"github.com/loghaul/loghaul/aggregator/consume"
)

// storing is how many windows are stored at once: so many connections to the
// store can be slow before the next window has to wait.
const storing = 3

// delivery is a window that is being stored. stored gets one error or nil.
type delivery struct {
	group  *batchGroup
	stored chan error
}

// deliver stores what was sealed, acknowledges what is stored, and offers it
// to the index. Windows are acknowledged in their order, whichever is stored
// first: a window may have repeats of what came with one before.
func (a *Aggregator) deliver(work context.Context, source *consume.Source, sealed <-chan *batchGroup) error {
	var all sync.WaitGroup
	defer all.Wait()
	work, stop := context.WithCancel(work)
	defer stop() // after an error the others are given up
	slots := make(chan struct{}, storing)
	queue := make(chan *delivery, storing) // has room for each slot
	all.Go(func() {
		defer close(queue)
		for {
			select {
			case slots <- struct{}{}:
			case <-work.Done():
				return
			}
			select {
			case g, ok := <-sealed:
				if !ok {
					return
				}
				d := &delivery{g, make(chan error, 1)}
				all.Go(func() { d.stored <- a.store(work, g) })
				queue <- d
			case <-work.Done():
				return
			}
		}
	})
	for d := range queue {
		if err := <-d.stored; err != nil {
			return err
		}
		if err := a.ack(work, source, d.group); err != nil {
			return err
		}
		a.offer(d.group)
		<-slots
	}
	return nil
}
