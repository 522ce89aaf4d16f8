package tail

import (
	"os"
	"slices"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
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
	found, dirs := t.list()
	if t.watch != nil {
		before := len(t.watch.dirs)
		t.watchDirs(dirs)
		if len(t.watch.dirs) != before { // a file may have come before the watch did
			found, _ = t.list()
		}
	}
	for path, fl := range t.floors {
		fl.low = fl.at(t.now)
		t.floors[path] = fl
	}
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
	t.forgetIgnored(found)
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
	f.seen, f.missing, f.pattern = t.scans, false, c.pattern
	wasLive := f.live
	f.live = c.live
	if f.live {
		f.finishing = false
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

// replaced ends f if its inode was given to another file.
func (t *Tailer) replaced(f *File, c *candidate) bool {
	if f.fd != nil || f.born == 0 || c.born == 0 || f.born == c.born {
		return false
	}
	t.cutOff(f, ledger.Gone, "the file is gone and its inode was given to another one")
	return true
}

// admit takes up a file that is not known by its inode. It returns nil if the
// file can't be read now, or is none of ours. ours says that it is for sure: it
// lies in the inode of a file that was followed.
func (t *Tailer) admit(c *candidate, ours bool) *File {
	if old, ok := t.ignored[c.key]; ok && !c.live && old.size == c.size && old.mtime == c.mtime {
		return nil
	}
	if !c.live && !ours && t.orphans[c.key] == "" && c.mtime < max(t.patterns[c.pattern], t.floors[c.path].low) {
		t.ignored[c.key] = c.info
		return nil
	}
	fd, st, err := openFile(c.name)
	if err != nil {
		t.trouble(c.name, "can't read log file", whyUnreadable(c.name, err))
		t.incomplete = true
		return nil
	}
	if st.key != c.key { // renamed since the folder was read
		_ = fd.Close()
		t.nextScan = minTime(t.nextScan, t.now.Add(gather))
		t.incomplete = true
		return nil
	}
	t.troubleEnds(c.name)
	p, complete, err := readHead(fd)
	if err != nil {
		_ = fd.Close()
		t.trouble(c.name, "can't read log file", err.Error())
		t.incomplete = true
		return nil
	}
	if !c.live && complete {
		switch t.copyOf(c, fd, makeHead(p)) {
		case copyTaken:
			g := t.byLoc[c.key]
			if g.fd != fd {
				_ = fd.Close()
			}
			return g
		case copyIgnored:
			t.ignored[c.key] = c.info
			if link := t.orphans[c.key]; link != "" {
				delete(t.orphans, c.key)
				_ = os.Remove(link)
			}
			fallthrough
		case copyUndecided:
			_ = fd.Close()
			return nil
		case noCopy:
		}
	}
	f := &File{t: t, path: c.path, pattern: c.pattern, live: c.live}
	t.attach(f, fd, st, c.name)
	f.id = st.key
	if c.link {
		f.src.Path = c.path
	}
	if complete {
		t.identify(f, p)
	} else {
		f.remember(p)
	}
	t.keep(f)
	t.log.Debug("following", "path", f.name, "source", f.src.ID, "size", st.size)
	return f
}

// attach makes f's bytes those of an open file.
func (t *Tailer) attach(f *File, fd *os.File, st info, name string) {
	f.fd, f.loc, f.born, f.mtime, f.name, f.verified = fd, st.key, st.born, st.mtime, name, true
	f.src.Node = t.cfg.Node
	if !f.linked {
		f.src.Path = name
	}
	f.size, f.grown, f.stuck = max(st.size, f.read, f.hole.to), t.now, -1
	if f.size > f.acked {
		f.unacked = t.now
	}
	f.done, f.missing, f.seen = false, false, t.scans
	t.adopt(f)
	if f.account == nil {
		f.account = t.ledger.Account(f.path)
	}
	t.open++
	t.files[f] = struct{}{}
	t.byLoc[f.loc] = f
	delete(t.ignored, f.loc)
	t.activate(f, t.now)
	t.dirty = true
}

// identify gives f its identity. p is its complete head.
func (t *Tailer) identify(f *File, p []byte) {
	f.head = makeHead(p)
	f.gen, f.guard, f.acks = 0, guard{}, guard{}
	for _, g := range t.byID[f.id] {
		if g.head == f.head {
			f.gen = max(f.gen, g.gen+1)
		}
	}
	f.src.ID = sourceID(t.cfg.Node, f.id, f.gen, p)
	t.index(f)
	t.dirty = true
}

// headed gives f its identity if it has none and its head is complete now.
func (t *Tailer) headed(f *File) bool {
	if f.src.ID == "" && f.fd != nil {
		switch p, complete, err := readHead(f.fd); {
		case err != nil:
		case complete:
			t.identify(f, p)
		default:
			f.remember(p)
		}
	}
	return f.src.ID != ""
}

// remember keeps a fingerprint of a head that is not complete.
func (f *File) remember(p []byte) {
	if len(p) > f.guard.n {
		f.guard = makeGuard(p, int64(len(p)))
		f.acks = f.guard
	}
}

func (t *Tailer) index(f *File) {
	t.byID[f.id] = append(t.byID[f.id], f)
	t.byHead[f.head] = append(t.byHead[f.head], f)
}

// verify compares a file that is only known from the state with what lies
// there now.
func (t *Tailer) verify(f *File, c *candidate) {
	fd, st, err := openFile(c.name)
	if err == nil && st.key != f.loc {
		_ = fd.Close()
		t.nextScan = minTime(t.nextScan, t.now.Add(gather))
		return
	}
	var p []byte
	if err == nil {
		if p, _, err = readHead(fd); err != nil {
			_ = fd.Close()
		}
	}
	if err != nil {
		t.trouble(c.name, "can't read log file", whyUnreadable(c.name, err))
		t.incomplete = true
		return
	}
	t.troubleEnds(c.name)
	why := ""
	ok, err := f.guard.holds(fd)
	switch {
	case f.src.ID == "" && (st.size < f.size || err != nil || !ok):
		why = "it was cut short or written anew"
	case f.born != 0 && st.born != 0 && f.born != st.born:
		why = "the file is gone and its inode was given to another one"
	case f.src.ID == "":
	case len(p) < f.head.n || makeHead(p[:f.head.n]) != f.head:
		why = "another log was written over it"
	case st.size < f.read:
		why = "it was cut short"
	case err != nil || !ok:
		why = "what was read before is not there any more"
	}
	if why == "" {
		delete(t.byLoc, f.loc)
		t.attach(f, fd, st, c.name)
		t.headed(f)
		t.keep(f)
		return
	}
	_ = fd.Close()
	f.live = false
	t.stats.Truncations.Add(1)
	t.cutOff(f, ledger.Truncated, why)
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
			if t.findCopy(f) {
				continue
			}
			t.log.Error("log file went away with unread bytes", "path", f.path, "source", f.src.ID,
				"read", f.read, "lost_at_least", f.unread(),
				"hint", "compress with delaycompress, and rotate inside the same folder")
			t.lose(f, ledger.Gone)
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
