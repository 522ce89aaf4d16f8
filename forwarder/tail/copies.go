package tail

import (
	"cmp"
	"errors"
	"os"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/internal/wire"
)

type copyKind uint8

const (
	noCopy        copyKind = iota
	copyIgnored            // everything in it is known from the original
	copyTaken              // the original's bytes are gone: the source goes on in the copy
	copyUndecided          // the original may be about to be truncated: ask again later
)

// undecided is how long a small file that looks like a copy is left alone.
const undecided = 10 * time.Second

// copyOf says whether an unknown rotated sibling is a copy of a known source of
// the same path, as copytruncate and people make them. fd is taken over only
// with copyTaken.
func (t *Tailer) copyOf(c *candidate, fd *os.File, h head) copyKind {
	for _, g := range t.byHead[h] {
		if g.path != c.path || g.loc == c.key && !g.done {
			continue
		}
		if t.overwritten(g) {
			t.truncated(g)
			if t.byLoc[c.key] != nil {
				return copyTaken
			}
		}
		ok, err := g.guard.holds(fd)
		ok = ok && err == nil && c.size >= g.guard.at
		strong := min(c.size, g.read) >= evidenceMin
		switch {
		case g.done || g.missing || g.fd == nil && g.seen != t.scans:
			if !ok || !strong && g.done {
				continue
			}
			if t.incomplete && !g.done {
				return copyUndecided // it may lie where we could not look
			}
			if c.size > g.read {
				t.relocate(g, fd, c.info, c.name)
				return copyTaken
			}
			return copyIgnored
		case g.arc != nil:
			return copyIgnored
		case g.fd == nil && ok && strong:
			return copyIgnored
		case g.fd == nil && !t.lookAt(g):
			return copyUndecided
		case sameContent(fd, g.fd, min(c.size, g.size)):
			if min(c.size, g.size) >= evidenceMin {
				t.log.Info("not read: a copy of another log file", "path", c.name, "original", g.name)
				return copyIgnored
			}
			if g.live && t.now.UnixNano()-c.mtime < int64(undecided) {
				return copyUndecided
			}
		}
	}
	return noCopy
}

// lookAt opens g for a comparison.
func (t *Tailer) lookAt(g *File) bool {
	if !t.reopen(g) {
		return false
	}
	t.activate(g, t.now) // that closes it again
	return true
}

// overwritten says whether an open file does not hold any more what was read
// from it.
func (t *Tailer) overwritten(f *File) bool {
	if f.fd == nil || f.arc != nil {
		return false
	}
	st, err := statFile(f.fd)
	if err != nil || f.extent(st.size) < f.onDisk() {
		return err == nil
	}
	ok, err := f.intact()
	return err == nil && !ok
}

// cutOff handles that the bytes of f are not where they were. If a rotated
// sibling is a copy of them, the source goes on there; otherwise it ends, and
// what is known to be unread is lost.
func (t *Tailer) cutOff(f *File, reason, why string) {
	t.close(f)
	if f.linked { // what lies there now may need it
		f.linked = false
		t.orphans[f.loc] = t.linkName(f)
	}
	if t.byLoc[f.loc] == f {
		delete(t.byLoc, f.loc)
	}
	t.dirty = true
	if t.findCopy(f) || t.inArchive(f) {
		return
	}
	t.deactivate(f)
	f.done, f.live = true, false
	if f.src.ID == "" && f.size == 0 {
		t.forget(f)
	}
	unread := t.lose(f, reason)
	log := t.log.Info
	if unread > 0 {
		log = t.log.Error
	}
	log("a log file ended without notice", "path", f.path, "source", f.src.ID, "why", why,
		"read", f.read, "lost_at_least", unread)
}

// findCopy looks for a sibling that has what f has and what comes after it.
func (t *Tailer) findCopy(f *File) bool {
	if f.guard.n+f.head.n == 0 {
		return false
	}
	found, _ := t.list()
	for i := range found {
		c := &found[i]
		if c.path != f.path || c.live || c.key == f.loc || c.size < f.guard.at {
			continue
		}
		if g := t.byLoc[c.key]; g != nil && !t.replaced(g, c) {
			continue
		}
		fd, st, err := openFile(c.name)
		if err != nil {
			continue
		}
		p, _, err := readHead(fd)
		ok := err == nil && st.key == c.key && (f.src.ID == "" || len(p) >= f.head.n && makeHead(p[:f.head.n]) == f.head)
		if ok {
			ok, err = f.guard.holds(fd)
		}
		if !ok || err != nil {
			_ = fd.Close()
			continue
		}
		t.relocate(f, fd, st, c.name)
		t.headed(f)
		return true
	}
	return false
}

func (t *Tailer) relocate(f *File, fd *os.File, st info, name string) {
	if t.byLoc[f.loc] == f {
		delete(t.byLoc, f.loc)
	}
	f.live = false
	known := f.size
	t.attach(f, fd, st, name)
	if known > st.size && f.hole.to == 0 { // written after the copy was made, and gone with the original
		f.size = known
		f.account.Lose(wire.Truncated, known-st.size, 0)
		f.hole = hole{from: st.size, to: known, reason: wire.Truncated}
	}
	t.log.Info("the source goes on in the copy that was made of it", "path", f.path, "copy", name,
		"source", f.src.ID, "read", f.read, "size", st.size)
}

// truncated handles that the open file f holds another log now.
func (t *Tailer) truncated(f *File) {
	if f.arc != nil {
		t.giveUp(f, errors.New("it does not hold what was read before"))
		return
	}
	t.stats.Truncations.Add(1)
	fd, name, live, own := f.fd, f.name, f.live, f.loc == f.id
	f.fd = nil
	t.open--
	t.cutOff(f, wire.Truncated, "it was truncated or written anew")
	st, err := statFile(fd)
	if err != nil || !own || t.byLoc[st.key] != nil {
		_ = fd.Close()
		t.nextScan = t.now
		return
	}
	g := &File{t: t, path: f.path, pattern: f.pattern, target: f.target, live: live}
	t.attach(g, fd, st, name)
	g.id, g.mtime = st.key, f.mtime
	t.headed(g)
}

// restore makes a File of what the state says.
func (t *Tailer) restore(e *checkpoint.Entry) error {
	var h head
	var err error
	if e.ID != "" {
		if h, err = parseHead(e.Head, e.HeadLen); err != nil {
			return err
		}
	}
	f := &File{
		t: t, src: wire.Source{ID: e.ID, Node: t.cfg.Node, Path: string(e.Name)},
		id: fileKey{e.Dev, e.Ino}, loc: fileKey{e.Dev, e.Ino}, gen: e.Gen, head: h, born: e.Born,
		path: string(e.Path), name: string(e.Name), target: string(e.Target), done: e.Done, final: e.Final, expire: e.Seen,
		read: e.Pos, acked: e.Pos, size: max(e.Size, e.Pos), mtime: e.Mtime,
		guard: guard{sum: e.Guard, n: e.GuardLen, at: e.Pos}, hole: hole{from: e.LostFrom, to: e.LostTo, reason: e.Lost},
		joined: e.Joined, joint: joint{at: e.JointAt, n: e.JointLen, key: fileKey{e.JointDev, e.JointIno}, sum: e.JointSum, state: -1},
	}
	if e.GuardAt > 0 {
		f.guard.at = e.GuardAt
	}
	f.acks = f.guard
	if e.AtDev != 0 || e.AtIno != 0 {
		f.loc = fileKey{e.AtDev, e.AtIno}
	}
	f.pattern = t.patternOf(f.path)
	f.account = t.ledger.Account(f.path)
	t.files[f] = struct{}{}
	if !f.done {
		t.byLoc[f.loc] = f
	}
	if f.done && f.unread() > 0 { // it was truncated while its last batches were on their way
		t.log.Error("batches of a truncated log file were not acknowledged before the last stop",
			"path", f.path, "source", f.src.ID, "lost_at_most", f.unread())
		t.lose(f, cmp.Or(f.hole.reason, wire.Truncated))
	}
	if f.holed() {
		t.activate(f, t.now)
	}
	if e.ID != "" {
		t.index(f)
	}
	fl := t.floors[f.path]
	fl.mtime = max(fl.mtime, f.mtime)
	t.floors[f.path] = fl
	return nil
}

func (f *File) entry() checkpoint.Entry {
	e := checkpoint.Entry{
		ID: f.src.ID, Path: checkpoint.Text(f.path), Name: checkpoint.Text(f.src.Path), Target: checkpoint.Text(f.target),
		Dev: f.id.dev, Ino: f.id.ino, Head: f.head.String(), HeadLen: f.head.n, Gen: f.gen, Born: f.born,
		Pos: f.acked, Guard: f.acks.sum, GuardLen: f.acks.n, Size: f.size, Mtime: f.mtime, Seen: f.expire, Done: f.done, Final: f.final,
	}
	if f.src.ID == "" {
		e.Head = ""
	}
	if f.acks.at != f.acked && f.acks.n > 0 {
		e.GuardAt = f.acks.at
	}
	e.Joined, e.JointAt, e.JointLen, e.JointDev, e.JointIno, e.JointSum = f.joined, f.joint.at, f.joint.n, f.joint.key.dev, f.joint.key.ino, f.joint.sum
	if f.hole.to > f.acked {
		e.Lost, e.LostFrom, e.LostTo = f.hole.reason, f.hole.from, f.hole.to
	}
	if f.loc != f.id {
		e.AtDev, e.AtIno = f.loc.dev, f.loc.ino
	}
	return e
}
