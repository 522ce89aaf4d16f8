package tail

import (
	"fmt"
	"os"
	"testing"
)

// step does one random thing.
func (w *world) step() string {
	running := w.tail != nil
	switch k := w.r.IntN(22); {
	case k < 5:
		w.endPartial()
		w.write(w.w, 1+w.r.IntN(40))
		return "write"
	case k == 5 && w.partial == "":
		w.partial = w.line()
		_, err := w.w.WriteString(w.partial)
		w.must(err)
		w.touch(w.w)
		return "write without LF"
	case k == 6 && w.late != nil:
		w.write(w.late, 1+w.r.IntN(3))
		return "late write"
	case k == 7:
		w.rotate()
		return "rotate"
	case k == 8:
		w.endPartial()
		if st, err := os.Stat(w.log); err != nil || st.Size() < evidenceMin {
			return ""
		}
		w.copytruncate(func() {
			if running && w.r.IntN(2) == 0 {
				w.scan()
				w.ship(2)
			}
		})
		return "copytruncate"
	case k == 9 && running:
		w.crash()
		return "crash"
	case k == 10 && running:
		w.save()
		w.crash()
		return "stop"
	case k < 13:
		w.start()
		return "start"
	case k < 15 && running:
		w.scan()
		return "scan"
	case k < 18 && running:
		w.ship(1 + w.r.IntN(5))
		return "ship"
	case k < 20 && running:
		w.ack(1 + w.r.IntN(5))
		return "ack"
	case k == 20 && running:
		w.save()
		return "save"
	case k == 21 && running && w.late == nil:
		// The file goes away while it is held open, read or not.
		w.endPartial()
		w.scan()
		w.must(os.Remove(w.log))
		w.must(w.w.Close())
		w.create()
		w.scan()
		for range 3 {
			w.ship(10_000)
			w.ack(10_000)
		}
		w.save()
		return "delete"
	}
	return ""
}

func TestModel(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 30
	}
	for seed := range uint64(runs) {
		t.Run(fmt.Sprintf("seed%d", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.start()
			w.save()
			var done []string
			for range 60 {
				if what := w.step(); what != "" {
					w.logger.Debug("did", "what", what)
					done = append(done, what)
				}
			}
			w.settle()
			w.check()
			if t.Failed() {
				t.Logf("seed %d: %q", seed, done)
			}
		})
	}
}
