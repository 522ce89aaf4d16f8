package syslog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
)

// benchLines is how many lines one run of a benchmark receives.
const benchLines = 500_000

// rates are lines per second; 0 is as fast as the sender can.
var rates = []int{1_000, 20_000, 100_000}

// BenchmarkUDP compares receive → Append, into a spool that forgets, with a
// plain loop of recvfrom and one Append for each datagram. The sender is
// another process; CPU is that of this one, per million lines.
//
//	go test ./forwarder/input/syslog -bench UDP -benchtime 1x -run '^$'
func BenchmarkUDP(b *testing.B) {
	for _, rate := range rates {
		lines := min(benchLines, rate*5)
		b.Run(fmt.Sprintf("recvmmsg/%d", rate), func(b *testing.B) {
			for range b.N {
				spool := &inputtest.Spool{Drop: true}
				w := listen(b, config(udpURL(b, "127.0.0.1")), spool)
				st := w.in.Stats()
				measure(b, w.in.Name(), rate, lines, func() int64 { return st.Records.Load() + st.KernelDrops.Load() })
				_, appends := spool.Records()
				b.ReportMetric(float64(st.KernelDrops.Load()), "dropped")
				b.ReportMetric(float64(lines)/float64(appends), "lines/Append")
				w.stop()
			}
		})
		b.Run(fmt.Sprintf("recvfrom/%d", rate), func(b *testing.B) {
			for range b.N {
				recvfrom(b, rate, lines)
			}
		})
	}
}

// recvfrom is the baseline: a goroutine that is woken for every datagram.
func recvfrom(b *testing.B, rate, lines int) {
	b.Helper()
	w := newWorld(b, config(udpURL(b, "127.0.0.1")), &inputtest.Spool{Drop: true})
	d := w.in.(*datagrams) //nolint:errcheck // it is one
	fd, err := unix.Dup(d.fd)
	if err != nil {
		b.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "udp")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for err := error(nil); err == nil; {
			size := 0
			err = raw.Read(func(fd uintptr) bool {
				var err error
				size, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
				return err == nil
			})
			if err == nil {
				err = w.spool.Append(buf[:size], 1)
			}
		}
	}()
	measure(b, w.in.Name(), rate, lines, func() int64 {
		n, _ := w.spool.Records()
		info, _ := memInfo(d.fd)
		return int64(n) + int64(info[memDrops])
	})
	info, _ := memInfo(d.fd)
	b.ReportMetric(float64(info[memDrops]), "dropped")
	_ = f.SetReadDeadline(time.Now())
	<-done
	w.run()
	w.stop()
}

// measure has lines sent and reports what receiving them cost.
func measure(b *testing.B, url string, rate, lines int, received func() int64) {
	b.Helper()
	before := usage(b)
	if out, err := sendFrom(url, rate, lines).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for deadline := time.After(limit); received() < int64(lines); {
		select {
		case <-deadline:
			b.Fatalf("%d of %d lines", received(), lines)
		case <-time.After(20 * time.Millisecond):
		}
	}
	after := usage(b)
	cpu := float64(unix.TimevalToNsec(after.Utime)+unix.TimevalToNsec(after.Stime)-unix.TimevalToNsec(before.Utime)-unix.TimevalToNsec(before.Stime)) / 1e9
	b.ReportMetric(cpu/float64(lines)*1e6, "CPU-s/Mlines")
	b.ReportMetric(float64(after.Nvcsw-before.Nvcsw)/float64(lines)*float64(rate), "switches/s")
}

func usage(b *testing.B) (u unix.Rusage) {
	b.Helper()
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// TestUDPAtARate receives 100,000 lines a second from another process: the
// counts are exact, whatever the machine can do.
func TestUDPAtARate(t *testing.T) {
	w := listen(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{Drop: true})
	const lines = 200_000
	if out, err := sendFrom(w.in.Name(), 100_000, lines).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	st := w.in.Stats()
	w.eventually("every line is kept or declared", func() bool { return st.Records.Load()+st.KernelDrops.Load() >= lines })
	w.stop()
	n, _ := w.spool.Records()
	if lost := w.spool.Lost("kernel_dropped").Lines; int64(n)+lost != lines || w.spool.Bytes() != int64(n)*300 {
		t.Errorf("%d kept, %d lost, %d sent", n, lost, lines)
	}
	t.Logf("%d kept, %d dropped by the kernel", n, st.KernelDrops.Load())
}

// BenchmarkStream receives lines of one connection as fast as they come.
func BenchmarkStream(b *testing.B) {
	for _, framing := range []string{"lines", "octets"} {
		for _, scheme := range []string{"tcp", "unix"} {
			b.Run(scheme+"/"+framing, func(b *testing.B) {
				message := strings.Repeat("x", 299)
				chunk := strings.Repeat(message+"\n", 50)
				if framing == "octets" {
					chunk = strings.Repeat("299 "+message, 50)
				}
				url := tcpURL(b)
				if scheme == "unix" {
					url = "unix-stream://" + filepath.Join(b.TempDir(), "log")
				}
				for range b.N {
					spool := &inputtest.Spool{Drop: true}
					w := listen(b, config(url), spool)
					c := dial(b, url)
					before := usage(b)
					for range benchLines / 50 {
						send(b, c, chunk)
					}
					w.eventually("all lines", func() bool { n, _ := spool.Records(); return n == benchLines })
					after := usage(b)
					cpu := float64(unix.TimevalToNsec(after.Utime)+unix.TimevalToNsec(after.Stime)-unix.TimevalToNsec(before.Utime)-unix.TimevalToNsec(before.Stime)) / 1e9
					b.ReportMetric(cpu/benchLines*1e6, "CPU-s/Mlines(both-ends)")
					_, appends := spool.Records()
					b.ReportMetric(benchLines/float64(appends), "lines/Append")
					w.stop()
				}
			})
		}
	}
}
