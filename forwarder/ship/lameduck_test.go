package ship

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// TestLameDuckIsLeft: one of three servers announces its end while batches
// flow. The link leaves it before it is closed, with nothing in flight.
func TestLameDuckIsLeft(t *testing.T) {
	servers := testenv.NATSCluster(t, t.TempDir(), 3, `lame_duck_duration: "60s"`)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL)
	}
	setUp(t, 1, 3, urls...)
	src := newStream("web-1")
	r := start(t, testConfig("web-1", 1, urls...), src, nil)
	const lines = 20_000
	src.write(lines / 4)
	r.awaitAll()

	was := r.server()
	src.write(lines / 4)
	for _, s := range servers {
		if s.URL == was {
			s.Signal(syscall.SIGUSR2)
			defer func() {
				select {
				case <-s.Exited():
					t.Error("the server had ended already: that proves nothing")
				default:
				}
			}()
		}
	}
	st := r.s.Stats()
	testenv.Eventually(t, testenv.Patience, "the server is left", func() bool {
		src.write(1)
		return st.Cuts(CutLameDuck).Load() == 1 && st.Connected.Load() == 1
	})
	if is := r.server(); is == was || is == "" {
		t.Errorf("connected to %q after %q", is, was)
	}
	src.write(lines / 4)
	r.awaitAll()
	if n := st.Retries(ReasonDisconnected).Load(); n != 0 {
		t.Errorf("%d batches were in flight when the server was left", n)
	}
	r.stop()
	for _, no := range []string{"is missing", "cannot reach the broker"} {
		if _, since, _ := strings.Cut(r.log.String(), "about to stop"); strings.Contains(since, no) {
			t.Errorf("it says %q", no)
		}
	}
	var others []string
	for _, u := range urls {
		if u != was {
			others = append(others, u)
		}
	}
	read(t, 1, others...).exactly(t, int(src.written.Load()/lineLen))
}

// TestLameDuckWithoutOthers: a single server's notice is waited out.
func TestLameDuckWithoutOthers(t *testing.T) {
	s := testenv.NATS(t, t.TempDir(), `lame_duck_duration: "60s"`)
	setUp(t, 1, 1, s.URL)
	src := newStream("web-1")
	r := start(t, testConfig("web-1", 1, s.URL), src, nil)
	src.write(1000)
	r.awaitAll()
	s.Signal(syscall.SIGUSR2)
	testenv.Eventually(t, testenv.Patience, "the notice is heard", func() bool {
		err := r.s.Problem()
		return err != nil && strings.Contains(err.Error(), "about to stop")
	})
	batches := r.s.Stats().Batches.Load()
	src.write(1000)
	looks := 0
	testenv.Eventually(t, testenv.Patience, "the rig has gone on", func() bool { r.do(func(time.Time) {}); looks++; return looks > 50 })
	if n := r.s.Stats().Batches.Load(); n != batches {
		t.Errorf("%d batches were cut for a server without streams", n-batches)
	}
	if r.s.Stats().Cuts(CutLameDuck).Load() != 0 {
		t.Error("the only server was left")
	}
	s.Kill()
	s.Start()
	r.awaitAll()
	r.stop()
	read(t, 1, s.URL).exactly(t, 2000)
}
