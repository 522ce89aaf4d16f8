package forwarder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
)

// leftovers opens the spools of inputs that are not configured any more: what
// they hold is shipped, then they go.
func (s *intakes) leftovers() error {
	folders, err := os.ReadDir(spoolFolder(s.cfg.State))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for spools: %w", err)
	}
	for _, folder := range folders {
		name := folder.Name()
		if !folder.IsDir() || slices.ContainsFunc(s.all, func(k *intake) bool { return filepath.Base(k.dir) == name }) {
			continue
		}
		files, err := os.ReadDir(filepath.Join(spoolFolder(s.cfg.State), name))
		if err != nil {
			return fmt.Errorf("look for spools: %w", err)
		}
		if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return isSegment(f.Name()) }) {
			continue
		}
		in := Input{Syslog: "spool:" + name} // a name if nobody knows the input's
		for _, st := range s.known {
			if folderName(string(st.Path)) == name {
				in.Syslog = string(st.Path)
			}
		}
		k, err := s.openSpool(&in, name)
		if err != nil { // the inputs that are configured can work without
			s.log.Error("the spool of an input that is not configured any more can't be opened; what it holds waits for the next start",
				"input", in.Name(), "folder", filepath.Join(spoolFolder(s.cfg.State), name), "why", err)
			continue
		}
		k.removed = true
		s.log.Info("emptying the spool of an input that is not configured any more", "input", k.name, "folder", k.dir)
		s.take(k)
	}
	return nil
}

// reap removes the spools of removed inputs once they are empty.
func (s *intakes) reap() {
	n := len(s.all)
	s.all = slices.DeleteFunc(s.all, func(k *intake) bool {
		if !k.removed || !k.spool.Empty() {
			return false
		}
		k.end()
		k.spool.UpdateLag() // for the last time
		if err := errors.Join(k.spool.Close(), s.removeSpool(k.dir)); err != nil {
			s.log.Warn("the spool of an input that is not configured any more could not be removed", "folder", k.dir, "why", err)
		}
		s.log.Info("the spool of an input that is not configured any more is empty and removed", "input", k.name)
		// Should the input come back, its new spool lacks nothing.
		s.known = slices.DeleteFunc(s.known, func(st checkpoint.Stream) bool { return string(st.Path) == k.name })
		s.gone = true
		return true
	})
	if len(s.all) == n {
		return
	}
	s.show()
}

// removeSpool removes the folder of a spool, the first segments first: what a
// crash leaves is the end of the stream. Damaged segments that were kept aside
// are for people, and stay.
func (s *intakes) removeSpool(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	aside := 0
	for _, file := range files {
		if !isSegment(file.Name()) {
			aside++
		} else if err := os.Remove(filepath.Join(dir, file.Name())); err != nil {
			return err
		}
	}
	if aside > 0 {
		s.log.Warn("damaged segments of a spool were kept aside and stay there; remove them when nobody needs them", "folder", dir, "files", aside)
		return nil
	}
	return os.Remove(dir)
}

func isSegment(name string) bool { return strings.HasSuffix(name, ".seg") }
