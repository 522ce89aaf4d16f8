package ship

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestUnscaledConnectionIsMadeAnew runs in a network namespace of its own,
// where the kernel's settings may be changed: connections that lost window
// scaling, in the two ways in which they do, are found under load and replaced,
// and nothing is lost or doubled on the way.
func TestUnscaledConnectionIsMadeAnew(t *testing.T) {
	const inside = "LOGHAUL_TEST_IN_NAMESPACE"
	if os.Getenv(inside) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "--- PASS: "+t.Name()+"/") != 2 {
			t.Fatalf("in a network namespace of its own: %v\n%s", err, out)
		}
		return
	}
	loopbackUp(t)
	for name, settings := range map[string]map[string]string{
		"no window scaling":                       {"tcp_window_scaling": "0"},
		"SYN cookies that carry no options along": {"tcp_syncookies": "2", "tcp_timestamps": "0"},
	} {
		t.Run(name, func(t *testing.T) {
			restore := sysctl(t, settings)
			s := testenv.NATS(t, t.TempDir(), "")
			setUp(t, 1, 1, s.URL)
			cfg := testConfig("web-1", 1, slowly(t, s.URL))
			cfg.Batch, cfg.InFlight, cfg.AckTimeout = 256<<10, 8, 20*time.Second
			src := newStream("web-1")
			r := start(t, cfg, src, func(s *Shipper) { s.watch.every, s.watch.cutEvery = 5*time.Millisecond, time.Minute })
			st := r.s.Stats()
			seen := false
			testenv.Eventually(t, testenv.Patience, "a bad connection is cut", func() bool {
				if i := st.TCP(); i != nil && !i.Scaled && i.SendWindow <= unscaled {
					seen = true
				}
				if src.written.Load()-src.confirmed.Load() < 4<<20 {
					src.write(1 << 20 / lineLen)
				}
				return st.Cuts(CutNarrow).Load() > 0
			})
			if !seen {
				t.Error("the connection had window scaling all along")
			}
			restore()
			testenv.Eventually(t, testenv.Patience, "a connection with window scaling", func() bool {
				if l := src.written.Load(); l == src.confirmed.Load() {
					src.write(4096)
				}
				i := st.TCP()
				if i == nil || i.Scaled {
					return i != nil
				}
				r.do(func(time.Time) { r.s.link.socket.Cut() }) // made before restore
				return false
			})
			r.awaitAll()
			if n := st.Cuts(CutNarrow).Load(); n != 1 {
				t.Errorf("%d connections were cut, want one", n)
			}
			if n := strings.Count(r.log.String(), "lets too little through"); n != 1 {
				t.Errorf("said %d times, want once", n)
			}
			r.stop()
			read(t, 1, s.URL).exactly(t, int(src.written.Load()/lineLen))
		})
	}
}

// slowly gives the URL of a relay to url that reads four megabytes a second,
// so that there is always something that waits to be sent.
func slowly(t *testing.T, url string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	relay := func(in net.Conn) {
		defer in.Close() //nolint:errcheck // a test's relay
		out, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
		if err != nil {
			return
		}
		defer out.Close() //nolint:errcheck // a test's relay
		wg.Go(func() {
			_, _ = io.Copy(in, out)
			_ = in.Close()
		})
		tick := time.NewTicker(4 * time.Millisecond)
		defer tick.Stop()
		for buf := make([]byte, 16<<10); ; <-tick.C {
			n, err := in.Read(buf)
			if err == nil {
				_, err = out.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { relay(c) })
		}
	})
	return "nats://" + l.Addr().String()
}

// sysctl changes settings of this namespace. restore puts them back; it may be
// called twice.
func sysctl(t *testing.T, settings map[string]string) (restore func()) {
	t.Helper()
	var undo []func()
	for name, value := range settings {
		path := "/proc/sys/net/ipv4/" + name
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		set := func(v string) {
			if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set(value)
		undo = append(undo, func() { set(string(was)) })
	}
	restore = func() {
		for _, fn := range undo {
			fn()
		}
	}
	t.Cleanup(restore)
	return restore
}

// loopbackUp does what `ip link set lo up` does.
func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		t.Fatal(fmt.Errorf("flags of lo: %w", err))
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(fmt.Errorf("lo up: %w", err))
	}
}
