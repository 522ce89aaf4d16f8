package durable

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("another process holds it")

const (
	// lockWait is how long Lock waits for the other process: one that was killed
	// keeps its locks until the kernel has taken it apart.
	lockWait = time.Second
	lockLook = 20 * time.Millisecond
)

// Lock takes an flock(2) on f for as long as f is open: it goes away with the
// process, however that ends. An error is ErrLocked or the system's.
func Lock(f *os.File) error {
	for until := time.Now().Add(lockWait); ; <-time.After(lockLook) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(until) {
			return ErrLocked
		}
	}
}
