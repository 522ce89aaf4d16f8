package verify

import "context"

// ordered calls use for what produce gives, in that order, by the calling
// goroutine, while up to ahead of the others are being worked on. produce
// passes functions to give: each does its work and gives what use gets. A nil
// work is not allowed. The first error of use or of produce ends it.
func ordered[T any](ctx context.Context, ahead int, produce func(ctx context.Context, give func(work func(context.Context) T) error) error, use func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan T, ahead)
	produced := make(chan error, 1)
	go func() {
		defer close(queue)
		produced <- produce(ctx, func(work func(context.Context) T) error {
			done := make(chan T, 1)
			select {
			case queue <- done:
			case <-ctx.Done():
				return ctx.Err()
			}
			go func() { done <- work(ctx) }()
			return nil
		})
	}()
	var err error
	for done := range queue {
		v := <-done // to the end: no goroutine outlives the call
		if err == nil {
			if err = use(v); err != nil {
				cancel()
			}
		}
	}
	if e := <-produced; err == nil {
		err = e
	}
	return err
}
