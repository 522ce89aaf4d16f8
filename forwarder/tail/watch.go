package tail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one thing inotify reported.
type Event struct {
	wd   int32
	mask uint32
	name string
}

const (
	dirMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF |
		unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	// A file's watch goes away with its first event: one event per idle
	// period, however often the file is written.
	fileMask = unix.IN_MODIFY | unix.IN_MOVE_SELF | unix.IN_ATTRIB | unix.IN_ONESHOT
)

// gather is how long events are left with the kernel, which merges equal ones,
// before they are read.
const gather = 50 * time.Millisecond

type watcher struct {
	f      *os.File
	fd     int
	events chan []Event
	quit   chan struct{}
	done   chan struct{}
	dirs   map[int32]string
	files  map[int32]*File
	full   bool // the limit of watches is reached
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init: %w", err)
	}
	w := &watcher{
		f: os.NewFile(uintptr(fd), "inotify"), fd: fd, events: make(chan []Event),
		quit: make(chan struct{}), done: make(chan struct{}), dirs: map[int32]string{}, files: map[int32]*File{},
	}
	go w.run()
	return w, nil
}

// run hands events over until close.
func (w *watcher) run() {
	defer close(w.done)
	buf := make([]byte, 16<<10)
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	for {
		n, err := w.f.Read(buf)
		if err != nil {
			return
		}
		select {
		case w.events <- parseEvents(buf[:n]):
		case <-w.quit:
			return
		}
		timer.Reset(gather)
		select {
		case <-timer.C:
		case <-w.quit:
			return
		}
	}
}

func parseEvents(p []byte) []Event {
	var out []Event
	for len(p) >= unix.SizeofInotifyEvent {
		e := Event{wd: int32(binary.NativeEndian.Uint32(p)), mask: binary.NativeEndian.Uint32(p[4:])} //nolint:gosec // the kernel's own type
		n := int(binary.NativeEndian.Uint32(p[12:]))
		p = p[unix.SizeofInotifyEvent:]
		if n > len(p) {
			break
		}
		e.name = strings.TrimRight(string(p[:n]), "\x00")
		p = p[n:]
		out = append(out, e)
	}
	return out
}

func (w *watcher) close() error {
	close(w.quit)
	err := w.f.Close() // ends a waiting Read
	<-w.done
	return err
}

// watchDirs makes the watched folders those in dirs.
func (t *Tailer) watchDirs(dirs []string) {
	if t.watch == nil {
		return
	}
	clear(t.watch.dirs) // adding a folder again gives its old number
	for _, d := range dirs {
		wd, err := unix.InotifyAddWatch(t.watch.fd, d, dirMask)
		if err != nil {
			if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) {
				t.watchFailed(err)
			}
			continue
		}
		t.watch.dirs[int32(wd)] = d //nolint:gosec // the kernel's own type
	}
}

// arm asks for one event at the next change of f. Without it f is looked at by
// the scans only.
func (t *Tailer) arm(f *File) {
	if t.watch == nil || f.armed {
		return
	}
	wd, err := -1, error(unix.ENOENT)
	if f.fd != nil {
		wd, err = unix.InotifyAddWatch(t.watch.fd, fmt.Sprintf("/proc/self/fd/%d", f.fd.Fd()), fileMask)
	}
	if errors.Is(err, unix.ENOENT) { // closed, or no /proc
		wd, err = unix.InotifyAddWatch(t.watch.fd, f.name, fileMask)
	}
	if err != nil {
		t.watchFailed(err)
		return
	}
	f.armed = true
	t.watch.files[int32(wd)] = f //nolint:gosec // the kernel's own type
}

func (t *Tailer) watchFailed(err error) {
	if t.watch.full {
		return
	}
	t.watch.full = true
	why := err.Error()
	if errors.Is(err, unix.ENOSPC) {
		why = "the limit of watches is reached: raise fs.inotify.max_user_watches"
	}
	t.log.Warn("inotify can't watch every file, some are polled", "every", t.cfg.Poll, "why", why)
}

func (t *Tailer) noticed(e Event) {
	soon := t.now.Add(gather)
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		t.nextScan = t.now
		return
	}
	if f := t.watch.files[e.wd]; f != nil {
		delete(t.watch.files, e.wd)
		f.armed = false
		if _, ok := t.files[f]; !ok || f.done {
			return
		}
		if e.mask&unix.IN_MODIFY == 0 && soon.Before(t.nextScan) {
			t.nextScan = soon
		}
		at := t.now.Add(t.cfg.Linger)
		if f.fd != nil {
			if st, err := statFile(f.fd); err == nil && f.extent(st.size) < f.onDisk() {
				at = t.now // cut short: the sooner its copy is found the better
			}
		}
		t.activate(f, at)
		return
	}
	dir := t.watch.dirs[e.wd]
	if dir == "" || e.mask&unix.IN_IGNORED != 0 && e.name != "" {
		return
	}
	other := true // a folder that a link points into: names say nothing there
	for _, in := range t.cfg.Inputs {
		if ours, _ := filepath.Match(filepath.Dir(in.Pattern), dir); !ours {
			continue
		}
		other = false
		if logical, _ := match(filepath.Base(in.Pattern), e.name); e.name == "" || logical != "" {
			t.nextScan = minTime(t.nextScan, soon)
			return
		}
	}
	if other {
		t.nextScan = minTime(t.nextScan, soon)
	}
}
