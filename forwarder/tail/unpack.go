package tail

import (
	"os"
	"slices"

	"github.com/loghaul/loghaul/internal/wire"
)

// A rotated file that was compressed before it was read to its end is read on in
// what it was compressed to, at the same offsets and under the same identity.
// One that nobody saw before it was compressed has no inode of its own any more:
// its identity is made of its head. A plain file is always preferred.

// inArchive has f go on in a compressed file that begins as f does, if there is
// one. Whether it also holds what was read of f shows when it is read so far.
func (t *Tailer) inArchive(f *File) bool {
	if f.guard.n+f.head.n == 0 || f.arc != nil {
		return false
	}
	archives := t.archives // looking for a copy lists anew
	for i := range archives {
		c := &archives[i]
		if c.path != f.path || t.damaged[c.key] == c.info {
			continue
		}
		if g := t.byLoc[c.key]; g != nil && !t.replaced(g, c) {
			continue
		}
		fd, a, p := t.peek(c)
		if fd == nil {
			continue
		}
		if !f.begins(a, p) {
			a.close()
			_ = fd.Close()
			continue
		}
		t.adoptArchive(f, c, fd, a)
		t.log.Info("the source goes on in a compressed file", "path", f.path, "file", c.name, "source", f.src.ID, "read", f.read)
		return true
	}
	return false
}

// peek opens a compressed file and gives its first bytes.
func (t *Tailer) peek(c *candidate) (*os.File, *archive, []byte) {
	fd, st, err := openFile(c.name)
	if err != nil {
		t.trouble(c.name, "can't read log file", whyUnreadable(c.name, err))
		return nil, nil, nil
	}
	if st.key == c.key {
		a, err := openArchive(fd, c.name)
		if err == nil {
			err = a.fill(0, headMax)
		}
		if err == nil || a != nil && len(a.window) > 0 {
			return fd, a, a.window
		}
	}
	_ = fd.Close()
	return nil, nil, nil
}

func headLen(p []byte) int {
	if n := slices.Index(p, '\n') + 1; n > 0 {
		return n
	}
	return len(p)
}

// begins says whether a compressed file, whose first bytes are p, begins as f.
func (f *File) begins(a *archive, p []byte) bool {
	if f.src.ID == "" {
		ok, err := f.guard.holds(a)
		return f.guard.n > 0 && ok && err == nil
	}
	return len(p) >= f.head.n && makeHead(p[:f.head.n]) == f.head
}

// known gives the source of path that a compressed file is of.
func (t *Tailer) known(path string, a *archive, p []byte) *File {
	for _, g := range t.byHead[makeHead(p[:headLen(p)])] {
		if g.path == path {
			return g
		}
	}
	for g := range t.files {
		if g.path == path && g.src.ID == "" && g.begins(a, p) {
			return g
		}
	}
	return nil
}

func (t *Tailer) adoptArchive(f *File, c *candidate, fd *os.File, a *archive) {
	if t.byLoc[f.loc] == f {
		delete(t.byLoc, f.loc)
	}
	f.live, f.arc = false, a
	t.attach(f, fd, c.info, c.name)
	p := a.window[:min(len(a.window), headMax)]
	if f.src.ID == "" {
		t.identify(f, p[:headLen(p)])
	}
	f.detect(p)
}

// unpackNew takes up the compressed files of generations that nobody saw, by the
// rule for plain ones.
func (t *Tailer) unpackNew() {
	if len(t.archives) == 0 {
		return
	}
	wanted := map[string]bool{} // paths that miss a file whose end nobody saw
	for f := range t.files {
		if f.fd == nil && f.seen != t.scans && !f.done && !f.final {
			wanted[f.path] = true
		}
		if f.fd != nil && f.seen != t.scans {
			// What it is compressed to must be known by its head.
			if t.overwritten(f) {
				t.truncated(f)
			} else {
				t.headed(f)
			}
		}
	}
	archives := t.archives // looking for a copy lists anew
	for i := range archives {
		c := &archives[i]
		if f := t.byLoc[c.key]; f != nil && !t.replaced(f, c) {
			f.seen, f.missing = t.scans, false
			if f.fd == nil && !f.done {
				t.reopenArchive(f, c)
			}
			continue
		}
		if is, ok := t.ignored[c.key]; ok && is.size == c.size && is.mtime == c.mtime {
			continue
		}
		// After damage an archive can't be told from one that was read when it was plain.
		old := c.mtime < max(t.patterns[c.pattern], t.floors[c.path].low, t.rebuilt)
		if old && !wanted[c.path] {
			t.ignored[c.key] = c.info
			continue
		}
		fd, a, p := t.peek(c)
		if fd == nil {
			continue
		}
		if g := t.known(c.path, a, p); g != nil {
			switch {
			case g.done || g.final || g.fd != nil || g.seen == t.scans:
				t.ignored[c.key] = c.info
			case !t.incomplete: // it may have grown after it was seen last
				t.adoptArchive(g, c, fd, a)
				continue
			}
			a.close()
			_ = fd.Close()
			continue
		}
		n := headLen(p)
		if old {
			t.ignored[c.key] = c.info
			n = 0
		}
		if n == 0 || n < headMax && p[n-1] != '\n' && !a.eof { // still being written
			a.close()
			_ = fd.Close()
			continue
		}
		h := makeHead(p[:n])
		f := &File{t: t, path: c.path, pattern: c.pattern, target: c.target, id: headKey(h)}
		t.adoptArchive(f, c, fd, a)
		t.log.Debug("following a compressed file", "path", c.name, "source", f.src.ID)
	}
}

func (t *Tailer) reopenArchive(f *File, c *candidate) {
	if fd, a, _ := t.peek(c); fd != nil {
		if !f.begins(a, a.window) {
			a.close()
			_ = fd.Close()
			t.cutOff(f, wire.Gone, "another file has its inode")
			return
		}
		t.adoptArchive(f, c, fd, a)
	}
}

// unpack is check for a compressed file.
func (t *Tailer) unpack(f *File) bool {
	a, keep := f.arc, f.read-headMax
	if f.read < a.end() && a.end()-f.read >= t.cfg.Batch || a.eof {
		keep = a.base
	}
	err := a.fill(keep, int(min(max(t.cfg.Batch, f.read-a.end()), unpackStep)))
	if err != nil && t.now.UnixNano()-f.mtime < int64(t.cfg.RotatedWait) { // it may still be written
		t.close(f)
		t.deactivate(f)
		return false
	}
	if err != nil && a.end() <= f.read || a.eof && a.end() < f.read {
		t.giveUp(f, err)
		return false
	}
	if a.end() < f.read {
		f.next = t.now
		return false
	}
	a.eof = a.eof || err != nil
	f.finishing, f.stuck = a.eof, -1
	t.grew(f, a.end())
	if a.eof && f.size > a.end() && f.hole.to == 0 { // it was compressed before its end was written
		if err != nil {
			t.log.Error("a compressed log file is damaged", "path", f.name, "source", f.src.ID, "why", err, "lost_at_least", f.size-a.end())
		}
		f.account.Lose(wire.Gone, f.size-a.end(), 0)
		f.hole = hole{from: a.end(), to: f.size, reason: wire.Gone}
	}
	switch {
	case f.holed() || f.read < a.end():
		return true
	case !a.eof:
		f.next = t.now
	case len(f.cuts) > 0:
		f.next = t.now.Add(t.cfg.Linger)
	default:
		t.end(f)
		t.deactivate(f)
		t.dirty = true
	}
	return false
}

// giveUp ends a source whose compressed file does not have what was read, or
// can't be read so far.
func (t *Tailer) giveUp(f *File, err error) {
	t.damaged[f.loc] = candidateInfo(f)
	t.log.Error("a compressed log file can't be read on", "path", f.name, "source", f.src.ID, "read", f.read, "why", err,
		"lost_at_least", f.unread())
	t.end(f)
	t.deactivate(f)
	t.lose(f, wire.Gone)
}

func candidateInfo(f *File) info {
	st, err := statFile(f.fd)
	if err != nil {
		return info{key: f.loc}
	}
	return st
}
