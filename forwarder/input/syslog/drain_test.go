package syslog

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
)

// BenchmarkDrain receives what waits in the kernel's buffer: the cost of a
// datagram without any waking up, beside a recvfrom for each.
func BenchmarkDrain(b *testing.B) {
	for _, mode := range []string{"recvmmsg", "recvfrom"} {
		b.Run(mode, func(b *testing.B) {
			w := newWorld(b, config(udpURL(b, "127.0.0.1")), &inputtest.Spool{Drop: true})
			d := w.in.(*datagrams) //nolint:errcheck // it is one
			r, err := newReceiver(d.fd)
			if err != nil {
				b.Fatal(err)
			}
			defer r.close() //nolint:errcheck // the end of the benchmark
			s, err := newSender(w.in.Name())
			if err != nil {
				b.Fatal(err)
			}
			defer s.close()
			line := []byte(strings.Repeat("x", 299) + "\n")
			const n = 32 * batch
			runtime.LockOSThread() // its CPU time is measured
			defer runtime.UnlockOSThread()
			var spent int64
			one := make([]byte, 64<<10)
			for range b.N {
				for range n / senderBatch {
					if err := s.send(line, senderBatch); err != nil {
						b.Fatal(err)
					}
				}
				start := threadCPU(b)
				for got := 0; got < n; {
					if mode == "recvfrom" {
						size, _, err := unix.Recvfrom(d.fd, one, unix.MSG_DONTWAIT)
						if err != nil || w.spool.Append(one[:size], 1) != nil {
							b.Fatal(err)
						}
						got++
						continue
					}
					k, err := r.receive()
					if err != nil || k == 0 {
						b.Fatal(k, err)
					}
					d.take(r, k)
					got += k
				}
				spent += threadCPU(b) - start
			}
			b.ReportMetric(float64(spent)/float64(n)/float64(b.N), "CPU-ns/line")
			w.run()
			w.stop()
		})
	}
}

// threadCPU is in nanoseconds.
func threadCPU(b *testing.B) int64 {
	b.Helper()
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at); err != nil {
		b.Fatal(err)
	}
	return at.Nano()
}
