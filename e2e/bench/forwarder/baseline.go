package main

import (
	"bytes"
	"io"
	"syscall"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// baseline is the CPU that compression alone takes of the same lines, in this
// process at this moment: the figure that tells a slow machine from a slow
// agent.
func (b *bench) baseline(encoding string) (float64, error) {
	var w interface {
		io.WriteCloser
		Reset(w io.Writer)
	} = s2.NewWriter(io.Discard, s2.WriterConcurrency(1), s2.WriterBlockSize(512<<10))
	if encoding == "zstd" {
		z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return 0, err
		}
		w = z
	}
	var size int64
	begin := cpuTime()
	for size < 300e6 {
		for rest := b.corpus; len(rest) > 0; {
			n := min(len(rest), 2<<20)
			w.Reset(io.Discard)
			if _, err := io.Copy(w, bytes.NewReader(rest[:n])); err != nil {
				return 0, err
			}
			if err := w.Close(); err != nil {
				return 0, err
			}
			rest, size = rest[n:], size+int64(n)
		}
	}
	return b.per(size, cpuTime()-begin), nil
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
