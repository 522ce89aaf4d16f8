package tail

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// sinceSlack is how far the kernel's coarse clock, which stamps files, may be
// behind the one we read.
const sinceSlack = 20 * time.Millisecond

// settle is how long a generation has been live before its own age decides
// which unknown siblings are older than it: a folder read in the middle of a
// rotation can show the new file and hide the one before it.
const settle = time.Minute

// floor is, for one path, the age from which unknown siblings count as ours.
type floor struct {
	mtime int64 // the newest generation before cur was written last then
	cur   *File
	from  time.Time // when cur was seen live first
	low   int64     // what holds for this scan: a copy that was made of cur since the last one is older than cur is now
}

func (f floor) at(now time.Time) int64 {
	if f.cur != nil && now.Sub(f.from) >= settle {
		return max(f.mtime, f.cur.mtime)
	}
	return f.mtime
}

// scan looks through all folders.
func (t *Tailer) scan() {
	t.scans++
	t.stats.Scans.Add(1)
	t.incomplete = false
	for _, in := range t.cfg.Inputs {
		if _, ok := t.patterns[in.Pattern]; !ok {
			t.patterns[in.Pattern] = t.now.Add(-sinceSlack).UnixNano()
			t.dirty = true
		}
	}
	if len(t.troubles) > 0 {
		t.forgetTroubles()
	}
	if t.watch != nil && len(t.watch.dirs) == 0 { // before the first look, or all would be looked at twice
		var dirs []string
		for _, in := range t.cfg.Inputs {
			dirs = append(dirs, t.folders(filepath.Dir(in.Pattern))...)
		}
		t.watchDirs(dirs)
	}
	found, dirs := t.list()
	if t.watch != nil {
		before := len(t.watch.dirs)
		t.watchDirs(dirs)
		if len(t.watch.dirs) != before { // a file may have come before the watch did
			found, _ = t.list()
		}
	}
	t.found = found
	defer func() { t.found = nil }()
	for path, fl := range t.floors {
		fl.low = fl.at(t.now)
		t.floors[path] = fl
	}
	t.tellUnmatched(found)
	// Known files first: one that turns out to be cut off looks for its copy
	// among the files that nobody knows yet.
	ours := map[fileKey]bool{}
	for i := range found {
		if f := t.byLoc[found[i].key]; f != nil {
			ours[f.loc] = true
			t.refresh(f, &found[i])
		}
	}
	for i := range found {
		c := &found[i]
		if t.byLoc[c.key] == nil {
			if f := t.admit(c, ours[c.key]); f != nil {
				f.seen = t.scans
			}
		}
	}
	t.unpackNew()
	t.absent()
	t.bound()
	for i := range found {
		c := &found[i]
		f := t.byLoc[c.key]
		if f == nil || !c.live {
			continue
		}
		if fl := t.floors[c.path]; fl.cur != f {
			t.floors[c.path] = floor{mtime: fl.at(t.now), cur: f, from: t.now}
			if fl.cur != nil { // a rotation: look again soon, see settle
				t.nextScan = minTime(t.nextScan, t.now.Add(time.Second))
			}
		}
	}
	t.forgetIgnored(append(found, t.archives...))
	t.expireEntries()
}

// refresh updates a known file that was found. If other bytes lie there than
// those that are known, f ends and the file is unknown after that.
func (t *Tailer) refresh(f *File, c *candidate) {
	if t.replaced(f, c) {
		return
	}
	if f.name != c.name {
		f.name = c.name
		if !c.link {
			f.src.Path = c.name
		}
		t.dirty = true
	}
	f.seen, f.missing, f.pattern, f.target = t.scans, false, c.pattern, cmp.Or(c.target, f.target)
	c.size = f.extent(c.size)
	wasLive := f.live
	f.live = c.live
	if f.live {
		f.finishing = false
	}
	if !f.verified && f.untouched(c) {
		f.verified = true
		if f.live {
			t.arm(f)
		}
		return
	}
	if !f.verified {
		t.verify(f, c)
		return
	}
	if c.mtime != f.mtime || c.size != f.size {
		if f.fd == nil && !t.reopen(f) { // or it could be deleted before its turn comes
			return
		}
		if t.overwritten(f) {
			t.truncated(f)
			return
		}
	}
	f.mtime = c.mtime
	t.headed(f) // copies are known by the head, so the originals' must be known first
	unread := f.read < f.size && f.stuck != f.size
	if c.size != f.size || unread || f.live != wasLive || !f.live && (f.fd != nil || f.linked) {
		t.activate(f, t.now)
	}
	t.grew(f, c.size) // at least that is lost should it be cut short
	t.keep(f)
	if t.open > t.cfg.MaxOpen {
		t.closeSpare(f)
	}
}

// tellUnmatched says once of each pattern that nothing matches it.
func (t *Tailer) tellUnmatched(found []candidate) {
	matched := map[string]bool{}
	for i := range found {
		matched[found[i].pattern] = true
	}
	for _, in := range t.cfg.Inputs {
		if p := in.Pattern; matched[p] {
			delete(t.unmatched, p)
		} else if !t.unmatched[p] {
			t.unmatched[p] = true
			t.log.Info("nothing matches yet", "path", p, "looking_every", t.every())
		}
	}
}

// untouched says whether a file that is only known from the state is as it was
// when it had been read to its end: then it need not be opened.
func (f *File) untouched(c *candidate) bool {
	return f.src.ID != "" && c.size == f.size && c.mtime == f.mtime && c.born == f.born && c.born != 0 &&
		f.acked == f.size && f.hole.to == 0 && !f.linked
}

// replaced ends f if its inode was given to another file.
func (t *Tailer) replaced(f *File, c *candidate) bool {
	if f.fd != nil || f.born == 0 || c.born == 0 || f.born == c.born {
		return false
	}
	t.cutOff(f, wire.Gone, "the file is gone and its inode was given to another one")
	return true
}

// absent handles the files that the scan did not find.
func (t *Tailer) absent() {
	for f := range t.files {
		if f.done || f.seen == t.scans {
			continue
		}
		switch {
		case !t.wanted(f.path):
			f.missing = true // for all we know; but nothing is lost
		case f.fd != nil:
			if st, err := statFile(f.fd); !t.incomplete || err == nil && st.links == 0 {
				f.live = false
				t.activate(f, t.now)
			}
		case t.incomplete:
		case !f.missing:
			f.missing, f.live, f.verified, f.grown = true, false, false, t.now
		case t.now.Sub(f.grown) >= t.cfg.RotatedWait && len(f.cuts) == 0 && f.unread() > 0:
			if t.findCopy(f) || t.inArchive(f) {
				continue
			}
			t.log.Error("log file went away with unread bytes", "path", f.path, "source", f.src.ID,
				"read", f.read, "lost_at_least", f.unread(),
				"hint", "compress with delaycompress, and rotate inside the same folder")
			t.lose(f, wire.Gone)
		}
	}
}

func (t *Tailer) forgetIgnored(found []candidate) {
	if len(t.ignored) == 0 {
		return
	}
	here := make(map[fileKey]bool, len(found))
	for i := range found {
		here[found[i].key] = true
	}
	for k := range t.ignored {
		if !here[k] {
			delete(t.ignored, k)
		}
	}
}

// expireEntries drops the oldest entries of files that are no more.
func (t *Tailer) expireEntries() {
	now := t.now.Unix()
	var old []*File
	for f := range t.files {
		if !f.done && !f.missing {
			f.expire = now
			continue
		}
		if len(f.cuts) == 0 && (f.size <= f.read || !t.wanted(f.path)) {
			old = append(old, f)
		}
	}
	slices.SortFunc(old, func(a, b *File) int { return int(a.expire - b.expire) })
	for i, f := range old {
		if len(old)-i > t.cfg.Keep || now-f.expire > int64(t.cfg.KeepFor.Seconds()) {
			t.forget(f)
		}
	}
}

// forget drops all memory of a source.
func (t *Tailer) forget(f *File) {
	t.close(f)
	t.deactivate(f)
	t.unlink(f)
	f.done = true
	delete(t.files, f)
	if t.byLoc[f.loc] == f {
		delete(t.byLoc, f.loc)
	}
	t.byID[f.id] = without(t.byID[f.id], f)
	if len(t.byID[f.id]) == 0 {
		delete(t.byID, f.id)
	}
	t.byHead[f.head] = without(t.byHead[f.head], f)
	if len(t.byHead[f.head]) == 0 {
		delete(t.byHead, f.head)
	}
	t.dirty = true
}

func without(list []*File, f *File) []*File {
	return slices.DeleteFunc(list, func(g *File) bool { return g == f })
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
