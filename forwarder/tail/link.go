package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/wire"
)

// A file that is rotated away with bytes that are not confirmed gets a second
// name, a hard link in a folder of ours, so that neither its deletion nor a
// crash loses them. It goes when the last byte is confirmed and no writer is
// left. The live file never gets one: logrotate passes over files that have
// several names.

// linkName gives the name of f's link. It holds what is needed to know it
// again without positions.
func (t *Tailer) linkName(f *File) string {
	path := url.PathEscape(f.path)
	if len(path) > 200 { // names end at 255 bytes; such a link is only known with the positions
		path = ""
	}
	return filepath.Join(t.cfg.Links, fmt.Sprintf("%x-%x-%s", f.loc.dev, f.loc.ino, path))
}

// keep links f if that is due.
func (t *Tailer) keep(f *File) {
	if t.cfg.Links == "" || f.live || f.done || f.linked || f.unlinkable || f.size <= f.acked && len(f.cuts) == 0 {
		return
	}
	link := t.linkName(f)
	err := unix.Linkat(unix.AT_FDCWD, f.name, unix.AT_FDCWD, link, unix.AT_SYMLINK_FOLLOW)
	if errors.Is(err, unix.EEXIST) { // of an earlier file with this inode
		err = errors.Join(os.Remove(link), unix.Linkat(unix.AT_FDCWD, f.name, unix.AT_FDCWD, link, unix.AT_SYMLINK_FOLLOW))
	}
	if errors.Is(err, fs.ErrNotExist) { // renamed a moment ago
		return
	}
	if err != nil {
		f.unlinkable = true
		if t.stats.LinksRefused.Add(1) == 1 {
			t.log.Debug("a rotated log file can't be linked: it is kept by its descriptor only", "path", f.name, "folder", t.cfg.Links, "why", err)
		}
		return
	}
	if st, err := statPath(link); err != nil || st.key != f.loc {
		_ = os.Remove(link)
		return
	}
	f.linked = true
}

// unlink removes f's link.
func (t *Tailer) unlink(f *File) {
	if !f.linked {
		return
	}
	f.linked = false
	if err := os.Remove(t.linkName(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.log.Warn("removing the link to a log file", "path", f.name, "why", err)
	}
}

// findLinks takes up the links that an earlier process left, and removes those
// that nothing needs.
func (t *Tailer) findLinks() {
	if t.cfg.Links == "" {
		return
	}
	names, err := os.ReadDir(t.cfg.Links)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.log.Warn("looking for the links of log files", "folder", t.cfg.Links, "why", err)
	}
	for _, n := range names {
		link := filepath.Join(t.cfg.Links, n.Name())
		st, err := statPath(link)
		if err != nil || !st.regular {
			continue
		}
		f := t.byLoc[st.key]
		if f != nil && f.born != 0 && st.born != 0 && f.born != st.born {
			f = nil
		}
		switch {
		case f != nil && t.linkName(f) == link:
			f.linked = true
			continue
		case f == nil && t.pathOf(link) != "": // linked after the positions were stored last
			t.orphans[st.key] = link
			continue
		}
		if err := os.Remove(link); err != nil {
			t.log.Warn("removing the link to a log file", "link", link, "why", err)
		}
	}
}

// pathOf gives the path whose file has a link, if an input names it.
func (t *Tailer) pathOf(link string) string {
	_, rest, _ := strings.Cut(filepath.Base(link), "-")
	_, escaped, _ := strings.Cut(rest, "-")
	path, err := url.PathUnescape(escaped)
	if err != nil || !slices.ContainsFunc(t.cfg.Inputs, func(in Input) bool { ok, _ := filepath.Match(in.Pattern, path); return ok }) {
		return ""
	}
	return path
}

// adopt takes over the link that an earlier process made of f.
func (t *Tailer) adopt(f *File) {
	if link := t.orphans[f.loc]; link != "" {
		delete(t.orphans, f.loc)
		if f.linked = link == t.linkName(f); !f.linked {
			_ = os.Remove(link)
		}
	}
}

// linkedFiles adds to found the files that have no other name than their link.
func (t *Tailer) linkedFiles(found []candidate) []candidate {
	if t.cfg.Links == "" {
		return found
	}
	here := map[fileKey]bool{}
	add := func(link, path, pattern string) {
		if len(here) == 0 {
			for i := range found {
				here[found[i].key] = true
			}
		}
		c := candidate{name: link, path: path, pattern: pattern, link: true}
		if t.stat(&c) && !here[c.key] {
			here[c.key] = true
			found = append(found, c)
		}
	}
	for f := range t.files {
		if f.linked {
			add(t.linkName(f), f.path, f.pattern)
		}
	}
	for _, link := range t.orphans {
		path := t.pathOf(link)
		for _, in := range t.cfg.Inputs {
			if ok, _ := filepath.Match(in.Pattern, path); ok {
				add(link, path, in.Pattern)
				break
			}
		}
	}
	return found
}

// bound gives up the oldest of the files that nobody but us keeps from being
// deleted, when they are more than KeepBytes.
func (t *Tailer) bound() {
	var kept []*File
	var total int64
	for f := range t.files {
		if f.done || f.live || f.size <= f.acked || !f.linked && (f.fd == nil || f.seen == t.scans) {
			continue
		}
		st, err := t.statKept(f)
		if err != nil {
			continue
		}
		names := st.links
		if f.linked {
			names--
		}
		if names == 0 {
			kept = append(kept, f)
			total += st.size
		}
	}
	if total <= t.cfg.KeepBytes {
		return
	}
	slices.SortFunc(kept, func(a, b *File) int {
		switch {
		case a.mtime < b.mtime:
			return -1
		case a.mtime > b.mtime:
			return 1
		}
		return 0
	})
	for _, f := range kept {
		if total <= t.cfg.KeepBytes {
			return
		}
		total -= f.size
		t.log.Error("a deleted log file is given up unread: deleted files hold more than they may", "path", f.path, "source", f.src.ID,
			"lost_at_least", f.unread(), "bound", t.cfg.KeepBytes)
		t.end(f)
		t.lose(f, wire.Gone)
	}
}

func (t *Tailer) statKept(f *File) (info, error) {
	if f.fd != nil {
		return statFile(f.fd)
	}
	return statPath(t.linkName(f))
}
