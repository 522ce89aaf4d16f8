package haproxycfg

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// System is what Load sees of the machine: os.Stat, os.ReadDir, os.ReadFile and os.LookupEnv.
type System struct {
	Stat      func(name string) (fs.FileInfo, error)
	ReadDir   func(name string) ([]fs.DirEntry, error)
	ReadFile  func(name string) ([]byte, error)
	LookupEnv func(name string) (string, bool)
}

// maxFile bounds a configuration file.
const maxFile = 64 << 20

// Load reads configuration files and folders as HAProxy's -f does: of a folder the files NAME.cfg that do not begin
// with a dot, in the order of their names. All of them are one configuration. An error is Problems; the Config, if it
// is not nil, then holds what could be read all the same.
func Load(sys System, names ...string) (*Config, error) {
	var files []File
	var problems Problems
	for _, name := range names {
		more, err := sys.files(name)
		if err != nil {
			problems = append(problems, unreadable(name, err))
		}
		files = append(files, more...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return Parse(files, sys.LookupEnv)
}

func unreadable(name string, err error) Problem {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		name, err = of.Path, of.Err
	}
	return Problem{File: name, Msg: "cannot read it: " + err.Error() + "; give the haproxy.cfg, or the folder of *.cfg, that HAProxy is started with"}
}

// files gives the files behind one name.
func (sys System) files(name string) ([]File, error) {
	info, err := sys.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f, err := sys.file(name, info)
		return []File{f}, err
	}
	entries, err := sys.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".cfg") && !strings.HasPrefix(e.Name(), ".") {
			found = append(found, path.Join(name, e.Name()))
		}
	}
	slices.Sort(found)
	var files []File
	for _, n := range found {
		if info, err = sys.Stat(n); err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		f, err := sys.file(n, info)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, errors.New("the folder has no file *.cfg")
	}
	return files, nil
}

func (sys System) file(name string, info fs.FileInfo) (File, error) {
	if info.Size() > maxFile {
		return File{}, errors.New("it has more than 64 MiB")
	}
	b, err := sys.ReadFile(name)
	return File{name, b}, err
}
