package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// candidate is a file found in a folder.
type candidate struct {
	info
	name    string // where it lies
	path    string // the path that the pattern matches: name, or name without its rotation suffix
	pattern string
	link    bool // name is a link of ours: it has no other one
	live    bool // name itself matches: no rotated sibling
}

func compressed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".zst", ".bz2", ".xz", ".lz4", ".Z", ".zip", ".lzma", ".br":
		return true
	}
	return false
}

// list finds the files that the patterns match and their rotated siblings: the
// name plus "." or "-" and more, not compressed. Live files come first, then
// siblings from the one written longest ago to the newest. Each inode comes
// once. dirs are the folders looked into.
func (t *Tailer) list() (found []candidate, dirs []string) {
	seen := map[fileKey]bool{}
	var sibs []candidate
	for _, in := range t.cfg.Inputs {
		pattern := in.Pattern
		base := filepath.Base(pattern)
		for _, dir := range t.folders(filepath.Dir(pattern)) {
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
			for _, n := range t.names(dir) {
				logical, live := match(base, n)
				if logical == "" {
					continue
				}
				c := candidate{name: filepath.Join(dir, n), path: filepath.Join(dir, logical), pattern: pattern, live: live}
				if !t.stat(&c) {
					continue
				}
				if !live {
					sibs = append(sibs, c)
				} else if !seen[c.key] {
					seen[c.key] = true
					found = append(found, c)
				}
			}
		}
	}
	slices.SortStableFunc(sibs, func(a, b candidate) int {
		switch {
		case a.mtime < b.mtime:
			return -1
		case a.mtime > b.mtime:
			return 1
		}
		return strings.Compare(b.name, a.name)
	})
	for _, c := range sibs {
		if !seen[c.key] {
			seen[c.key] = true
			found = append(found, c)
		}
	}
	return t.linkedFiles(found), dirs
}

// match says which path a file name belongs to: itself when it matches the
// pattern, its longest beginning before a "." or "-" that does, or none.
func match(pattern, name string) (logical string, live bool) {
	if compressed(name) {
		return "", false
	}
	if ok, _ := filepath.Match(pattern, name); ok {
		return name, true
	}
	for i := len(name) - 2; i > 0; i-- {
		if name[i] != '.' && name[i] != '-' {
			continue
		}
		if ok, _ := filepath.Match(pattern, name[:i]); ok {
			return name[:i], false
		}
	}
	return "", false
}

func (t *Tailer) folders(dir string) []string {
	if !strings.ContainsAny(dir, `*?[\`) {
		return []string{dir}
	}
	dirs, _ := filepath.Glob(dir) // the pattern was checked by Validate
	return dirs
}

func (t *Tailer) names(dir string) []string {
	d, err := os.Open(dir)
	if err == nil {
		var names []string
		names, err = d.Readdirnames(-1)
		err = errors.Join(err, d.Close())
		if err == nil {
			t.troubleEnds(dir)
			slices.Sort(names)
			return names
		}
	}
	t.trouble(dir, "can't look for log files", whyUnreadable(dir, err))
	t.incomplete = true
	return nil
}

func (t *Tailer) stat(c *candidate) bool {
	var err error
	c.info, err = statPath(c.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		t.trouble(c.name, "can't read log file", whyUnreadable(c.name, err))
		t.incomplete = true
		return false
	case !c.regular:
		if c.live {
			t.trouble(c.name, "not a regular file", "only regular files can be tailed")
		}
		return false
	}
	return true
}

// trouble logs what is wrong with a path, once, and that it is over when it is.
func (t *Tailer) trouble(path, what, why string) {
	if t.troubles[path] == "" {
		t.log.Warn("passed over; trying again until it works", "path", path, "what", what, "why", why)
	}
	t.troubles[path] = what + " " + path + ": " + why
	t.tellTrouble()
}

func (t *Tailer) troubleEnds(path string) {
	if t.troubles[path] != "" {
		delete(t.troubles, path)
		t.log.Info("readable again", "path", path)
		t.tellTrouble()
	}
}

// forgetTroubles drops what was wrong with files that are not there any more.
// A folder that is not there stays a trouble.
func (t *Tailer) forgetTroubles() {
	for path, text := range t.troubles {
		if strings.HasPrefix(text, "can't look") {
			continue
		}
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			delete(t.troubles, path)
		}
	}
	t.tellTrouble()
}

// tellTrouble publishes one of the files that should be read and cannot be. A
// path that is passed over for what it is does not count.
func (t *Tailer) tellTrouble() {
	var first string
	for _, text := range t.troubles {
		if strings.HasPrefix(text, "can't ") && (first == "" || text < first) {
			first = text
		}
	}
	t.stats.trouble.Store(&first)
}
