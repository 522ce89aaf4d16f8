package aggregator

import (
	"os"
	"runtime/debug"

	"github.com/loghaul/loghaul/aggregator/notary"
)

// fixedMemory is what a process needs beside windows and messages: program,
// codecs, connections.
const fixedMemory = 20 << 20

// garbage is how much of it may lie in the heap before it is collected, in
// percent of what is in use. Little is made, so that collecting is rare all the
// same.
const garbage = 30

// LimitMemory has the garbage collector leave less than by default, for a
// process that does nothing else: the garbage of one window would be as large as
// all that is in use. Environment variables GOGC and GOMEMLIMIT are left to have
// their way. beside is how many bytes the process may hold for others: the
// index's queue and senders.
func LimitMemory(c *Config, beside int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.memory() + beside)
	}
}

// memory is a bound for what is in use with the worst of lines, of which no two
// have a path or a user agent in common: the raw bytes of a window, the same
// lines as columns and as pages being read back, messages pulled ahead, what
// the live view holds, and what waits for a manifest. Near it collecting never
// ends, so it must not be too small.
func (c *Config) memory() int64 {
	return 3*int64(c.Window.Bytes) + int64(c.Pull.Bytes) + c.Tail.Memory() + notary.Memory + fixedMemory
}
