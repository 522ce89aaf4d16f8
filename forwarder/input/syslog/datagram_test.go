package syslog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func udpURL(t testing.TB, host string) string {
	t.Helper()
	return "udp://" + net.JoinHostPort(host, strconv.Itoa(testenv.FreePort(t)))
}

func dial(t testing.TB, url string) net.Conn {
	t.Helper()
	scheme, addr, _ := strings.Cut(url, "://")
	c, err := net.Dial(map[string]string{"udp": "udp", "tcp": "tcp", "unix": "unixgram", "unix-stream": "unix"}[scheme], addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c net.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if n, err := c.Write([]byte(m)); err != nil || n != len(m) {
			t.Fatal(n, err)
		}
	}
}

func TestADatagramIsARecord(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	for name, url := range map[string]string{
		"IPv4": udpURL(t, "127.0.0.1"), "IPv6": udpURL(t, "::1"), "unix": "unix://" + filepath.Join(t.TempDir(), "log"),
	} {
		t.Run(name, func(t *testing.T) {
			w := listen(t, config(url), &inputtest.Spool{})
			c := dial(t, url)
			send(t, c, "<134>one\n", "two", "", "three\n\n\x00\n", "four\nfive\n", "\n", "\x00", "\xff\x00 six\r\n", " ", long, "last\n")
			got := w.records(9)
			w.stop()
			want := []string{"<134>one", "two", "three", "four", "five", "\xff\x00 six\r", " ", long, "last"}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("got %.200q\nwant %.200q", got, want)
			}
			st := w.in.Stats()
			if st.Datagrams.Load() != 11 || st.Empty.Load() != 3 || st.Records.Load() != 9 || st.Bytes.Load() != w.spool.Bytes() || st.Cut.Load() != 0 {
				t.Errorf("%d datagrams, %d empty, %d records, %d bytes", st.Datagrams.Load(), st.Empty.Load(), st.Records.Load(), st.Bytes.Load())
			}
		})
	}
}

// TestEveryAddress listens on both families with one socket.
func TestEveryAddress(t *testing.T) {
	port := strconv.Itoa(testenv.FreePort(t))
	w := listen(t, config("udp://:"+port), &inputtest.Spool{})
	send(t, dial(t, "udp://127.0.0.1:"+port), "four")
	w.records(1)
	send(t, dial(t, "udp://[::1]:"+port), "six")
	if got := w.records(2); fmt.Sprint(got) != "[four six]" {
		t.Errorf("%q", got)
	}
}

// TestALongDatagramIsCut sends what only a socket in the file system takes.
func TestALongDatagramIsCut(t *testing.T) {
	url := "unix://" + filepath.Join(t.TempDir(), "log")
	w := listen(t, config(url), &inputtest.Spool{})
	c := dial(t, url)
	send(t, c, strings.Repeat("a", maxDatagram+5), "b")
	got := w.records(2)
	w.stop()
	if got[0] != strings.Repeat("a", maxDatagram) || got[1] != "b" {
		t.Errorf("%d bytes, then %.20q", len(got[0]), got[1])
	}
	if n := w.spool.Lost(wire.Truncated).Bytes; n != 5 || w.in.Stats().Cut.Load() != 1 || w.account.CutLines.Load() != 1 {
		t.Errorf("%d bytes are lost, %d datagrams cut", n, w.in.Stats().Cut.Load())
	}
}

// TestWhatArrivedBeforeTheEndIsTaken stops the listener with datagrams waiting.
func TestWhatArrivedBeforeTheEndIsTaken(t *testing.T) {
	w := newWorld(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{})
	c := dial(t, w.in.Name())
	for i := range 1000 {
		send(t, c, fmt.Sprintf("line %d\n", i))
	}
	w.run()
	w.stop()
	if n, _ := w.spool.Records(); n != 1000 {
		t.Errorf("%d records", n)
	}
}

// TestFullSpool loses datagrams and says how many.
func TestFullSpool(t *testing.T) {
	w := listen(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{Max: 1000})
	c := dial(t, w.in.Name())
	const sent = 500
	for i := range sent {
		send(t, c, fmt.Sprintf("line %03d\n", i))
	}
	w.eventually("all datagrams are read", func() bool { return w.in.Stats().Datagrams.Load() == sent })
	w.spool.Take()
	send(t, c, "after\n")
	w.eventually("there is room again", func() bool { return string(w.spool.Data()) == "after\n" })
	w.stop()
	kept, _ := w.spool.Records()
	lost := w.spool.Lost(wire.SpoolFull)
	if kept-1+int(lost.Lines) != sent || lost.Bytes != 9*lost.Lines || lost.Lines == 0 {
		t.Errorf("%d kept, %+v", kept-1, lost)
	}
	w.logged("datagrams are lost")
}

// TestKernelDrops fills a small receive buffer while nobody reads, and compares
// what is declared with what was sent and with the kernel's own table.
func TestKernelDrops(t *testing.T) {
	for name, url := range map[string]string{"IPv4": udpURL(t, "127.0.0.1"), "IPv6": udpURL(t, "::1")} {
		t.Run(name, func(t *testing.T) {
			cfg := config(url)
			cfg.ReceiveBuffer = 64 << 10
			w := newWorld(t, cfg, &inputtest.Spool{})
			c := dial(t, url)
			const sent = 2000
			for range sent {
				send(t, c, strings.Repeat("x", 300))
			}
			table := procDrops(t, url)
			if table == 0 || table >= sent {
				t.Fatalf("the kernel dropped %d", table)
			}
			w.run()
			// No datagram follows, so no control message brings the counter.
			w.eventually("the drops are declared", func() bool { return w.spool.Lost(wire.KernelDropped).Lines == table })
			// The next one brings it, and it has not grown.
			send(t, c, "last")
			w.records(sent - int(table) + 1)
			w.stop()
			kept, _ := w.spool.Records()
			if lost := w.spool.Lost(wire.KernelDropped); int64(kept-1)+lost.Lines != sent || w.in.Stats().KernelDrops.Load() != lost.Lines {
				t.Errorf("%d kept, %+v lost, %d sent", kept-1, lost, sent)
			}
			w.logged("the kernel had no room")
		})
	}
}

// procDrops reads the drops of the socket on a port from /proc/net/udp and udp6.
func procDrops(t *testing.T, url string) int64 {
	t.Helper()
	port, err := strconv.Atoi(url[strings.LastIndexByte(url, ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			if f := strings.Fields(line); len(f) > 12 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				n, err := strconv.ParseInt(f[12], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
	}
	t.Fatalf("no socket of port %d", port)
	return 0
}

// TestDropsComeWithADatagram reads the counter from the control message alone.
func TestDropsComeWithADatagram(t *testing.T) {
	cfg := config(udpURL(t, "127.0.0.1"))
	cfg.ReceiveBuffer = 64 << 10
	w := newWorld(t, cfg, &inputtest.Spool{})
	d := w.in.(*datagrams) //nolint:errcheck // it is one
	r, err := newReceiver(d.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close() //nolint:errcheck // the end of the test
	c := dial(t, cfg.URL)
	for range 2000 {
		send(t, c, strings.Repeat("x", 300))
	}
	drain := func() {
		for {
			n, err := r.receive()
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				return
			}
			d.take(r, n)
		}
	}
	drain()
	send(t, c, "one more")
	drain()
	if got, want := w.spool.Lost(wire.KernelDropped).Lines, procDrops(t, cfg.URL); got != want || want == 0 {
		t.Errorf("%d drops declared, the kernel counts %d", got, want)
	}
	w.run()
}

func TestTheCounterOfDropsWraps(t *testing.T) {
	w := newWorld(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{})
	d := w.in.(*datagrams) //nolint:errcheck // it is one
	d.drops = 1<<32 - 3
	d.dropped(1<<32 - 1)
	d.dropped(1<<32 - 2) // of a datagram that was queued before
	d.dropped(4)
	d.dropped(4)
	if got := w.spool.Lost(wire.KernelDropped).Lines; got != 7 {
		t.Errorf("%d drops, want 7", got)
	}
	w.run()
}

// TestNoAllocations receives and stores without allocating anything per datagram.
func TestNoAllocations(t *testing.T) {
	w := newWorld(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{Drop: true})
	d := w.in.(*datagrams) //nolint:errcheck // it is one
	r, err := newReceiver(d.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close() //nolint:errcheck // the end of the test
	c := dial(t, w.in.Name())
	line := []byte(strings.Repeat("x", 300) + "\n")
	got := testing.AllocsPerRun(20, func() {
		for range batch {
			if _, err := c.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := r.receive(); n != batch || err != nil {
			t.Fatal(n, err)
		}
		d.take(r, batch)
	})
	if got > 0 {
		t.Errorf("%v allocations for %d datagrams", got, batch)
	}
	if n, appends := w.spool.Records(); n != batch*appends {
		t.Errorf("%d records in %d calls of Append", n, appends)
	}
	w.run()
}

// TestReceiveBuffer compares what is reported with what the socket has.
func TestReceiveBuffer(t *testing.T) {
	cfg := config(udpURL(t, "127.0.0.1"))
	cfg.ReceiveBuffer = 1 << 30
	w := listen(t, cfg, &inputtest.Spool{})
	got, err := unix.GetsockoptInt(w.in.(*datagrams).fd, unix.SOL_SOCKET, unix.SO_RCVBUF) //nolint:errcheck // it is one
	if err != nil {
		t.Fatal(err)
	}
	st := w.in.Stats()
	if st.BufferGot.Load() != int64(got) || st.BufferAsked.Load() != 2<<30 {
		t.Errorf("got %d, reported %d of %d", got, st.BufferGot.Load(), st.BufferAsked.Load())
	}
	if got < 2<<30 {
		w.logged("net.core.rmem_max=1073741824")
	}
}

// TestUDPAtFullRate sends a million lines from two sockets with sendmmsg, as
// fast as the machine can: what is kept and what is declared is what was sent.
func TestUDPAtFullRate(t *testing.T) {
	w := listen(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{Drop: true})
	const each = 250_000
	line := []byte(strings.Repeat("x", 299) + "\n")
	done := make(chan struct{})
	var bad atomic.Pointer[error]
	for range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			s, err := newSender(w.in.Name())
			if err == nil {
				defer s.close()
				for sent := 0; sent < each && err == nil; sent += senderBatch {
					err = s.send(line, min(senderBatch, each-sent))
				}
			}
			if err != nil {
				bad.Store(&err)
			}
		}()
	}
	<-done
	<-done
	if p := bad.Load(); p != nil {
		t.Fatal(*p)
	}
	st := w.in.Stats()
	w.eventually("every line is kept or declared", func() bool { return st.Records.Load()+st.KernelDrops.Load() == 2*each })
	w.stop()
	n, appends := w.spool.Records()
	if lost := w.spool.Lost(wire.KernelDropped).Lines; int64(n)+lost != 2*each {
		t.Errorf("%d kept, %d lost, %d sent", n, lost, 2*each)
	}
	t.Logf("%d kept in %d calls of Append, %d dropped by the kernel", n, appends, st.KernelDrops.Load())
}

func TestMessagesAreMovedTogetherBelowTheBoundOfAnAppend(t *testing.T) {
	w := newWorld(t, config("unix://"+filepath.Join(t.TempDir(), "log")), &inputtest.Spool{})
	d := w.in.(*datagrams) //nolint:errcheck // it is one
	r, err := newReceiver(d.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close() //nolint:errcheck // the end of the test
	var want []byte
	for i := range batch {
		m := bytes.Repeat([]byte{byte('a' + i%26)}, maxDatagram)
		copy(r.mem[i*slot:], m)
		r.msgs[i].n = maxDatagram
		want = append(append(want, m...), '\n')
	}
	d.take(r, batch)
	if !bytes.Equal(w.spool.Data(), want) {
		t.Error("the bytes are others")
	}
	if _, appends := w.spool.Records(); appends < batch*maxDatagram/maxAppend {
		t.Errorf("%d calls of Append", appends)
	}
	w.run()
}
