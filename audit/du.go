package audit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// UsageKeys are what Du can group by.
func UsageKeys() []string { return []string{"day", "source", "node", "writer", "frontend"} }

// noFrontend is what lines without a frontend are counted under.
const noFrontend = "(none)"

// Usage is what one day, source, node, writer or frontend takes.
type Usage struct {
	// Name is the day (UTC, of sealing), the source's id, or the node's,
	// writer's or frontend's name.
	Name string `json:"name"`
	// Node and Path are of a source.
	Node string `json:"node,omitempty"`
	Path string `json:"path,omitempty"`
	// Objects counts those that have lines of it. One may count for several.
	Objects int `json:"objects"`
	// Lines and RawBytes are exact, repeats included.
	Lines    int64 `json:"lines"`
	RawBytes int64 `json:"raw_bytes"`
	// Stored is exact for days and writers. An object with lines of several
	// sources, nodes or frontends is divided between them by their RawBytes, so
	// that the sum is what is stored.
	Stored int64 `json:"stored_bytes"`
}

// Du sums up what the selected objects take, by one of UsageKeys, in the order
// of the names. It reads footers only; for "frontend" it reads the objects, as
// only the lines tell. Filters select whole objects, and of these the sources
// and nodes that match.
func Du(ctx context.Context, store Store, filter Filter, by string, warn func(error)) ([]Usage, error) {
	if !slices.Contains(UsageKeys(), by) {
		return nil, fmt.Errorf("usage by %q: want one of %s", by, strings.Join(UsageKeys(), ", "))
	}
	s := &scan{store: store, filter: filter, whole: by == "frontend", warn: warn}
	all := map[string]*Usage{}
	err := s.run(ctx, func(o *object) error {
		parts, err := usageOf(o, by)
		if err != nil {
			return err
		}
		for _, p := range divide(o.size, parts) {
			if by == "source" && !filter.source(p.Node, p.Name) || by == "node" && filter.Node != "" && p.Name != filter.Node {
				continue
			}
			key := p.Node + "\x00" + p.Name
			sum := all[key]
			if sum == nil {
				sum = &Usage{Name: p.Name, Node: p.Node, Path: p.Path}
				all[key] = sum
			}
			sum.Objects++
			sum.Lines += p.Lines
			sum.RawBytes += p.RawBytes
			sum.Stored += p.Stored
		}
		return nil
	})
	out := make([]Usage, 0, len(all))
	for _, u := range all {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Usage) int { return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.Name, b.Name)) })
	return out, err
}

// usageOf gives the parts of an object, in the order of their names. An object
// that holds nothing but losses is a part without lines.
func usageOf(o *object, by string) ([]Usage, error) {
	m := o.reader.Meta()
	parts := map[string]*Usage{}
	add := func(u Usage) {
		key := u.Node + "\x00" + u.Name
		if p := parts[key]; p != nil {
			p.Lines += u.Lines
			p.RawBytes += u.RawBytes
			return
		}
		parts[key] = &u
	}
	whole := Usage{Lines: int64(m.Lines), RawBytes: m.RawBytes}
	switch by {
	case "day":
		whole.Name = m.Sealed.UTC().Format(time.DateOnly)
		add(whole)
	case "writer":
		whole.Name = m.Writer
		add(whole)
	case "frontend":
		if err := o.reader.Rows(func(r *archive.Row) error {
			size := int64(len(r.Raw))
			if !r.NoLF {
				size++
			}
			add(Usage{Name: frontendOf(r.Record), Lines: 1, RawBytes: size})
			return nil
		}); err != nil {
			return nil, err
		}
		if len(parts) == 0 {
			add(Usage{Name: noFrontend})
		}
	default:
		for i := range m.Ranges {
			r := &m.Ranges[i]
			u := Usage{Name: r.Source.Node, Lines: int64(r.Lines), RawBytes: r.To - r.From}
			if by == "source" {
				u.Name, u.Node, u.Path = r.Source.ID, r.Source.Node, r.Source.Path
			}
			add(u)
		}
		for i := range m.Losses {
			l := &m.Losses[i]
			u := Usage{Name: l.Source.Node}
			if by == "source" {
				u.Name, u.Node, u.Path = l.Source.ID, l.Source.Node, l.Source.Path
			}
			add(u)
		}
	}
	out := make([]Usage, 0, len(parts))
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		out = append(out, *parts[key])
	}
	return out, nil
}

// frontendOf gives the frontend that a line names, noFrontend without one.
func frontendOf(r *parser.Record) string {
	if r == nil {
		return noFrontend
	}
	for i, f := range r.Format.Fields() {
		if (f.Alias == "f" || f.Alias == "ft") && r.Values[i].State&parser.Present != 0 {
			name := r.Values[i].Text
			if f.Alias == "ft" {
				name = bytes.TrimSuffix(name, []byte("~"))
			}
			return strings.ToValidUTF8(string(name), "\uFFFD")
		}
	}
	return noFrontend
}

// divide gives each part its share of an object's bytes, by raw bytes. The
// shares add up to stored: what rounding leaves goes to the last.
func divide(stored int64, parts []Usage) []Usage {
	raw, before, given := int64(0), int64(0), int64(0)
	for i := range parts {
		raw += parts[i].RawBytes
	}
	for i := range parts {
		before += parts[i].RawBytes
		upTo := stored
		if raw > 0 {
			upTo = int64(float64(stored) * (float64(before) / float64(raw)))
		}
		if i == len(parts)-1 {
			upTo = stored
		}
		parts[i].Stored = upTo - given
		given = upTo
	}
	return parts
}

// Stored counts the objects with lines and their bytes, by a listing alone.
func Stored(ctx context.Context, store Store) (objects int, size int64, err error) {
	err = store.List(ctx, "dt=", func(i objectstore.Info) error {
		objects++
		size += i.Size
		return nil
	})
	return objects, size, err
}

// Beside counts what lies beside the objects with lines, by the first part of
// the key: manifests, quarantined messages and more.
func Beside(ctx context.Context, store Store) ([]Usage, error) {
	all := map[string]*Usage{}
	err := store.List(ctx, "_", func(i objectstore.Info) error {
		name, _, _ := strings.Cut(i.Key, "/")
		if all[name] == nil {
			all[name] = &Usage{Name: name + "/"}
		}
		all[name].Objects++
		all[name].Stored += i.Size
		return nil
	})
	out := make([]Usage, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, *all[name])
	}
	return out, err
}
