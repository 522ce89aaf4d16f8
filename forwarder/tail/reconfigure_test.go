package tail

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
)

// TestReconfigureKeepsWhatIsOpen: a deleted file is held by nothing but its
// descriptor when the configuration changes.
func TestReconfigureKeepsWhatIsOpen(t *testing.T) {
	w := plain(t)
	w.put("one\n")
	w.drain()
	w.put("two\n")
	w.scan()
	w.must(os.Remove(w.log))
	labels, err := wire.NewLabels(map[string]string{"zone": "a"})
	w.must(err)
	w.cfg.Inputs[0].Labels = labels
	w.cfg.NoInotify = false
	w.must(w.tail.Reconfigure(w.cfg))
	w.drain()
	if got := w.archived(); got != "one\ntwo\n" {
		t.Errorf("archived %q", got)
	}
	for f := range w.tail.files {
		if d := cmp.Diff(labels, f.Labels()); d != "" {
			t.Error(d)
		}
	}
	w.cfg.NoInotify = true
	w.must(w.tail.Reconfigure(w.cfg))
}

// TestAnInputComesAndGoes: its file is read no further, loses nothing, and goes
// on where it was.
func TestAnInputComesAndGoes(t *testing.T) {
	w := plain(t)
	w.put("one\n")
	w.drain()
	inputs := w.cfg.Inputs
	w.cfg.Inputs = nil
	w.must(w.tail.Reconfigure(w.cfg))
	w.put("two\n")
	w.now = w.now.Add(3 * w.cfg.RotatedWait)
	w.drain()
	if got := w.archived(); got != "one\n" {
		t.Errorf("archived %q while the input is gone", got)
	}
	w.save()
	w.crash(0)
	w.start() // it is gone still
	w.now = w.now.Add(3 * w.cfg.RotatedWait)
	w.drain()
	w.cfg.Inputs = inputs
	w.must(w.tail.Reconfigure(w.cfg))
	w.drain()
	if got := w.archived(); got != "one\ntwo\n" {
		t.Errorf("archived %q when the input is back", got)
	}
	for _, a := range w.ledger.Accounts() {
		if a.LostBytes() != 0 {
			t.Errorf("%d bytes are counted as lost", a.LostBytes())
		}
	}
}

// TestLabelsOfAFileThatIsOnlyKept: it is deleted, and not found by any pattern.
func TestLabelsOfAFileThatIsOnlyKept(t *testing.T) {
	w := newWorld(t, 1)
	labels, err := wire.NewLabels(map[string]string{"zone": "a"})
	w.must(err)
	w.cfg.Inputs[0].Labels = labels
	w.start()
	w.save()
	w.put("one\n")
	w.drain()
	w.put("two\n")
	w.rotate(false)
	w.scan()
	for _, name := range w.rotated() {
		w.must(os.Remove(name))
	}
	w.scan()
	w.save()
	kept := func(when string) {
		t.Helper()
		for f := range w.tail.files {
			if d := cmp.Diff(labels, f.Labels()); d != "" {
				t.Errorf("%s: %s: %s", when, f.name, d)
			}
		}
	}
	w.crash(0)
	w.start()
	w.scan()
	kept("after a restart")
	w.cfg.Inputs[0].Pattern = w.dir + "/*.log"
	w.must(w.tail.Reconfigure(w.cfg))
	kept("with another pattern")
	w.settle()
	kept("in the end")
}
