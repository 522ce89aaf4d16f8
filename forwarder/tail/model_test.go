package tail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// step is one thing that happens in a world. What a and b say depends on op.
// A step that can't happen is passed over, so every list of steps is valid.
type step struct {
	op   op
	a, b int
}

type op uint8

const (
	opWrite op = iota
	opPartial
	opLong
	opLate
	opHangUp
	opRotate
	opCopytruncate
	opTruncate
	opDelete
	opDeleteRotated
	opCrash
	opStop
	opStart
	opScan
	opShip
	opAck
	opSave
	opWait
	opClock
	opSwitch
	opCompress
	ops

	opMode // the first of a schedule: what kind of world it is
)

// weights say how often each op is drawn.
var weights = [ops]int{
	opWrite: 20, opPartial: 3, opLong: 2, opLate: 4, opHangUp: 2, opRotate: 7, opCopytruncate: 3, opTruncate: 2, opDelete: 2,
	opDeleteRotated: 2, opCrash: 5, opStop: 3, opStart: 10, opScan: 10, opShip: 14, opAck: 12, opSave: 5, opWait: 2, opClock: 1,
	opSwitch: 2, opCompress: 4,
}

var opNames = [ops]string{
	"opWrite", "opPartial", "opLong", "opLate", "opHangUp", "opRotate", "opCopytruncate", "opTruncate", "opDelete",
	"opDeleteRotated", "opCrash", "opStop", "opStart", "opScan", "opShip", "opAck", "opSave", "opWait", "opClock",
	"opSwitch", "opCompress",
}

// String prints a step as Go code.
func (s step) String() string {
	if s.op == opMode {
		return fmt.Sprintf("{opMode, %d, 0}", s.a)
	}
	return fmt.Sprintf("{%s, %d, %d}", opNames[s.op], s.a, s.b)
}

// schedule draws n steps.
func schedule(seed uint64, n int) []step {
	r := rand.New(rand.NewPCG(seed, 7))
	total := 0
	for _, k := range weights {
		total += k
	}
	steps := make([]step, n)
	for i := range steps {
		k := r.IntN(total)
		for k >= weights[steps[i].op] {
			k -= weights[steps[i].op]
			steps[i].op++
		}
		steps[i].a, steps[i].b = r.IntN(64), r.IntN(256)
	}
	return append([]step{{op: opMode, a: int(seed) % modes}}, steps...)
}

// do does one step.
func (w *world) do(s step) {
	running := w.tail != nil
	switch s.op {
	case opWrite:
		w.endPartial()
		w.lines(w.w, 1+s.a%40, s.b%200)
	case opPartial:
		w.begin(s.b)
	case opLong:
		w.endPartial()
		w.lines(w.w, 1, 3000+s.b*40)
	case opLate:
		if len(w.late) > 0 && w.mode&inParts == 0 {
			w.lines(w.late[s.a%len(w.late)], 1+s.b%3, s.b)
		}
	case opHangUp:
		if len(w.late) > 0 {
			w.hangUp(s.a % len(w.late))
		}
	case opRotate:
		w.rotate(s.a%4 == 0)
		if s.a%4 == 1 {
			w.rotate(false)
		}
	case opCopytruncate:
		w.endPartial()
		if len(w.w.gen.bytes) < evidenceMin || w.mode&inParts != 0 {
			return
		}
		w.copytruncate(func() {
			if running && s.a&1 == 1 {
				w.scan()
				w.ship(2)
			}
			if s.a&2 == 2 {
				w.lines(w.w, 1+s.b%3, s.b)
			}
			if running && s.a&4 == 4 {
				w.scan()
			}
		})
	case opTruncate:
		w.truncate()
	case opDelete:
		w.partial = ""
		w.remove(w.log)
		w.late = append(w.late, w.w)
		if s.a%2 == 0 {
			w.hangUp(len(w.late) - 1)
		}
		w.create()
	case opDeleteRotated:
		if names := w.rotated(); len(names) > 0 {
			w.remove(names[s.a%len(names)])
		}
	case opWait:
		w.now = w.now.Add(time.Duration(s.a*s.a) * time.Second / 8)
	case opClock:
		w.skew += time.Duration(s.a-32) * time.Minute
		w.setBack = w.setBack || s.a < 32
	case opSwitch:
		if w.mode&viaLink != 0 {
			w.endPartial()
			w.restart()
		}
	case opCompress:
		names := slices.DeleteFunc(w.rotated(), unpackable)
		if len(names) > 0 {
			w.abandon(names[s.a%len(names)])
			w.compress(names[s.a%len(names)], []string{".gz", ".zst"}[s.b%2])
		}
	case opStart:
		w.start()
	default:
		if running {
			w.steer(s)
		}
	}
}

// steer does a step of a running forwarder.
func (w *world) steer(s step) {
	switch s.op {
	case opCrash:
		w.crash(s.b)
	case opStop:
		w.save()
		w.crash(s.b)
	case opScan:
		w.scan()
	case opShip:
		w.ship(1 + s.a%5)
	case opAck:
		w.ack(1 + s.a%5)
	case opSave:
		w.save()
	default:
	}
}

// failure is why a schedule failed.
type failure struct{ text []string }

func (f *failure) Helper() {}

func (f *failure) Errorf(format string, args ...any) {
	f.text = append(f.text, fmt.Sprintf(format, args...))
}

func (f *failure) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

// play runs a schedule in a world of its own and says what went wrong.
func play(steps []step) (failed string) {
	dir, err := os.MkdirTemp("", "loghaul-model-")
	if err != nil {
		return err.Error()
	}
	f := &failure{}
	var kind mode
	if len(steps) > 0 && steps[0].op == opMode {
		kind = mode(steps[0].a)
	}
	w := makeWorld(f, dir, uint64(len(steps)), kind)
	defer func() {
		if p := recover(); p != nil && p != any(f) {
			f.text = append(f.text, fmt.Sprint("panic: ", p))
			if os.Getenv("LOGHAUL_TEST_LOG") != "" {
				panic(p)
			}
		}
		func() {
			defer func() { _ = recover() }()
			w.close()
		}()
		_ = os.RemoveAll(dir)
		failed = strings.Join(f.text, "\n")
	}()
	w.start()
	w.save()
	for _, s := range steps {
		debugf("%v", s)
		w.do(s)
	}
	debugf("settle")
	w.settle()
	w.check()
	return ""
}

// shrink drops steps as long as what is left still fails.
func shrink(steps []step, fails func([]step) bool) []step {
	for size := len(steps) / 2; size > 0; {
		dropped := false
		for i := 0; i+size <= len(steps); {
			less := append(append([]step{}, steps[:i]...), steps[i+size:]...)
			if fails(less) {
				steps, dropped = less, true
				continue
			}
			i += size
		}
		if size > 1 {
			size /= 2
		} else if !dropped {
			break
		}
	}
	return steps
}

// asCode prints steps so that they can be pasted.
func asCode(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.String())
	}
	return "{" + b.String() + "}"
}

// number gives a setting of the model test from the environment.
func number(name string, or uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return or
}

// TestModel runs random schedules. LOGHAUL_MODEL_RUNS says how many,
// LOGHAUL_MODEL_SEED where to begin. What fails is made as short as possible and
// printed so that it can be added to TestSchedules.
func TestModel(t *testing.T) {
	runs, seed := number("LOGHAUL_MODEL_RUNS", 2000), number("LOGHAUL_MODEL_SEED", 1)
	if testing.Short() {
		runs = min(runs, 100)
	}
	for s := seed; s < seed+runs; s++ {
		steps := schedule(s, 60)
		failed := play(steps)
		if failed == "" {
			continue
		}
		short := shrink(steps, func(less []step) bool { return play(less) != "" })
		t.Fatalf("seed %d: %s\n\nshrunk to\n%s\n%s", s, failed, asCode(short), play(short))
	}
}
