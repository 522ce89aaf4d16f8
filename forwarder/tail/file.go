package tail

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// File is one source: one generation of a file. It is used by the goroutine
// that drives its Tailer and by no other.
type File struct {
	t   *Tailer
	src wire.Source // ID is empty until the head is complete

	id   fileKey // what the ID was derived from
	loc  fileKey // where the bytes are; another inode only when they moved to a copy
	gen  int
	head head
	born int64

	path    string // the path the input named
	name    string // where the file lies
	pattern string
	target  string // what path, a symbolic link, points to or has pointed to; "" if it is none
	account *ledger.Account

	fd       *os.File // nil while closed
	verified bool     // fd (or the file it was opened from) was compared with what is known
	live     bool     // lies at path; otherwise rotated away
	missing  bool     // not found by the last complete scan
	done     bool     // no further byte can come
	final    bool     // read to its end, and no writer was left then
	expire   int64    // when the entry was last of use, in seconds since 1970
	seen     uint64   // number of the last scan that found it

	read   int64 // read position
	acked  int64 // confirmed position
	guard  guard // of the bytes before read
	acks   guard // of the bytes before acked
	cuts   []cut // runs between acked and read, in order
	joint  joint // what it has of the next generation
	joined int64 // how many bytes at the beginning the generation before has
	hole   hole  // what is lost of it, until that is confirmed
	size   int64 // as seen last
	mtime  int64 // as the last scan found it: what came since may be siblings that no scan saw

	arc     *archive // fd is compressed
	wrap    wrapper
	sniffed bool // wrap is known
	parted  bool // no more can be read because a line is open
	forced  bool // it has been open for too long

	active    bool // has unread bytes, or had some a moment ago: looked at by the clock, not by inotify
	finishing bool // rotated away, no writer left: a last record without LF may go
	stuck     int64
	next      time.Time // when to look again
	since     time.Time // the oldest unread byte is at most this old
	burst     time.Time // when the last batch was read
	grown     time.Time // when the file was last seen to grow
	unacked   time.Time // when the oldest unconfirmed byte was seen
	rate      float64   // growth in bytes a second, measured from rateAt on
	rateAt    time.Time
	rateSize  int64
	armed     bool

	linked     bool // has a link in the folder for that
	unlinkable bool
}

type cut struct {
	to    int64
	lines int
	guard guard
	lost  bool
}

// Name gives the source's identity.
func (f *File) Name() wire.Source { return f.src }

// Labels gives those of the input that matches the file.
func (f *File) Labels() wire.Labels { return f.t.inputs[f.pattern].Labels }

func (f *File) maxLine() int { return cmp.Or(f.t.inputs[f.pattern].MaxLine, f.t.cfg.MaxLine) }

// Read is that of source.Source.
//
// A record longer than MaxLine is cut there; its rest counts as a record of its
// own. So is a record that does not fit into sink by itself.
func (f *File) Read(buf []byte, limit int64, sink source.Sink) (source.Run, error) {
	from := f.read
	nothing := source.Run{From: from, To: from}
	if f.holed() {
		return f.declare(), nil
	}
	if f.fd == nil || f.src.ID == "" {
		return nothing, nil
	}
	ok, err := f.intact()
	if err != nil {
		return nothing, f.unreadable(err)
	}
	if !ok {
		f.t.truncated(f)
		return nothing, nil
	}
	f.parted = false
	size := f.readable()
	r := reader{f: f, buf: buf[:min(len(buf), f.maxLine())], sink: sink, off: from, size: size, end: min(size, from+limit), guard: f.guard}
	rest, err := f.cutAt(from)
	if err == nil {
		err = r.run()
	}
	if err != nil && r.off == from {
		return nothing, f.unreadable(err)
	}
	f.t.troubleEnds(f.name)
	to := r.off
	now := f.t.now
	if to > from {
		f.read, f.guard, f.stuck, f.forced = to, r.guard, 0, false
		f.cuts = append(f.cuts, cut{to: to, lines: r.lines, guard: r.guard})
		f.account.ReadBytes.Add(to - from)
		f.account.ReadLines.Add(int64(r.lines))
	} else if f.fd != nil {
		f.stuck, f.parted = f.size, r.parted
	}
	f.burst, f.since = now, now
	f.t.schedule(f)
	return source.Run{From: from, To: to, Continued: rest}, nil
}

// unreadable says what is wrong, and leaves f alone for a while: others are due.
func (f *File) unreadable(err error) error {
	f.next = f.t.now.Add(f.t.cfg.PollOnly)
	f.t.trouble(f.name, "can't read log file", err.Error())
	return fmt.Errorf("reading %s: %w", f.name, err)
}

// cutAt says whether a line was cut at off: the byte before it is no LF.
func (f *File) cutAt(off int64) (bool, error) {
	if off == 0 {
		return false, nil
	}
	var p [1]byte
	if n, err := f.ReadAt(p[:], off-1); n == 0 && !errors.Is(err, io.EOF) {
		return false, err
	}
	return p[0] != '\n', nil
}

// intact says whether the bytes before the read position are still there. If
// none were read it is the head that tells.
func (f *File) intact() (bool, error) {
	if f.guard.n > 0 || f.src.ID == "" {
		return f.guard.holds(f)
	}
	p, _, err := readHead(f)
	return err != nil || len(p) >= f.head.n && makeHead(p[:f.head.n]) == f.head, err
}

// Confirm says that every byte before to is durably stored, or that the broker
// knows it as lost. to is the end of a Run that Read gave; they are confirmed in
// order.
func (f *File) Confirm(to int64) {
	for len(f.cuts) > 0 && f.cuts[0].to <= to {
		c := f.cuts[0]
		f.cuts = f.cuts[1:]
		if !c.lost {
			f.account.AckedBytes.Add(c.to - f.acked)
			f.account.AckedLines.Add(int64(c.lines))
			f.acks = c.guard
		}
		f.acked = c.to
	}
	f.filled()
	f.unacked = f.t.now
	if len(f.cuts) == 0 {
		f.cuts = nil // or the array would grow with the history
		if f.acked >= f.size {
			f.unacked = time.Time{}
		}
		if !f.live && !f.done {
			f.t.activate(f, f.t.now) // it may be finished now
		}
	}
	f.t.dirty = true
}

// InFlight says whether batches of the file are not confirmed yet.
func (f *File) InFlight() bool { return len(f.cuts) > 0 }

// reader does one Read.
type reader struct {
	f        *File
	buf      []byte
	sink     source.Sink
	off, end int64
	size     int64 // where what can be read now ends
	lines    int
	guard    guard
	parted   bool // a line is open
}

func (r *reader) run() error {
	start := r.off
	for r.off < r.size && (r.off < r.end || r.off == start) {
		room := r.sink.Room()
		if r.off > start && room < len(r.buf) {
			return nil // the next batch begins with an empty sink
		}
		p := r.buf[:min(int64(len(r.buf)), r.size-r.off)]
		n, err := r.f.ReadAt(p, r.off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		p = p[:n]
		if r.off > start && int64(n) > r.end-r.off {
			p = p[:r.end-r.off]
		}
		i := bytes.LastIndexByte(p[:min(len(p), room)], '\n')
		if r.off == start && int64(n) > r.end-r.off {
			// The first record goes whole even if it is longer than the limit.
			if j := bytes.LastIndexByte(p[:min(int64(len(p)), r.end-r.off, int64(room))], '\n'); j >= 0 {
				i = j
			} else {
				i = bytes.IndexByte(p[:min(len(p), room)], '\n')
			}
		}
		if i < 0 {
			if r.off > start || n == 0 {
				return nil
			}
			return r.long()
		}
		if i = r.whole(p, i, start, n); i < 0 {
			return nil
		}
		r.add(p[:i+1])
	}
	return nil
}

// whole gives the last LF in p, not after that at i, at which no line of a
// container is open. The first line goes whole, or as it is if it is longer than
// the buffer.
func (r *reader) whole(p []byte, i int, start int64, n int) int {
	f := r.f
	if f.wrap == bare || f.forced || f.finishing {
		return i
	}
	end := f.wrap.closed(p[:i+1], false)
	if end > 0 || r.off > start {
		return end - 1
	}
	all := p[:min(len(p), r.sink.Room())]
	if end = f.wrap.closed(all[:bytes.LastIndexByte(all, '\n')+1], true); end > 0 {
		return end - 1
	}
	if n < len(r.buf) && n <= len(all) {
		r.parted = true
		return -1
	}
	return i
}

func (r *reader) add(run []byte) {
	r.lines += r.sink.Add(run)
	r.off += int64(len(run))
	r.guarded(run)
}

// guarded takes the guard from run, which ends at r.off, as far as it lies in
// the file itself.
func (r *reader) guarded(run []byte) {
	j := r.f.joint
	if past := r.off - j.at; j.n > 0 && past > 0 && past < j.n+guardMax {
		if own := int64(len(run)) - past; own > 0 {
			r.guard = makeGuard(run[:own], j.at)
		}
		return
	}
	r.guard = makeGuard(run, r.off)
}

// long handles a first record that has no LF within the buffer: one that is
// longer than the buffer, or the unfinished end of the file.
func (r *reader) long() error {
	f, start := r.f, r.off
	length, whole, err := r.recordLength(start)
	if err != nil || length == 0 {
		return err
	}
	for r.off < start+length {
		room := r.sink.Room()
		if room <= 0 {
			whole = false // incompressible: the rest goes with the next batch
			break
		}
		p := r.buf[:min(int64(len(r.buf)), start+length-r.off, int64(room))]
		n, err := f.ReadAt(p, r.off)
		if n == 0 {
			whole = false
			if err == nil || errors.Is(err, io.EOF) {
				break
			}
			return err
		}
		r.sink.Add(p[:n])
		r.off += int64(n)
		r.guarded(p[:n])
	}
	r.lines = 1
	if !whole {
		f.account.CutLines.Add(1)
	}
	return nil
}

// recordLength finds the length of the record at off: through its LF, or
// MaxLine bytes when it is longer (whole is false then), or 0 when its end was
// not written yet. The unfinished end of a finished file is a record.
func (r *reader) recordLength(off int64) (n int64, whole bool, err error) {
	f, maxLine := r.f, int64(r.f.maxLine())
	for n < maxLine {
		k, err := f.ReadAt(r.buf[:min(int64(len(r.buf)), maxLine-n)], off+n)
		if i := bytes.IndexByte(r.buf[:k], '\n'); i >= 0 {
			return n + int64(i) + 1, true, nil
		}
		n += int64(k)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, err
		}
		if k == 0 {
			if f.finishing {
				return n, true, nil
			}
			return 0, false, nil
		}
	}
	return maxLine, false, nil
}
