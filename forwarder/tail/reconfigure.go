package tail

import (
	"path/filepath"
	"time"
)

// Reconfigure puts another configuration into force, except for its Node and
// Links. Open files stay open. Files that no input matches any more are read no
// further; their positions are kept, and they go on when one matches again.
func (t *Tailer) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg.Node, cfg.Links = t.cfg.Node, t.cfg.Links
	t.cfg = cfg
	t.indexInputs()
	t.watchAgain()
	for f := range t.files {
		if _, ok := t.inputs[f.pattern]; !ok {
			f.pattern = t.patternOf(f.path)
		}
		if f.done || t.wanted(f.path) {
			continue
		}
		t.close(f)
		t.deactivate(f)
		f.live, f.missing, f.verified = false, true, false
	}
	t.nextScan = time.Time{} // at once
	t.dirty = true
	return nil
}

func (t *Tailer) indexInputs() {
	t.inputs = map[string]Input{}
	for _, in := range t.cfg.Inputs {
		t.inputs[in.Pattern] = in
	}
}

// wanted says whether an input matches a path.
func (t *Tailer) wanted(path string) bool { return t.patternOf(path) != "" }

// patternOf gives the pattern of the first input that matches a path, "" if none
// does. Files that are only kept are found by no scan that would tell.
func (t *Tailer) patternOf(path string) string {
	for _, in := range t.cfg.Inputs {
		if ok, _ := filepath.Match(in.Pattern, path); ok {
			return in.Pattern
		}
	}
	return ""
}

// watchAgain makes or drops the use of inotify as the configuration says.
func (t *Tailer) watchAgain() {
	switch {
	case t.cfg.NoInotify && t.watch != nil:
		if err := t.watch.close(); err != nil {
			t.log.Warn("closing inotify", "why", err)
		}
		t.watch = nil
		for f := range t.files {
			f.armed = false
		}
	case !t.cfg.NoInotify && t.watch == nil:
		w, err := newWatcher()
		if err != nil {
			t.log.Warn("inotify can't be used, polling instead", "every", t.cfg.PollOnly, "why", err)
			return
		}
		t.watch = w
	}
}
