package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder walks the YAML tree and the Go value together and notes every
// problem instead of stopping at the first.
type decoder struct {
	file     string
	problems Problems
	// lines is where each key that the file gives stands, by its path.
	lines map[string]int
}

func (d *decoder) add(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: n.Line, Msg: fmt.Sprintf(format, args...)})
}

// value decodes n, found at the key path, into v.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if path != "" {
		d.lines[path] = n.Line
	}
	if v.CanAddr() {
		if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
			d.text(path, n, u)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if isNull(n) {
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(path, n, v.Elem())
	case reflect.Struct:
		d.structure(path, n, v)
	case reflect.Slice:
		d.slice(path, n, v)
	case reflect.Map:
		d.mapping(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) structure(path string, n *yaml.Node, v reflect.Value) {
	if isNull(n) { // a section whose keys are all commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, "%s: got %s, want a section with keys (%s)", where(path), kindName(n), list(keysOf(v.Type())))
		return
	}
	fields := map[string][]int{}
	for _, f := range fieldsOf(v.Type()) {
		fields[f.key] = f.index
	}
	d.keys(path, n, func(key, val *yaml.Node) {
		index, ok := fields[key.Value]
		if !ok {
			d.unknown(path, key, v.Type())
			return
		}
		d.value(join(path, key.Value), val, v.FieldByIndex(index))
		d.lines[join(path, key.Value)] = key.Line
	})
}

// unknown reports a key that the struct does not have.
func (d *decoder) unknown(path string, key *yaml.Node, t reflect.Type) {
	for field := range t.Fields() {
		if env := field.Tag.Get("env"); env != "" && strings.EqualFold(field.Name, strings.ReplaceAll(key.Value, "_", "")) {
			d.add(key, "%s is a secret and does not stand in this file: set %s, or %s_FILE to a file that holds it",
				join(path, key.Value), env, env)
			return
		}
	}
	in, keys := "", keysOf(t)
	if path != "" {
		in = " in " + path
	}
	if near := Nearest(key.Value, keys); near != "" {
		d.add(key, "unknown key %q%s, did you mean %q?", key.Value, in, near)
		return
	}
	d.add(key, "unknown key %q%s (known: %s)", key.Value, in, list(keys))
}

// keys calls fn for each key of a mapping and reports those given twice.
func (d *decoder) keys(path string, n *yaml.Node, fn func(key, val *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.add(key, "%s: a key is a plain word, not %s", where(path), kindName(key))
			continue
		}
		if first, ok := seen[key.Value]; ok {
			d.add(key, "%s is given twice, first in line %d", join(path, key.Value), first)
			continue
		}
		seen[key.Value] = key.Line
		fn(key, val)
	}
}

func (d *decoder) slice(path string, n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind == yaml.ScalarNode && v.Type() == reflect.TypeFor[OneOrMore]() {
		n = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Content: []*yaml.Node{n}}
	}
	if n.Kind != yaml.SequenceNode {
		d.add(n, "%s: got %s, want a list, each item in its own line after \"- \"", where(path), kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
	}
	v.Set(out) // a list in the file replaces the default list
}

func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.add(n, "%s: got %s, want keys with values", where(path), kindName(n))
		return
	}
	out := reflect.MakeMap(v.Type())
	d.keys(path, n, func(key, val *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, key.Value), val, item)
		out.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
	v.Set(out)
}

func (d *decoder) text(path string, n *yaml.Node, u encoding.TextUnmarshaler) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.add(n, "%s: got %s, want %s", where(path), kindName(n), example(reflect.TypeOf(u).Elem()))
		return
	}
	if err := u.UnmarshalText([]byte(n.Value)); err != nil {
		d.add(n, "%s: %v", where(path), err)
	}
}

func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		d.add(n, "%s has no value; want %s, or leave the key out", where(path), example(v.Type()))
		return
	}
	if n.Kind != yaml.ScalarNode || !set(v, n) {
		d.add(n, "%s: got %s, want %s", where(path), kindName(n), example(v.Type()))
	}
}

// set stores a scalar and reports whether it fits the type.
func set(v reflect.Value, n *yaml.Node) bool {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		dur, err := time.ParseDuration(n.Value)
		v.SetInt(int64(dur))
		return err == nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
		// A bare number or date is fine as text; true and false are not: they
		// mean that somebody took this for a switch.
		return n.Tag != "!!bool"
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		v.SetBool(b)
		return err == nil && n.Tag == "!!bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		v.SetInt(i)
		return err == nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(n.Value, 10, v.Type().Bits())
		v.SetUint(u)
		return err == nil
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
		v.SetFloat(f)
		return err == nil
	default:
		return false
	}
}
