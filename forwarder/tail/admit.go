package tail

import (
	"os"

	"github.com/loghaul/loghaul/internal/wire"
)

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
	f := &File{t: t, path: c.path, pattern: c.pattern, target: c.target, live: c.live}
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
	f.size, f.grown, f.stuck = max(f.extent(st.size), f.read, f.hole.to), t.now, -1
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
	f.detect(p)
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
	t.rejoin(f)
	f.fd = fd // for a moment
	ok, err := f.guard.holds(f)
	f.fd = nil
	switch {
	case f.src.ID == "" && (f.extent(st.size) < f.size || err != nil || !ok):
		why = "it was cut short or written anew"
	case f.born != 0 && st.born != 0 && f.born != st.born:
		why = "the file is gone and its inode was given to another one"
	case f.src.ID == "":
	case len(p) < f.head.n || makeHead(p[:f.head.n]) != f.head:
		why = "another log was written over it"
	case f.extent(st.size) < min(f.read, f.onDisk()):
		why = "it was cut short"
	case err != nil || !ok:
		why = "what was read before is not there any more"
	}
	if why == "" {
		delete(t.byLoc, f.loc)
		t.attach(f, fd, st, c.name)
		if f.src.ID != "" {
			f.detect(p)
		}
		t.headed(f)
		t.keep(f)
		return
	}
	_ = fd.Close()
	f.live = false
	t.stats.Truncations.Add(1)
	t.cutOff(f, wire.Truncated, why)
}
