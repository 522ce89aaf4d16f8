package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// candidate is a file found in a folder.
type candidate struct {
	info
	name    string // where it lies
	path    string // the path that the pattern matches: name, or name without its rotation suffix
	pattern string
	target  string // what the symbolic link path points to, or has pointed to
	link    bool   // name is a link of ours: it has no other one
	live    bool   // name itself matches: no rotated sibling
}

func compressed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".zst", ".bz2", ".xz", ".lz4", ".Z", ".zip", ".lzma", ".br":
		return true
	}
	return false
}

// list finds the files that the patterns match and their rotated siblings: the
// name plus "." or "-" and more, not compressed. Of a symbolic link the
// siblings are also looked for beside its target. Live files come first, then
// siblings from the one written longest ago to the newest. Each inode comes
// once. dirs are the folders looked into.
func (t *Tailer) list() (found []candidate, dirs []string) {
	l := listing{t: t, names: map[string][]fs.DirEntry{}, seen: map[fileKey]bool{}, targets: map[target]string{}}
	for _, in := range t.cfg.Inputs {
		base := filepath.Base(in.Pattern)
		for _, dir := range t.folders(filepath.Dir(in.Pattern)) {
			for _, e := range l.folder(dir) {
				if unpackable(e.Name()) {
					l.packed(filepath.Join(dir, e.Name()), base, in.Pattern)
					continue
				}
				logical, live := match(base, e.Name())
				if logical == "" {
					continue
				}
				c := candidate{name: filepath.Join(dir, e.Name()), path: filepath.Join(dir, logical), pattern: in.Pattern, live: live}
				if live && e.Type()&fs.ModeSymlink != 0 {
					if c.target, _ = filepath.EvalSymlinks(c.name); c.target == "" {
						continue // it points to nothing yet
					}
					l.targets[target{c.path, c.target}] = c.pattern
				}
				l.add(c)
			}
		}
	}
	l.beside()
	t.archives = l.archives
	sort.SliceStable(l.sibs, func(i, j int) bool {
		a, b := &l.sibs[i], &l.sibs[j]
		return a.mtime < b.mtime || a.mtime == b.mtime && b.name < a.name
	})
	for _, c := range l.sibs {
		if !l.seen[c.key] {
			l.seen[c.key] = true
			l.found = append(l.found, c)
		}
	}
	return t.linkedFiles(l.found), l.dirs
}

// listing is one look through the folders.
type listing struct {
	t           *Tailer
	names       map[string][]fs.DirEntry
	dirs        []string
	seen        map[fileKey]bool
	found, sibs []candidate
	targets     map[target]string // and the pattern
	archives    []candidate
}

// target is a file that the symbolic link path points to, or has pointed to.
type target struct{ path, name string }

func (l *listing) add(c candidate) {
	switch {
	case !l.t.stat(&c):
	case !c.live:
		l.sibs = append(l.sibs, c)
	case !l.seen[c.key]:
		l.seen[c.key] = true
		l.found = append(l.found, c)
	}
}

// packed adds a compressed file if it is one of a log's.
func (l *listing) packed(name, base, pattern string) {
	plain := filepath.Base(strings.TrimSuffix(name, filepath.Ext(name)))
	if logical, _ := match(base, plain); logical != "" {
		l.addPacked(candidate{name: name, path: filepath.Join(filepath.Dir(name), logical), pattern: pattern})
	}
}

func (l *listing) addPacked(c candidate) {
	if l.t.stat(&c) {
		l.archives = append(l.archives, c)
	}
}

func (l *listing) folder(dir string) []fs.DirEntry {
	if names, ok := l.names[dir]; ok {
		return names
	}
	names := l.t.names(dir)
	l.names[dir] = names
	l.dirs = append(l.dirs, dir)
	return names
}

// beside looks for the rotated siblings of what symbolic links point to, and of
// what they pointed to when the files still followed were found.
func (l *listing) beside() {
	for f := range l.t.files {
		if f.target != "" && !f.done && (!f.missing || f.size > f.acked) {
			l.targets[target{f.path, f.target}] = f.pattern
		}
	}
	for tg, pattern := range l.targets {
		dir, base := filepath.Split(tg.name)
		dir = filepath.Clean(dir)
		if _, err := os.Lstat(dir); err != nil {
			continue // the container is gone, and its folder with it
		}
		for _, e := range l.folder(dir) {
			c := candidate{name: filepath.Join(dir, e.Name()), path: tg.path, pattern: pattern, target: tg.name}
			switch {
			case unpackable(e.Name()) && sibling(base, e.Name()):
				l.addPacked(c)
			case !compressed(e.Name()) && (e.Name() == base || sibling(base, e.Name())):
				l.add(c)
			}
		}
	}
}

// sibling says whether name is base rotated away. A container that is started
// anew writes 1.log where it wrote 0.log before.
func sibling(base, name string) bool {
	if rest, ok := strings.CutPrefix(name, base); ok && rest != "" {
		return rest[0] == '.' || rest[0] == '-'
	}
	n, ok := run(base)
	m, rotated := run(name)
	return ok && rotated && m < n
}

// run gives the number of a container's run, if name is a file of Kubernetes'.
func run(name string) (int, bool) {
	number, rest, ok := strings.Cut(name, ".log")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && (rest == "" || rest[0] == '.' || rest[0] == '-')
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

func (t *Tailer) names(dir string) []fs.DirEntry {
	names, err := os.ReadDir(dir)
	if err == nil {
		t.troubleEnds(dir)
		return names
	}
	t.incomplete = true
	if errors.Is(err, fs.ErrNotExist) { // it may come yet; scan says that nothing matches
		return nil
	}
	t.trouble(dir, "can't look for log files", whyUnreadable(dir, err))
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
			hint := "only regular files can be tailed"
			if c.folder {
				hint = "it is a folder: add /*.log to follow the files in it"
			}
			t.trouble(c.name, "not a regular file", hint)
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
