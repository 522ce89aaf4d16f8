// Package config loads a daemon's YAML file into a struct that already holds
// the defaults, strictly: an unknown key, a key given twice, a value of the
// wrong type are problems with file and line, and all of them are reported at
// once. Secrets never stand in the file: a field tagged `env:"NAME"` is filled
// from the environment variable NAME, or from the file that NAME_FILE names.
//
// A struct takes part with `yaml:"key"` tags on its fields; a field without a
// tag, or with "-", has no key, and the keys of a struct tagged `yaml:",inline"`
// stand beside those around it. Known field types are strings, booleans,
// numbers, Duration, Size, OneOrMore, structs, slices, maps from strings, pointers to
// these, and whatever implements encoding.TextUnmarshaler. If the struct has a
// Validate() error method, it runs once the file itself is right, and the
// errors it makes with Invalid get the line of the key they are about.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFile bounds the size of a configuration file.
const MaxFile = 1 << 20

// Load reads the file at path into the struct that into points to. Keys that
// the file does not give keep the value they have. Errors about the content
// are Problems; into is then partly filled and must not be used.
func Load(path string, into any) error {
	data, err := Read(path)
	if err != nil {
		return err
	}
	return Parse(path, data, into)
}

// Parse is Load for bytes already read; name stands for the file in problems.
func Parse(name string, data []byte, into any) error {
	d, err := decode(name, data, into)
	if err != nil {
		return err
	}
	if v, ok := into.(interface{ Validate() error }); ok {
		d.place(v.Validate())
	}
	return d.result()
}

// TopKeys gives the keys at the top level of a file's bytes, in order; name
// stands for the file in problems.
func TopKeys(name string, data []byte) ([]string, error) {
	root, err := document(name, data)
	if err != nil || root == nil || root.Kind != yaml.MappingNode {
		return nil, err
	}
	var keys []string
	for i := 0; i+1 < len(root.Content); i += 2 {
		keys = append(keys, root.Content[i].Value)
	}
	return keys, nil
}

// Read gives the bytes of the file at path, which may be a pipe: whoever looks
// into a file twice reads it once.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("read the configuration: %s is larger than %s", path, Size(MaxFile))
	}
	return data, nil
}

func decode(name string, data []byte, into any) (*decoder, error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("load %s: want a pointer to a struct, got %T", name, into)
	}
	root, err := document(name, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name, lines: map[string]int{}}
	if root != nil {
		d.value("", root, v.Elem())
	}
	if len(d.problems) == 0 {
		d.environment(v.Elem())
	}
	return d, d.result()
}

// document gives the root node of the only document in data, nil if there is
// none.
func document(name string, data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil //nolint:nilnil // an empty file is all defaults
		}
		return nil, syntaxProblem(name, err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, Problems{{File: name, Line: more.Line, Msg: "a second document starts here; want one per file"}}
	}
	if len(doc.Content) == 0 {
		return nil, nil //nolint:nilnil // only comments
	}
	return doc.Content[0], nil
}

// syntaxProblem turns the library's "yaml: line 3: …" into a Problem.
func syntaxProblem(name string, err error) error {
	p := Problem{File: name, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
	if n, scanErr := fmt.Sscanf(p.Msg, "line %d:", &p.Line); n == 1 && scanErr == nil {
		_, p.Msg, _ = strings.Cut(p.Msg, ": ")
	}
	p.Msg = "this is not YAML: " + p.Msg
	if strings.Contains(p.Msg, "cannot start any token") {
		p.Msg += "; indent with blanks, not with tabs, and put quotes around a text that begins with @, % or `"
	}
	return Problems{p}
}

// environment fills the fields that are tagged `env`.
func (d *decoder) environment(v reflect.Value) {
	for i := range v.NumField() {
		field, fv := v.Type().Field(i), v.Field(i)
		if !field.IsExported() {
			continue
		}
		if fv.Kind() == reflect.Struct {
			d.environment(fv)
			continue
		}
		name := field.Tag.Get("env")
		if name == "" || fv.Kind() != reflect.String {
			continue
		}
		if s, ok := os.LookupEnv(name); ok {
			fv.SetString(s)
		} else if path, ok := os.LookupEnv(name + "_FILE"); ok {
			b, err := os.ReadFile(path)
			if err != nil {
				d.problems = append(d.problems, Problem{File: "environment", Msg: fmt.Sprintf("%s_FILE: %v", name, err)})
			}
			fv.SetString(strings.TrimRight(string(b), "\r\n"))
		}
	}
}

func (d *decoder) result() error {
	if len(d.problems) == 0 {
		return nil
	}
	sort.SliceStable(d.problems, func(i, j int) bool { return d.problems[i].Line < d.problems[j].Line })
	return d.problems
}

// Readable reports why a file that a configuration names cannot be read, so that
// a bad path is found before the file is needed. "" names none and is fine.
func Readable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
