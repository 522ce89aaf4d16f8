package syslog

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

func tcpURL(t testing.TB) string {
	t.Helper()
	return "tcp://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(testenv.FreePort(t)))
}

func streamURLs(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"tcp": tcpURL(t), "unix": "unix-stream://" + filepath.Join(t.TempDir(), "log")}
}

func octets(messages ...string) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%d %s", len(m), m)
	}
	return b.String()
}

// TestConnectionsOfEitherFraming has one of each at the same time, in pieces.
func TestConnectionsOfEitherFraming(t *testing.T) {
	for name, url := range streamURLs(t) {
		t.Run(name, func(t *testing.T) {
			w := listen(t, config(url), &inputtest.Spool{})
			var frames, lines strings.Builder
			for i := range 200 {
				m := fmt.Sprintf("<134>octets %d %s", i, strings.Repeat("x", i*7))
				frames.WriteString(octets(m))
				fmt.Fprintf(&lines, "lines %d %s\n", i, strings.Repeat("y", i*7))
			}
			a, b := dial(t, url), dial(t, url)
			fa, fb := frames.String(), lines.String()
			for at := 0; at < max(len(fa), len(fb)); at += 1000 {
				send(t, a, fa[min(at, len(fa)):min(at+1000, len(fa))])
				send(t, b, fb[min(at, len(fb)):min(at+1000, len(fb))])
			}
			next := map[string]int{}
			for _, line := range w.records(400) {
				f := strings.Fields(line)
				kind := strings.TrimPrefix(f[0], "<134>")
				if n, err := strconv.Atoi(f[1]); err != nil || n != next[kind] || len(f) > 2 && len(f[2]) != 7*n {
					t.Fatalf("%.60q is not number %d of %s", line, next[kind], kind)
				}
				next[kind]++
			}
			if next["octets"] != 200 || next["lines"] != 200 || w.in.Stats().Malformed.Load() != 0 {
				t.Errorf("%v", next)
			}
			if n := w.in.Stats().Connections.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
			a.Close()
			b.Close()
			w.eventually("the connections are gone", func() bool { return w.in.Stats().Connections.Load() == 0 })
		})
	}
}

// TestTheEndOfAConnection closes in the middle of a line and of a frame.
func TestTheEndOfAConnection(t *testing.T) {
	w := listen(t, config(tcpURL(t)), &inputtest.Spool{})
	n := 0
	for _, x := range []struct {
		stream  string
		records int
	}{{"whole\nno end", 2}, {octets("<6>whole") + "9 <6>cut", 2}, {"12", 1}, {strings.Repeat("z", 70_000), 2}} {
		c := dial(t, w.in.Name())
		send(t, c, x.stream)
		c.Close()
		n += x.records
		w.records(n)
	}
	got := w.records(7)
	for i := range got {
		got[i] = got[i][:min(len(got[i]), 8)]
	}
	if fmt.Sprintf("%q", got) != `["whole" "no end" "<6>whole" "<6>cut" "12" "zzzzzzzz" "zzzzzzzz"]` {
		t.Errorf("%q", got)
	}
	if st := w.in.Stats(); st.Malformed.Load() != 1 || st.Cut.Load() != 1 || w.account.CutLines.Load() != 1 {
		t.Errorf("%d malformed, %d cut", st.Malformed.Load(), st.Cut.Load())
	}
}

// TestABrokenFrameIsSaidOnce keeps its bytes and goes on.
func TestABrokenFrameIsSaidOnce(t *testing.T) {
	w := listen(t, config(tcpURL(t)), &inputtest.Spool{})
	for range 3 {
		c := dial(t, w.in.Name())
		send(t, c, octets("<6>good")+"broken \x01 one\n"+octets("<6>good again")+"-5 xy\n")
		c.Close()
	}
	got := strings.Join(w.records(12), "|")
	if n := strings.Count(got, "<6>good|broken \x01 one|<6>good again|-5 xy"); n != 3 {
		t.Errorf("%q", got)
	}
	w.stop()
	if n := strings.Count(w.log.String(), "a frame does not begin"); n != 1 || w.in.Stats().Malformed.Load() != 6 {
		t.Errorf("said %d times, counted %d", n, w.in.Stats().Malformed.Load())
	}
	w.logged(`begins_with="broken \x01 one\n`)
}

// TestFullSpoolStopsReading makes the sender wait, and loses nothing.
func TestFullSpoolStopsReading(t *testing.T) {
	for name, url := range streamURLs(t) {
		t.Run(name, func(t *testing.T) {
			cfg := config(url)
			cfg.ReceiveBuffer = 64 << 10
			w := listen(t, cfg, &inputtest.Spool{Max: 1 << 20})
			c := dial(t, url)
			const lines = 100_000
			sent := make(chan error, 1)
			go func() {
				var b []byte
				for i := range lines {
					b = fmt.Appendf(b, "%099d\n", i)
					if len(b) > 32<<10 || i == lines-1 {
						if _, err := c.Write(b); err != nil {
							sent <- err
							return
						}
						b = b[:0]
					}
				}
				sent <- nil
			}()
			w.eventually("the spool is full", func() bool { return w.in.Stats().Refusals.Load() > 0 })
			select {
			case err := <-sent:
				t.Fatalf("the sender did not have to wait: %v", err)
			default:
			}
			var got []byte
			w.eventually("all lines came", func() bool {
				got = append(got, w.spool.Take()...)
				return len(got) == lines*100
			})
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			i := 0
			for line := range bytes.Lines(got) {
				if string(line) != fmt.Sprintf("%099d\n", i) {
					t.Fatalf("line %d is %q", i, line)
				}
				i++
			}
		})
	}
}

// TestTheEndWithAFullSpool has records in hand that nobody takes.
func TestTheEndWithAFullSpool(t *testing.T) {
	w := listen(t, config(tcpURL(t)), &inputtest.Spool{Max: 5})
	c := dial(t, w.in.Name())
	send(t, c, "one\n", "two is too long\n")
	w.eventually("the spool is full", func() bool { return w.in.Stats().Refusals.Load() > 0 })
	w.stop()
	kept, _ := w.spool.Records()
	lost := w.spool.Lost(wire.SpoolFull)
	if int64(kept)+lost.Lines != 2 || w.spool.Bytes()+lost.Bytes != 20 {
		t.Errorf("%d kept, %+v", kept, lost)
	}
}

// TestWhatConnectionsSentBeforeTheEndIsTaken stops the listener under load.
func TestWhatConnectionsSentBeforeTheEndIsTaken(t *testing.T) {
	for _, url := range []string{tcpURL(t), "unix-stream://" + filepath.Join(t.TempDir(), "log")} {
		lastConnections(t, url)
	}
}

func lastConnections(t *testing.T, url string) {
	t.Helper()
	w := listen(t, config(url), &inputtest.Spool{})
	const conns, lines = 20, 500
	var all sync.WaitGroup
	for range conns {
		c := dial(t, w.in.Name())
		all.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(c, "line %d\n", i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.stop() // some may not even be accepted
	if n, _ := w.spool.Records(); n != conns*lines {
		t.Errorf("%d records, want %d", n, conns*lines)
	}
}

func TestTooManyConnections(t *testing.T) {
	cfg := config(tcpURL(t))
	cfg.MaxConnections = 2
	w := listen(t, cfg, &inputtest.Spool{})
	a, b := dial(t, cfg.URL), dial(t, cfg.URL)
	send(t, a, "a\n")
	send(t, b, "b\n")
	w.records(2)
	c := dial(t, cfg.URL)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("the third connection read %d bytes", n)
	}
	st := w.in.Stats()
	w.eventually("it is counted", func() bool { return st.Refused.Load() == 1 && st.Accepted.Load() == 3 && st.Connections.Load() == 2 })
	w.logged("too many connections")
	a.Close()
	w.eventually("there is a place again", func() bool { return st.Connections.Load() == 1 })
	send(t, dial(t, cfg.URL), "d\n")
	w.records(3)
}

// TestIdleConnectionsAreCheap opens 1,000, each of which has sent half a line.
func TestIdleConnectionsAreCheap(t *testing.T) {
	w := listen(t, config("unix-stream://"+filepath.Join(t.TempDir(), "log")), &inputtest.Spool{})
	const conns = 1000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := heap()
	all := make([]net.Conn, conns)
	for i := range all {
		all[i] = dial(t, w.in.Name())
		send(t, all[i], fmt.Sprintf("a whole line\nand half of line %d", i))
	}
	w.records(conns)
	// Both ends of the connections are in this process. Buffers go back to their
	// pool, and stacks shrink, a moment later.
	w.eventually("at most 20 KiB for each connection", func() bool { return int64(heap()-before)/conns <= 20<<10 })
	for _, c := range all {
		send(t, c, "\n")
	}
	w.records(2 * conns)
	w.stop()
}

// TestManyLinesAreOneAppend reads what has gathered at once.
func TestManyLinesAreOneAppend(t *testing.T) {
	w := listen(t, config(tcpURL(t)), &inputtest.Spool{})
	c := dial(t, w.in.Name())
	const lines = 20_000
	send(t, c, strings.Repeat(strings.Repeat("x", 299)+"\n", lines))
	w.records(lines)
	if _, appends := w.spool.Records(); appends > lines/50 {
		t.Errorf("%d calls of Append for %d lines", appends, lines)
	}
}
