package tail

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// partWait is how long the rest of a line that a container's runtime cut into
// parts may take.
const partWait = 10 * time.Second

// joint is what a source has of the next generation of its file: the rest of a
// line whose first parts end this one. To the source these bytes lie behind
// those that its own file had then; the other source declares them as joined.
type joint struct {
	at, n int64
	key   fileKey // of the file that they are in
	sum   uint32
	bytes []byte
	state int // it is remembered once a later State is stored
}

// ReadAt reads the source's bytes.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if f.joint.n == 0 || off+int64(len(p)) <= f.joint.at {
		return f.body().ReadAt(p, off)
	}
	end := f.joint.at + f.joint.n
	switch {
	case off < f.joint.at:
		n, err := f.body().ReadAt(p[:f.joint.at-off], off)
		if err != nil || off+int64(n) < f.joint.at {
			return n, err
		}
		m, err := f.ReadAt(p[n:], f.joint.at)
		return n + m, err
	case off < end:
		n := copy(p, f.joint.bytes[min(off-f.joint.at, int64(len(f.joint.bytes))):])
		if n == len(p) {
			return n, nil
		}
		m, err := f.body().ReadAt(p[n:], f.joint.at)
		return n + m, err
	}
	return f.body().ReadAt(p, off-f.joint.n)
}

func (f *File) body() io.ReaderAt {
	if f.arc != nil {
		return f.arc
	}
	return f.fd
}

// extent is how much the source has if its file has size bytes.
func (f *File) extent(size int64) int64 {
	if f.arc != nil {
		return f.size
	}
	if f.joint.n > 0 {
		return max(size, f.joint.at) + f.joint.n
	}
	return size
}

// unsure says whether f's joint may not be sent yet: should it be forgotten after
// that, its bytes would also be sent as the other file's. Where positions can't
// be stored it is sent at last all the same.
func (f *File) unsure() bool {
	j := &f.joint
	return j.n > 0 && j.state >= f.t.stored && f.read < j.at+j.n && j.bytes != nil && f.t.now.Before(f.grown.Add(2*partWait))
}

// older says whether f's bytes were written before g's. Both are of one path.
func older(f, g *File) bool {
	return !f.live && (g.live || f.mtime < g.mtime)
}

// before gives a generation before g that may end in the first parts of a line
// whose rest begins g.
func (t *Tailer) before(g *File) *File {
	if g.wrap == bare || g.read > 0 {
		return nil
	}
	for f := range t.files {
		if f.path != g.path || f.target != g.target || f == g || !f.active || f.done || f.wrap == bare || f.unread() == 0 || !older(f, g) {
			continue
		}
		if f.stuck != f.size || t.now.Sub(f.grown) < 2*partWait { // a writer that never leaves holds up nobody
			return f
		}
	}
	return nil
}

// after gives the generation that follows f.
func (t *Tailer) after(f *File) (next *File) {
	for g := range t.files {
		if g.path == f.path && g.target == f.target && g != f && !g.done && older(f, g) && (next == nil || older(g, next)) {
			next = g
		}
	}
	return next
}

// join adds to f, which ends in parts of lines and is rotated away, the rest of
// those from the beginning of the next generation.
func (t *Tailer) join(f *File) bool {
	g := t.after(f)
	if f.live || f.joint.n > 0 || g == nil || g.fd == nil || g.read > 0 || g.joined > 0 || g.wrap != f.wrap || g.src.ID == "" || t.rewritten(g) {
		return false
	}
	maxLine := int64(f.maxLine())
	if gone, known := t.leaseCheck(f); known && !gone || f.size-f.read > maxLine {
		return false
	}
	own := f.size - f.read
	p := make([]byte, own+min(g.size, maxLine))
	if n, _ := f.ReadAt(p[:own], f.read); int64(n) < own {
		return false
	}
	n, err := g.ReadAt(p[own:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	p = p[:own+int64(n)]
	p = p[:bytes.LastIndexByte(p, '\n')+1]
	k := int64(f.wrap.closed(p, true)) - own
	if k <= 0 {
		return false
	}
	rest := bytes.Clone(p[own : own+k])
	f.joint = joint{at: f.size, n: k, key: g.loc, sum: crc32.ChecksumIEEE(rest), bytes: rest, state: t.states}
	f.size += k
	f.stuck, f.parted = -1, false
	g.joined = k
	t.activate(g, t.now)
	t.dirty = true
	t.log.Debug("a line goes on in the next file", "path", f.path, "source", f.src.ID, "next", g.src.ID, "bytes", k)
	return true
}

// rewritten says whether f's file held another log before: f begins anew and
// goes on with nothing.
func (t *Tailer) rewritten(f *File) bool {
	return slices.ContainsFunc(t.byID[f.id], func(g *File) bool {
		return g != f && g.done && g.born == f.born && g.born != 0
	})
}

// rejoin reads the joint of a source that is only known from the state. What
// can't be read is lost.
func (t *Tailer) rejoin(f *File) {
	if f.joint.n == 0 || f.joint.bytes != nil || f.acked >= f.joint.at+f.joint.n || f.hole.to >= f.joint.at+f.joint.n {
		return
	}
	p := make([]byte, f.joint.n)
	for i := range t.found {
		g := &t.found[i]
		if g.key != f.joint.key {
			continue
		}
		if fd, st, err := openFile(g.name); err == nil {
			n, err := fd.ReadAt(p, 0)
			if err := errors.Join(err, fd.Close()); err == nil && st.key == f.joint.key && n == len(p) && crc32.ChecksumIEEE(p) == f.joint.sum {
				f.joint.bytes = p
				return
			}
		}
	}
	f.account.Lose(wire.Gone, f.joint.n, 0)
	f.hole = hole{from: max(f.joint.at, f.acked), to: f.joint.at + f.joint.n, reason: wire.Gone}
}
