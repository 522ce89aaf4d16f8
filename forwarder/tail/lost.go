package tail

import (
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// hole is a stretch of a source that is not to be had. The source declares it
// in its order, behind the bytes before it, and remembers it until that is
// confirmed. It is counted as lost once: when it is found.
type hole struct {
	from, to int64
	reason   string
}

// holed says whether the next thing to read is a loss.
func (f *File) holed() bool {
	return f.read < f.joined || f.hole.to > f.read && f.hole.from <= f.read
}

// readable is where the bytes end that can be read at once.
func (f *File) readable() int64 {
	if f.arc != nil {
		return f.arc.end()
	}
	if f.hole.to > f.read {
		return min(f.size, f.hole.from)
	}
	return f.size
}

// onDisk is the least size that the file must have: in a copy of a file, what
// was written after the copying lacks.
func (f *File) onDisk() int64 {
	if f.hole.to == f.size && f.hole.to > 0 {
		return f.hole.from
	}
	return f.size
}

// filled forgets the hole once it is confirmed.
func (f *File) filled() {
	if f.hole.to > f.acked {
		return
	}
	if f.hole.to == f.size && f.hole.reason == wire.Truncated && !f.done {
		f.t.end(f) // nothing follows in a copy that lacks the end
	}
	f.hole = hole{}
}

// unread is how many bytes are neither read nor known to be lost.
func (f *File) unread() int64 {
	n := f.size - max(f.read, f.joined)
	if f.hole.to > f.read {
		n -= f.hole.to - max(f.hole.from, f.read)
	}
	return max(n, 0)
}

// declare is Read where the stream has a hole.
func (f *File) declare() source.Run {
	run := source.Run{From: f.read, To: f.hole.to, Lost: f.hole.reason}
	if f.read < f.joined {
		run.To, run.Lost = f.joined, wire.Joined
	}
	f.read = run.To
	f.cuts = append(f.cuts, cut{to: f.read, lost: true})
	f.stuck, f.next = -1, f.t.now
	return run
}

// end says that no further byte of f can come.
func (t *Tailer) end(f *File) {
	t.close(f)
	t.unlink(f)
	if t.byLoc[f.loc] == f {
		delete(t.byLoc, f.loc)
	}
	f.done, f.live = true, false
}

// lose counts everything unread of f as lost and has f declare it. It says how
// much that was. A file that never had a complete head gets the identity of an
// empty one.
func (t *Tailer) lose(f *File, reason string) int64 {
	n := f.unread()
	f.size = max(f.size, f.read)
	if n > 0 {
		if f.src.ID == "" {
			t.identify(f, nil)
		}
		f.account.Lose(reason, n, 0)
		f.hole = hole{from: max(f.read, f.joined), to: f.size, reason: reason}
	}
	if f.holed() {
		t.activate(f, t.now)
	}
	t.dirty = true
	return n
}
