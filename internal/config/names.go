package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Nearest gives the candidate that word is most likely a slip for, "" if none
// is near.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts the single-byte edits between a and b, a swap of neighbours
// being one.
func distance(a, b string) int {
	var before []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}

// field is a struct field that is filled from a key.
type field struct {
	key   string
	index []int // for reflect.Value.FieldByIndex
}

// fieldsOf gives the fields of a struct in order, those of a struct tagged
// ",inline" in its place.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || key == "-":
		case option == "inline":
			for _, sub := range fieldsOf(f.Type) {
				fields = append(fields, field{sub.key, append(slices.Clone(f.Index), sub.index...)})
			}
		case key != "":
			fields = append(fields, field{key, f.Index})
		}
	}
	return fields
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, f.key)
	}
	return keys
}

func list(keys []string) string { return strings.Join(keys, ", ") }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func where(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kindName says what stands in the file, for people.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	default:
		if isNull(n) {
			return "nothing"
		}
		return strconv.Quote(n.Value)
	}
}

// example says what a type wants, with a value that would be right.
func example(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 500ms, 1s or 2m"
	case t == reflect.TypeFor[Size]():
		return "a size such as 64KiB, 2MiB or 1GiB"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number such as 4"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative, such as 4"
	case reflect.Float32, reflect.Float64:
		return "a number such as 0.5"
	case reflect.String:
		return `text such as "web-1"`
	default:
		return fmt.Sprintf("a value of %s", t.Name())
	}
}
