package tail

import (
	"sort"
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
)

// Report gives the sources that are not finished, by path.
func (t *Tailer) Report() []source.Status {
	out := make([]source.Status, 0, len(t.byLoc))
	for f := range t.files {
		if f.done && f.acked >= f.size {
			continue
		}
		s := source.Status{
			Source: f.src, Input: f.path, State: f.state(), Read: f.read, Acked: f.acked, Size: f.size, Since: f.unacked,
			Problem: t.troubles[f.name],
		}
		s.Source.Path = f.name
		if f.acked >= f.size {
			s.Since = time.Time{}
		}
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i].Source, &out[j].Source
		return a.Path < b.Path || a.Path == b.Path && a.ID < b.ID
	})
	return out
}

// state is what has become of the file, for people.
func (f *File) state() string {
	switch {
	case f.done:
		return "gone"
	case f.missing:
		return "missing"
	case f.live && f.src.ID == "":
		return "no first line yet"
	case f.live:
		return "live"
	case f.fd != nil:
		return "rotated"
	}
	return "finished"
}

// Flush makes everything due that is unread in files that are held open, or in
// their batches.
func (t *Tailer) Flush(now time.Time) {
	t.now = now
	for f := range t.files {
		if f.fd == nil || f.done {
			continue
		}
		t.activate(f, now)
		f.next, f.since = now, now.Add(-t.cfg.Linger)
	}
}
