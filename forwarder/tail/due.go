package tail

import (
	"errors"
	"io/fs"
	"time"
)

// soonest is the shortest time between two looks at a file that is filling a
// batch. Looking late costs nothing but latency: the bytes wait in the page
// cache.
const soonest = 20 * time.Millisecond

// activate has f looked at by the clock, at the given time or before.
func (t *Tailer) activate(f *File, at time.Time) {
	if f.done && !f.holed() || f.missing && !t.wanted(f.path) {
		return
	}
	if !f.active {
		f.active, f.since, f.next = true, t.now, at
		f.rate, f.rateAt, f.rateSize = 0, t.now, f.size
		t.active = append(t.active, f)
		return
	}
	f.next = minTime(f.next, at)
}

func (t *Tailer) deactivate(f *File) {
	if !f.active {
		return
	}
	f.active = false
	for i, g := range t.active {
		if g == f {
			last := len(t.active) - 1
			t.active[i] = t.active[last]
			t.active[last] = nil
			t.active = t.active[:last]
			return
		}
	}
}

// schedule says when to look at f after a batch was read from it.
func (t *Tailer) schedule(f *File) {
	switch unread := f.size - f.read; {
	case unread >= t.cfg.Batch && f.stuck != f.size:
		f.next = t.now
	case f.finishing:
		f.next = t.now
	default:
		f.next = t.fullAt(f, unread)
	}
	if t.open > t.cfg.MaxOpen {
		t.closeSpare(f)
	}
}

// fullAt is when f will hold a full batch at its present rate, and not later
// than the linger.
func (t *Tailer) fullAt(f *File, unread int64) time.Time {
	last := f.since.Add(t.cfg.Linger)
	if f.rate <= 0 {
		return last
	}
	eta := 1.05 * float64(t.cfg.Batch-unread) / f.rate // rather late than twice
	if eta > t.cfg.Linger.Seconds() {
		return last
	}
	return minTime(last, t.now.Add(max(time.Duration(eta*float64(time.Second)), soonest)))
}

// check looks at an active file and says whether a batch is due.
func (t *Tailer) check(f *File) bool {
	if f.holed() {
		return true
	}
	if f.done {
		t.deactivate(f)
		return false
	}
	if f.fd == nil && !t.reopen(f) {
		return false
	}
	if f.arc != nil {
		return t.unpack(f)
	}
	st, err := statFile(f.fd)
	if err != nil {
		t.trouble(f.name, "can't read log file", err.Error())
		f.next = t.now.Add(t.cfg.PollOnly)
		return false
	}
	st.size = f.extent(st.size)
	if st.size < f.onDisk() {
		t.truncated(f)
		return false
	}
	if st.size > f.size { // what another log added is none of what f may lose
		if ok, err := f.intact(); err == nil && !ok {
			t.truncated(f)
			return false
		}
	}
	t.grew(f, st.size)
	if d := t.now.Sub(f.rateAt); d >= 5*soonest {
		f.rate, f.rateAt, f.rateSize = float64(f.size-f.rateSize)/d.Seconds(), t.now, f.size
	}
	if f.size > 0 && f.stuck != f.size && !t.headed(f) {
		f.stuck = f.size
	}
	if p := t.before(f); p != nil || f.unsure() {
		f.next = t.now.Add(t.cfg.Linger)
		return false
	}
	if f.parted && f.stuck == f.size && !f.finishing {
		switch wait := f.grown.Add(partWait); {
		case t.join(f):
			f.next = t.now.Add(t.cfg.Linger)
			return false
		case !t.now.Before(wait):
			f.forced = true
			return true
		default:
			f.next = minTime(wait, t.now.Add(t.cfg.Linger))
			return false
		}
	}
	unread := f.size - f.read
	if unread == 0 || f.stuck == f.size && !f.finishing {
		return t.quiet(f, st)
	}
	if unread >= t.cfg.Batch || f.finishing || !t.now.Before(f.since.Add(t.cfg.Linger)) {
		return true
	}
	f.next = t.fullAt(f, unread)
	return false
}

// grew takes note of the size of f.
func (t *Tailer) grew(f *File, size int64) {
	if size <= f.size {
		return
	}
	f.size, f.grown, f.finishing, f.final = size, t.now, false, false
	if f.unacked.IsZero() {
		f.unacked = f.since
	}
}

// quiet handles a file in which no whole record is unread.
func (t *Tailer) quiet(f *File, st info) bool {
	if !f.live {
		return t.rotated(f, st)
	}
	if still := f.burst.Add(t.cfg.Linger); t.now.Before(still) {
		f.next = still
		return false
	}
	// Truncated and written again to the very same size: only the bytes tell.
	if ok, err := f.intact(); err == nil && !ok {
		t.truncated(f)
		return false
	}
	t.arm(f)
	if now, err := statFile(f.fd); err == nil && f.extent(now.size) != f.size {
		f.since = t.now
		f.next = t.now.Add(t.cfg.Linger)
		return false
	}
	t.deactivate(f)
	if t.open > t.cfg.MaxOpen {
		t.closeSpare(f)
	}
	return false
}

// rotated decides what becomes of a file that is not live any more and has no
// whole record left: it is kept open until no writer is left.
func (t *Tailer) rotated(f *File, st info) bool {
	gone, known := t.leaseCheck(f)
	if !known {
		gone = t.now.Sub(f.grown) >= t.cfg.RotatedWait && t.now.UnixNano()-st.mtime >= int64(t.cfg.RotatedWait)
	}
	if !gone {
		f.next = t.now.Add(min(5*time.Second, max(t.cfg.Linger, t.cfg.RotatedWait/4)))
		return false
	}
	if now, err := statFile(f.fd); err != nil || f.extent(now.size) != f.size { // the last write of the last writer
		f.next = t.now
		return false
	}
	switch {
	case f.size > f.read:
		if f.src.ID == "" {
			p, _, err := readHead(f.fd)
			if err != nil || len(p) == 0 {
				f.next = t.now.Add(t.cfg.PollOnly)
				return false
			}
			t.identify(f, p)
		}
		f.finishing = true
		return true
	case len(f.cuts) > 0:
		f.next = t.now.Add(5 * time.Second) // Confirm brings it back sooner
		return false
	}
	f.final = true
	t.close(f)
	t.deactivate(f)
	if f.linked {
		t.unlink(f)
		st.links--
	}
	switch {
	case f.src.ID == "": // empty, and nobody is left to write into it
		t.forget(f)
		t.ignored[f.loc] = st
	case st.links == 0:
		f.done = true
		delete(t.byLoc, f.loc)
	}
	t.dirty = true
	return false
}

// closeSpare closes a file that can be opened again by its name.
func (t *Tailer) closeSpare(f *File) {
	if f.fd == nil || f.src.ID == "" || f.arc != nil {
		return
	}
	if st, err := statPath(f.name); err == nil && st.key == f.loc {
		t.close(f)
	}
}

func (t *Tailer) close(f *File) {
	if f.fd == nil {
		return
	}
	if err := f.fd.Close(); err != nil {
		t.log.Warn("closing a log file", "path", f.name, "why", err)
	}
	f.fd = nil
	t.open--
	if f.arc != nil {
		f.arc.close()
		f.arc = nil
	}
}

// reopen opens a known file again. If another one lies at its name, the next
// scan says where it went.
func (t *Tailer) reopen(f *File) bool {
	if unpackable(f.name) {
		t.deactivate(f)
		t.nextScan = minTime(t.nextScan, t.now.Add(t.cfg.PollOnly)) // that finds it
		return false
	}
	fd, st, err := openFile(f.name)
	if err == nil && (st.key != f.loc || (f.born != 0 && st.born != 0 && f.born != st.born)) {
		_ = fd.Close()
		t.nextScan = t.now
		t.deactivate(f)
		return false
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.trouble(f.name, "can't read log file", whyUnreadable(f.name, err))
		}
		t.nextScan = minTime(t.nextScan, t.now.Add(t.cfg.PollOnly))
		t.deactivate(f)
		return false
	}
	t.troubleEnds(f.name)
	f.fd = fd
	t.open++
	if f.src.ID != "" && !f.sniffed {
		if p, _, err := readHead(fd); err == nil {
			f.detect(p)
		}
	}
	return true
}
