package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rotate renames the log as logrotate does, and has HAProxy write a new file
// while the old one is still open. With dateext the name holds a date instead
// of a number.
func (w *world) rotate(dateext bool) {
	if dateext {
		w.n++
		w.must(os.Rename(w.log, fmt.Sprintf("%s-202611%06d", w.log, w.n)))
	} else {
		w.shift()
		w.must(os.Rename(w.log, w.log+".1"))
	}
	w.late = append(w.late, w.w)
	switch {
	case w.mode&inParts != 0: // the rest of a line goes into the next file
		w.hangUp(len(w.late) - 1)
	case w.partial != "": // this generation ends without LF
		w.partial = ""
		w.hangUp(len(w.late) - 1)
	}
	w.create()
}

// point has the symbolic link point to a file of the pod's folder, where the
// container writes from now on.
func (w *world) point(name string) {
	link := w.cfg.Inputs[0].Pattern
	w.log = filepath.Join(w.dir, "pod", name)
	w.must(os.Symlink(w.log, link+".new"))
	w.must(os.Rename(link+".new", link))
}

// restart is that of the container: the link gets another target.
func (w *world) restart() {
	w.late = append(w.late, w.w)
	if w.mode&inParts != 0 {
		w.hangUp(len(w.late) - 1)
	}
	w.runs++
	w.point(fmt.Sprintf("%d.log", w.runs))
	w.create()
}

// hangUp closes one of the late writers.
func (w *world) hangUp(i int) {
	w.must(w.late[i].f.Close())
	w.late = slices.Delete(w.late, i, i+1)
}

// abandon has the writers of a file close it.
func (w *world) abandon(name string) {
	st, err := statPath(name)
	w.must(err)
	for i, l := range slices.Backward(w.late) {
		if at, err := statFile(l.f); err != nil || at.key == st.key {
			w.hangUp(i)
		}
	}
}

// shift makes room for name.1.
func (w *world) shift() {
	names, err := filepath.Glob(w.log + ".[0-9]*")
	w.must(err)
	number := func(name string) (n int, ext string) {
		rest, ext, _ := strings.Cut(strings.TrimPrefix(name, w.log+"."), ".")
		n, err := strconv.Atoi(rest)
		w.must(err)
		return n, ext
	}
	slices.SortFunc(names, func(a, b string) int {
		x, _ := number(a)
		y, _ := number(b)
		return y - x
	})
	for _, from := range names {
		n, ext := number(from)
		if ext != "" {
			ext = "." + ext
		}
		w.must(os.Rename(from, fmt.Sprintf("%s.%d%s", w.log, n+1, ext)))
	}
}

// copytruncate does what logrotate does. between is called between the two steps.
func (w *world) copytruncate(between func()) {
	w.shift()
	b, err := os.ReadFile(w.log)
	w.must(err)
	w.must(os.WriteFile(w.log+".1", b, 0o600))
	at := w.now.Add(w.skew)
	w.must(os.Chtimes(w.log+".1", at, at))
	g, had := w.w.gen, int64(len(w.w.gen.bytes))
	between()
	w.must(os.Truncate(w.log, 0))
	if int64(len(g.bytes)) > had {
		g.dead = true
	}
	w.w.gen = w.generation(g.key)
	st, err := statPath(w.log + ".1")
	w.must(err)
	g.key, g.copied = st.key, true
	w.touch(w.w.f)
}

// truncate is `> log`.
func (w *world) truncate() {
	w.partial = ""
	w.must(os.Truncate(w.log, 0))
	w.w.gen.dead = len(w.w.gen.bytes) > 0
	w.w.gen = w.generation(w.w.gen.key)
	w.touch(w.w.f)
}

// remove deletes a file. What the forwarder holds open is still to be had.
func (w *world) remove(name string) {
	st, err := statPath(name)
	w.must(err)
	w.must(os.Remove(name))
	for _, g := range w.gens {
		if g.key != st.key || g.dead || g.unlinked {
			continue
		}
		g.unlinked = true
		held := w.linked(g)
		if w.tail != nil {
			f := w.tail.byLoc[g.key]
			held = held || f != nil && f.fd != nil
		}
		g.dead = !held || g.packed
	}
}

// rotated names the rotated files, the newest first.
func (w *world) rotated() (names []string) {
	all, err := filepath.Glob(filepath.Join(filepath.Dir(w.log), "*"))
	w.must(err)
	for _, n := range all {
		if st, err := os.Lstat(n); err == nil && st.Mode().IsRegular() && n != w.log && !strings.Contains(n, ".tmp") {
			names = append(names, n)
		}
	}
	return names
}
