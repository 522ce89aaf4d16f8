package ship

import (
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
)

// moving gives a node whose shard is another one for each number of shards.
func moving(t *testing.T, numbers ...int) string {
	t.Helper()
nodes:
	for i := range 1000 {
		node := "web-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		seen := map[int]bool{}
		for _, n := range numbers {
			s := wire.Shard(node, n)
			if seen[s] {
				continue nodes
			}
			seen[s] = true
		}
		return node
	}
	t.Fatal("no node moves")
	return ""
}

// TestShardsChange goes from 2 shards to 5 and to 3 under load, with batches
// in flight to a broker that does not answer at that moment.
func TestShardsChange(t *testing.T) {
	s := testenv.NATS(t, t.TempDir(), "")
	setUp(t, 5, 1, s.URL)
	node := moving(t, 2, 5, 3)
	src := newStream(node)
	r := start(t, testConfig(node, 2, s.URL), src, nil)
	src.write(5000)
	r.awaitAll()
	for _, shards := range []int{5, 3} {
		s.Pause()
		src.write(2000)
		testenv.Eventually(t, testenv.Patience, "batches are in flight", func() bool { return r.s.Stats().InFlight.Load() == 4 })
		r.do(func(now time.Time) { r.s.Retarget(shards, now) })
		s.Resume()
		src.write(3000)
		r.awaitAll()
	}
	r.stop()
	st := read(t, 5, s.URL)
	st.exactly(t, 15_000)
	per := 0 // lines a batch, to know how many went where at least
	for _, n := range st.messages {
		per += n
	}
	for _, shards := range []int{2, 5, 3} {
		stream := wire.StreamName(wire.Shard(node, shards))
		if n := st.messages[stream]; n < per/4 {
			t.Errorf("%s holds %d of %d messages: %v", stream, n, per, st.messages)
		}
	}
	if len(st.messages) != 3 {
		t.Errorf("messages in %v, want three streams", st.messages)
	}
}

// TestShardsChangeAndCrash: the forwarder ends with batches stored in the old
// shard that it has not heard of, and begins again with the new number. They
// are stored twice, under one identity each: readers see every line once.
func TestShardsChangeAndCrash(t *testing.T) {
	s := testenv.NATS(t, t.TempDir(), "")
	setUp(t, 5, 1, s.URL)
	node := moving(t, 5, 2)
	src := newStream(node)
	lines := 0
	shards := []int{5, 2, 5}
	for i, n := range shards {
		r := start(t, testConfig(node, n, s.URL), src, nil)
		src.write(2000)
		lines += 2000
		r.awaitAll()
		if i == len(shards)-1 {
			r.stop()
			break
		}
		s.Pause() // its host has the batches, and it has not read them
		src.write(2000)
		lines += 2000
		testenv.Eventually(t, testenv.Patience, "batches are in flight", func() bool { return r.s.Stats().InFlight.Load() == 4 })
		before := src.confirmed.Load()
		r.do(func(time.Time) {}) // the sender has had its turn
		r.stop()
		if src.confirmed.Load() != before {
			t.Fatal("confirmed by a broker that is frozen")
		}
		s.Resume()
	}
	st := read(t, 5, s.URL)
	st.all(t, lines)
	again := 0
	for _, k := range st.lines {
		if k > 1 {
			again++
		}
		if k > 2 {
			t.Fatalf("a line is stored %d times", k)
		}
	}
	if again == 0 {
		t.Error("nothing was stored twice: the crash came too early to show anything")
	}
	if len(st.nodes) != 1 {
		t.Errorf("nodes %v", st.nodes)
	}
}

// TestRetargetWaitsForTheStream: more shards are configured than are set up.
func TestRetargetWaitsForTheStream(t *testing.T) {
	s := testenv.NATS(t, t.TempDir(), "")
	setUp(t, 2, 1, s.URL)
	node := moving(t, 2, 5)
	for wire.Shard(node, 5) < 2 {
		node += "x"
	}
	src := newStream(node)
	r := start(t, testConfig(node, 2, s.URL), src, nil)
	src.write(1000)
	r.awaitAll()
	r.do(func(now time.Time) { r.s.Retarget(5, now) })
	src.write(1000)
	testenv.Eventually(t, testenv.Patience, "it says which stream is missing", func() bool {
		err := r.s.Problem()
		return err != nil && containsAll(err.Error(), wire.StreamName(wire.Shard(node, 5)), "broker setup")
	})
	setUp(t, 5, 1, s.URL)
	r.awaitAll()
	r.stop()
	read(t, 5, s.URL).exactly(t, 2000)
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
