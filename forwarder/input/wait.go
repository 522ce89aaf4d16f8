package input

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Waiter waits for descriptors that the runtime does not know. Its own poller
// would wake a thread for every datagram that comes, also while nobody wants
// to read.
type Waiter struct {
	event int // becomes readable when ctx ends, and stays so
	stop  func() bool
	fds   [2]unix.PollFd
}

// NewWaiter makes a Waiter that waits no longer once ctx has ended.
func NewWaiter(ctx context.Context) (*Waiter, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	w := &Waiter{event: fd}
	w.stop = context.AfterFunc(ctx, func() {
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // can't fail: the counter is 0
	})
	return w, nil
}

// Close frees the Waiter.
func (w *Waiter) Close() error {
	if !w.stop() { // the function runs, or ran: wait for what it does
		w.fds[0] = unix.PollFd{Fd: int32(w.event), Events: unix.POLLIN} //nolint:gosec // a descriptor
		for {
			if _, err := unix.Poll(w.fds[:1], -1); !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	return unix.Close(w.event)
}

// Wait blocks until fd is readable or has ended (true), or until limit is over
// or ctx has ended (false). A limit below 0 is none.
func (w *Waiter) Wait(fd int, limit time.Duration) (bool, error) {
	ms := -1
	if limit >= 0 {
		ms = int((limit + time.Millisecond - 1) / time.Millisecond)
	}
	w.fds[0] = unix.PollFd{Fd: int32(w.event), Events: unix.POLLIN} //nolint:gosec // a descriptor
	w.fds[1] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}      //nolint:gosec // a descriptor
	for {
		_, err := unix.Poll(w.fds[:], ms)
		if errors.Is(err, unix.EINTR) {
			continue // the limit begins anew; nobody counts on it
		}
		if err != nil {
			return false, fmt.Errorf("poll: %w", err)
		}
		return w.fds[0].Revents == 0 && w.fds[1].Revents != 0, nil
	}
}
