package spool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestModel runs random schedules of everything that can happen to a spool: see
// world_test.go for what must hold.
func TestModel(t *testing.T) {
	runs := 1500
	if testing.Short() {
		runs = 200
	}
	for _, every := range []time.Duration{0, 200 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			t.Parallel()
			reached := map[string]int{}
			for seed := range uint64(runs) {
				ops := schedule(seed, 80)
				w := newWorld(seed, every)
				if err := w.run(ops); err != nil {
					ops, err = shrink(seed, every, ops, err)
					w := newWorld(seed, every)
					w.verbose = true
					_ = w.run(ops)
					t.Fatalf("seed %d: %v\nwith\n  %s\nlog:\n%s", seed, err, strings.Join(names(ops), "\n  "), w.log.String())
				}
				for what, n := range w.reached {
					reached[what] += n
				}
			}
			t.Log(reached)
			for _, what := range []string{
				"appended", "full", "refused", "process died", "power lost", "died within a call", "call failed",
				"missing after power loss", "mark", "damage declared", "line cut", "continued", "renewed",
			} {
				if reached[what] == 0 && (every > 0 || what != "missing after power loss") {
					t.Errorf("no schedule came to: %s", what)
				}
			}
		})
	}
}

type op struct {
	kind string
	seed uint64
}

func schedule(seed uint64, n int) []op {
	r := rand.New(rand.NewPCG(seed, 1))
	kinds := []struct {
		kind   string
		weight int
	}{
		{"append", 30},
		{"append much", 4},
		{"lose", 6},
		{"tend", 16},
		{"read", 14},
		{"confirm", 10},
		{"save", 5},
		{"die", 2},
		{"lose power", 3},
		{"close", 2},
		{"die soon", 3},
		{"fail", 3},
		{"heal", 3},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	ops := make([]op, n)
	for i := range ops {
		x := r.IntN(total)
		for _, k := range kinds {
			if x -= k.weight; x < 0 {
				ops[i] = op{k.kind, r.Uint64()}
				break
			}
		}
	}
	return ops
}

func names(ops []op) (all []string) {
	for _, o := range ops {
		all = append(all, fmt.Sprintf("%s %d", o.kind, o.seed))
	}
	return all
}

// shrink leaves out what is not needed to fail.
func shrink(seed uint64, every time.Duration, ops []op, err error) ([]op, error) {
	for size := len(ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(ops); {
			fewer := slices.Concat(ops[:i], ops[i+size:])
			if e := newWorld(seed, every).run(fewer); e != nil {
				ops, err = fewer, e
			} else {
				i += size
			}
		}
	}
	return ops, err
}
