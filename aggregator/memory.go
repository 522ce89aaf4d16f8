package aggregator

import (
	"os"
	"runtime/debug"

	"github.com/loghaul/loghaul/aggregator/notary"
)

// fixedMemory is what a process needs beside windows and messages: program,
// codecs, connections.
const fixedMemory = 20 << 20

// LimitMemory sets the soft limit of the Go runtime to what an aggregator with
// this configuration needs, for a process that does nothing else; without it
// the garbage of one window may grow as large as all that is in use. An
// environment variable GOMEMLIMIT is left to have its way.
func LimitMemory(c *Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.memory())
	}
}

// memory is a bound for what is in use: the raw bytes of a window, the same
// lines as columns and as pages being read back, messages pulled ahead, and what
// waits for a manifest.
func (c *Config) memory() int64 {
	return 2*int64(c.Window.Bytes) + int64(c.Pull.Bytes) + notary.Memory + fixedMemory
}
