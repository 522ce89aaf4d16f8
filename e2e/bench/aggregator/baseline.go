package main

import (
	"fmt"
	"runtime"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/wire"
)

// baseline compresses the corpus with zstd's default level, in the same run and
// so under the same load of the machine: what an archive of raw lines costs
// without parsing, without columns and without any check. On an idle machine
// it takes about one CPU second per million lines.
func baseline(corpus []byte) (seconds, bytesPerLine float64, err error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, 0, err
	}
	defer z.Close() //nolint:errcheck // nothing is buffered
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out := make([]byte, 0, len(corpus))
	out = z.EncodeAll(corpus, out[:0]) // tables and pages are warm after this
	before, err := threadTime()
	if err != nil {
		return 0, 0, err
	}
	out = z.EncodeAll(corpus, out[:0])
	after, err := threadTime()
	lines := float64(wire.CountRecords(corpus))
	return (after - before) / lines * 1e6, float64(len(out)) / lines, err
}

func threadTime() (float64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0, fmt.Errorf("CPU time of the thread: %w", err)
	}
	return seconds(u.Utime) + seconds(u.Stime), nil
}
